/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* The start time in a text of /proc/PID/stat, which is taken apart; 0 for a zombie and for
 * anything else that is not a running process' line. */
uint64_t process_parse_start(char *stat);
