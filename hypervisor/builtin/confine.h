/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct sock_fprog;

/*
 * What a VMM gives up before its guest runs, which may take it over. First its process: every
 * path, by an empty root that cannot be written to, and all capabilities but those (@keep, a mask)
 * that the thread has which serves files; then each thread, by a system call filter of what it does
 * from then on, whose breach ends the process.
 */

/* Where it may not make namespaces, in a unit test of an ordinary user's, the paths stay. */
int confine_process(uint64_t keep, struct error *err);
/* For this thread and those that it makes. */
int confine_rights(uint64_t keep, struct error *err);

/* The loop's thread, the one that serves files, and each vcpu's. */
int confine_loop(struct error *err);
int confine_files(struct error *err);
int confine_vcpu(struct error *err);

/* The same filters as they are loaded, for tests; seccomp_program_done(). */
void confine_loop_filter(struct sock_fprog *ret);
void confine_files_filter(struct sock_fprog *ret);
void confine_vcpu_filter(struct sock_fprog *ret);
