/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* A signal as kill(1) and its peers take it: 0 to 64, "TERM", "SIGTERM", "rtmin+3", in any case.
 * -EINVAL for anything else. */
int signal_parse(const char *text);

/* The names without "SIG" and real-time ones, by a number from 0 on; NULL: no more. */
const char *signal_name(size_t index);
