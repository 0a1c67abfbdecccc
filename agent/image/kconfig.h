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

/* One line for each thing that is missing, with its cure: *ret_missing is what no guest works
 * without, *ret_advised what some containers want. Both strv, NULL when nothing is. */
void kconfig_check(const struct kconfig *config, char ***ret_missing, char ***ret_advised);

/* Fills the has_… members. @can_load: modules come with the guest. */
void kconfig_describe(const struct kconfig *config, bool can_load, struct guest_image *image);
