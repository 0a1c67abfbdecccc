/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct guest_image;

/*
 * A kernel's configuration (the text of its .config) and what a guest needs of it.
 *
 * A need is an expression over symbols without "CONFIG_": "A+B|C" is (A and B) or C. Its value is
 * the best that holds: 'y' built in, 'm' with modules, 'n' not at all.
 */
struct kconfig;

int kconfig_parse(const char *name, const char *text, size_t len, struct kconfig **ret,
		  struct error *err);
void kconfig_free(struct kconfig *config);
char kconfig_value(const struct kconfig *config, const char *expression);

/* What a kernel does not have: "terminals", "the agent does not start", "set CONFIG_UNIX98_PTYS=y". */
struct kernel_lack {
	bool is_required; /* no guest works without; otherwise some containers want it */
	const char *what;
	const char *otherwise; /* what comes of it */
	char *cure;
};

struct kernel_lacks {
	struct kernel_lack *list; /* what is required first */
	size_t count;
	size_t required_count;
};
void kernel_lacks_done(struct kernel_lacks *lacks);
#define cleanup_kernel_lacks CLEANUP(kernel_lacks_done)

void kconfig_check(const struct kconfig *config, struct kernel_lacks *ret);

/* Fills the has_… members. @can_load: modules come with the guest. */
void kconfig_describe(const struct kconfig *config, bool can_load, struct guest_image *image);
