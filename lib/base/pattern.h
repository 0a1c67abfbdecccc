/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * Patterns as the kernel writes them in the aliases of modules: `*` is any text, `?` one character,
 * `[0-9a]` one of those; a `[` that is not closed matches nothing. fnmatch(3) would do, but has its
 * locales with it, which are a tenth of the agent's libraries. Takes at most as many steps as the
 * product of both lengths.
 */
bool pattern_matches(const char *pattern, const char *text);
