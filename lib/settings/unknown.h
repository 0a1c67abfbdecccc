/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct fields;
struct json_limits;

/* Adds to *@ret, a strv, what there is to say of each key of a text that was parsed by @fields and
 * that they do not name: "NAME:LINE: vm.cpus: unknown key". */
void unknown_keys_find(const struct fields *fields, const char *name, const char *buf, size_t len,
		       const struct json_limits *limits, char ***ret);
