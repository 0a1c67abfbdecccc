/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * What `ps -ef` shows of these processes, for systems without a ps: header and a line for each one
 * that is still there, in columns. Users are numbers, and what a process calls itself holds no
 * control characters. free(3) it.
 */
char *process_table_text(const pid_t *pids, size_t count);
