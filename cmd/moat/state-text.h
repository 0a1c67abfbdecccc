/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct container_info;

/* The state object that `state` and `list` print. @owner may be NULL. free(3) it. */
char *state_text(const struct container_info *info, const char *owner, bool is_pretty);
