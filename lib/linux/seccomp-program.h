/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "lib/base/cleanup.h"

/*
 * A system call filter as the kernel takes it: read, checked, handed on and loaded. Where it was
 * made, and where it is loaded, are different processes. Leaf functions: -errno.
 */

/* From @fd, whose offset does not matter. Release with seccomp_program_done(). */
int seccomp_program_read(int fd, struct sock_fprog *ret);
/* As a memory file for seccomp_program_read(). */
int seccomp_program_write(const struct sock_fprog *program);
/* Copies @count instructions; -EINVAL for none, -E2BIG for more than the kernel takes. */
int seccomp_program_copy(const struct sock_filter *insns, size_t count, struct sock_fprog *ret);
void seccomp_program_done(struct sock_fprog *program);
#define cleanup_seccomp_program CLEANUP(seccomp_program_done)

/* Whether it is one that the kernel would take: of the instructions that filters are made of,
 * every jump inside, every path ending in a verdict. 0 or -EINVAL. */
int seccomp_program_check(const struct sock_fprog *program);

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* "SECCOMP_FILTER_FLAG_LOG" … to the bit of seccomp(2); -EINVAL. */
int seccomp_flag(const char *name);
/* Whether the running kernel knows the flag, which is tried without a filter. */
bool seccomp_has_flag(unsigned int flag);
/* Puts the filter on this thread. Without no_new_privs it needs CAP_SYS_ADMIN. With
 * SECCOMP_FILTER_FLAG_NEW_LISTENER it returns the listener, close-on-exec; else 0. */
int seccomp_program_load(const struct sock_fprog *program, unsigned int flags);
