/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Bytes as engines write them: "512", "64m", "1.5g", "2 GiB", units of 1024 in any case; "-1" is
 * -1, no limit. -EINVAL for anything else, -ERANGE for more than an int64_t holds. */
int size_parse(const char *text, int64_t *ret);

/* A span of time as Go's programs take it, "5s", "1m30s", "250ms", "1.5h", in nanoseconds. A number
 * without a unit is refused, but for "0". -EINVAL, -ERANGE; there are no negative ones. */
int duration_parse(const char *text, int64_t *ret);

/* The other way, for people: "512", "1.5K", "64.0M"; "59s", "3m", "25h", "3d". free(3) them. */
char *size_text(uint64_t bytes);
char *span_text(int64_t seconds);
