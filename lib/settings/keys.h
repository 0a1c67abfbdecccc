/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct fields;
struct json_limits;
struct string_map;

/* Which keys a text has that was parsed by @fields. Adds to *@unknown, a strv, what there is to say
 * of each that they do not name, "NAME:LINE: vm.cpus: unknown key", and sets in @origins where each
 * of the others is said: "vm.vcpus" to "NAME:LINE". */
void settings_keys_find(const struct fields *fields, const char *name, const char *buf, size_t len,
			const struct json_limits *limits, char ***unknown,
			struct string_map *origins);
