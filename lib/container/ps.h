/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct error;

/*
 * The table of ps(1), reduced to some processes. The program is the host's, looked for in the
 * system's own directories whatever PATH says, and never the container's.
 */

/* @args: its options; NULL or empty: "-ef". *ret: header and lines; free(3) it. */
int ps_run(char *const *args, const pid_t *pids, size_t count, char **ret, struct error *err);

/* The header of @table and the lines whose column PID holds one of @pids. Pure. */
int ps_filter(const char *table, const pid_t *pids, size_t count, char **ret, struct error *err);
