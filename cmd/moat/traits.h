/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/cleanup.h"

struct container_info;

/* What people want to know of a container beside its state, in words; "-" where there is nothing. */
struct container_traits {
	const char *isolation;
	char *vmm;    /* see lib/container/usage.h */
	char *memory; /* "64.0M" */
	char *age;    /* "3m" */
};
void container_traits(const char *root, const struct container_info *info,
		      struct container_traits *ret);
void container_traits_done(struct container_traits *traits);
#define cleanup_traits CLEANUP(container_traits_done)
