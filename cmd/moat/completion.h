/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* grammar_answer() for moat. */
bool completion_answer(char *const *args);
