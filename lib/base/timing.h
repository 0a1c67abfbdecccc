/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Points of time on the way of a command, for `--timing`: each process of it appends its own to one
 * file that they inherit. Without a file (the default) a point costs nothing. Times are of
 * CLOCK_BOOTTIME, which all processes of a machine share. One thread.
 *
 * A line of the file: "NANOSECONDS WHO WHAT", WHAT to its end.
 */
#define TIMING_WHO_MAX 16
#define TIMING_WHAT_MAX 48

/* @fd is borrowed; -1: none. @who: a word that outlives us, as "moat". */
void timing_setup(int fd, const char *who);
int timing_fd(void); /* or -1 */

/* @what: what has just been reached: "configuration read". Longer ones are cut. */
void timing_point(const char *what);
void timing_point_at(int64_t ns, const char *who, const char *what);
int64_t timing_now_ns(void);
