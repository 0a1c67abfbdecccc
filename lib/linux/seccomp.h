/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <linux/filter.h>

#include "lib/base/cleanup.h"

/*
 * System call filters: a builder that turns rules into a BPF program, and the loader. The only
 * includer of libseccomp. Building (milliseconds) and loading (microseconds) are apart, so that
 * the one can happen in another process than the other. Actions are the kernel's SECCOMP_RET_…
 * with their data in the low 16 bits. Leaf functions: -errno.
 */
struct seccomp_builder;

enum seccomp_op {
	SECCOMP_OP_NE, SECCOMP_OP_LT, SECCOMP_OP_LE, SECCOMP_OP_EQ, SECCOMP_OP_GE, SECCOMP_OP_GT,
	SECCOMP_OP_MASKED_EQ, /* (argument & value) == value_two */
};
struct seccomp_compare {
	unsigned int arg; /* 0–5 */
	enum seccomp_op op;
	uint64_t value;
	uint64_t value_two;
};
#define SECCOMP_ARGS_MAX 6

/* For the native architecture; @default_action is for calls without a rule. */
int seccomp_builder_new(uint32_t default_action, struct seccomp_builder **ret);
void seccomp_builder_free(struct seccomp_builder *builder);
DEFINE_CLEANUP(seccomp_builder_free_p, struct seccomp_builder *, seccomp_builder_free)
#define cleanup_seccomp_builder CLEANUP(seccomp_builder_free_p)

/* Rules added from now on hold for this architecture too. @name: "x86_64", "aarch64", …; -EINVAL
 * for one that the library does not know. */
int seccomp_builder_add_arch(struct seccomp_builder *builder, const char *name);
/* @action for @syscall when all @count comparisons hold. -ENOENT: no such system call. */
int seccomp_builder_add(struct seccomp_builder *builder, uint32_t action, const char *syscall_name,
			const struct seccomp_compare *compares, size_t count);
/* The program as a memory file, for seccomp_program_read(). */
int seccomp_builder_export(const struct seccomp_builder *builder);

/* A program read from @fd, whose offset does not matter. Release with seccomp_program_done(). */
int seccomp_program_read(int fd, struct sock_fprog *ret);
void seccomp_program_done(struct sock_fprog *program);

/* "SECCOMP_FILTER_FLAG_LOG" … to the bit of seccomp(2); -EINVAL. */
int seccomp_flag(const char *name);
/* Puts the filter on this thread. Without no_new_privs it needs CAP_SYS_ADMIN. */
int seccomp_program_load(const struct sock_fprog *program, unsigned int flags);
