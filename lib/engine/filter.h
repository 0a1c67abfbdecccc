/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_seccomp;

/*
 * linux.seccomp as a program for the kernel. Building takes milliseconds, so the caller does it
 * while init works on the mounts, and sends the descriptor.
 */

struct filter_plan {
	unsigned int flags;          /* of seccomp(2) */
	unsigned int optional_flags; /* wanted, but not insisted on */
};

/* Pure. Refuses what is not supported or makes no sense. */
int filter_plan(const struct oci_seccomp *seccomp, struct filter_plan *ret, struct error *err);

/* A memory file for seccomp_program_read(). */
int filter_build(const struct oci_seccomp *seccomp, int *ret_fd, struct error *err);
