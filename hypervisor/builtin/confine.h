/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct sock_fprog;

/*
 * What a VMM gives up before its guest runs, which may take it over. First its process: all
 * capabilities, and every path, by an empty root that cannot be written to; then each thread, by a
 * system call filter of what it does from then on, whose breach ends the process.
 */

/* Where it may not make namespaces, in a unit test of an ordinary user's, the paths stay. */
int confine_process(struct error *err);

/* The loop's thread, and each vcpu's. */
int confine_loop(struct error *err);
int confine_vcpu(struct error *err);

/* The same filters as they are loaded, for tests; seccomp_program_done(). */
void confine_loop_filter(struct sock_fprog *ret);
void confine_vcpu_filter(struct sock_fprog *ret);
