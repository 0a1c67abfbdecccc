/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Capabilities of the calling thread as bit masks. The only includer of libcap, whose names table
 * it uses. Leaf functions: -errno.
 */

/* "CAP_CHOWN", in any case, to its number; -EINVAL when this library or kernel has no such one. */
int caps_number(const char *name);
/* "cap_chown"; a static string for the numbers the library knows, else NULL. */
const char *caps_name(unsigned int number);

struct caps {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};
int caps_get(struct caps *ret);
int caps_set(const struct caps *caps);
/* Drops from the bounding set all that are not in @keep. Needs CAP_SETPCAP. */
int caps_drop_bounding(uint64_t keep);
/* Gives up for good all that are not in @keep, for this process and all it will start; and sets
 * no_new_privs. */
int caps_give_up(uint64_t keep);
/* The ambient set becomes @caps, which must be permitted and inheritable. */
int caps_set_ambient(uint64_t caps);
