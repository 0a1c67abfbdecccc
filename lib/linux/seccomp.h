/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

struct sock_fprog;

/*
 * System call filters: a builder that turns rules into a BPF program, and the names of calls and
 * architectures. The only includer of libseccomp. Building takes milliseconds. Actions are the
 * kernel's SECCOMP_RET_… with their data in the low 16 bits. Leaf functions: -errno.
 */
struct seccomp_builder;

enum seccomp_op {
	SECCOMP_OP_NE,
	SECCOMP_OP_LT,
	SECCOMP_OP_LE,
	SECCOMP_OP_EQ,
	SECCOMP_OP_GE,
	SECCOMP_OP_GT,
	SECCOMP_OP_MASKED_EQ, /* (argument & value) == value_two */
};
struct seccomp_compare {
	unsigned int arg; /* 0–5 */
	enum seccomp_op op;
	uint64_t value;
	uint64_t value_two;
};
#define SECCOMP_ARGS_MAX 6

/* An architecture is the library's number for it. @name: "x86_64", "aarch64", …; 0 for one that
 * the library does not know. */
uint32_t seccomp_arch(const char *name);
uint32_t seccomp_arch_own(void);
/* What the call has as its number there; -ENOENT for a call that is not known, or that the
 * architecture has not under a number of its own. */
int seccomp_call_number(uint32_t arch, const char *call);
/* Of the library, "2.5.4": newer ones know more. */
const char *seccomp_library_version(void);

/* For this machine's own architecture; @default_action is for calls without a rule. */
int seccomp_builder_new(uint32_t default_action, struct seccomp_builder **ret);
void seccomp_builder_free(struct seccomp_builder *builder);
DEFINE_CLEANUP(seccomp_builder_free_p, struct seccomp_builder *, seccomp_builder_free)
#define cleanup_seccomp_builder CLEANUP(seccomp_builder_free_p)

/* Rules added from now on hold for this architecture too. -EDOM: it has another byte order, so
 * this machine will never execute it. */
int seccomp_builder_add_arch(struct seccomp_builder *builder, uint32_t arch);
/* @action for @call when all @count comparisons hold. -ENOENT: no such system call; -EEXIST:
 * another action for the same comparisons was added before. */
int seccomp_builder_add(struct seccomp_builder *builder, uint32_t action, const char *call,
			const struct seccomp_compare *compares, size_t count);
/* Makes the program a search tree instead of a list: more work here, less for the kernel when it
 * loads it and at each call that it is asked about. */
int seccomp_builder_use_tree(struct seccomp_builder *builder);
/* Release with seccomp_program_done(). */
int seccomp_builder_export(const struct seccomp_builder *builder, struct sock_fprog *ret);
