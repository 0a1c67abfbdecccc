/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct fields;
struct json_limits;

/* Warns of each key of a text that was parsed by @fields and that they do not name, with its line
 * and path. */
void unknown_keys_warn(const struct fields *fields, const char *name, const char *buf, size_t len,
		       const struct json_limits *limits);
