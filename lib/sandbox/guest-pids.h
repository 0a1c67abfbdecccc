/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "agent/proto/messages.h"

struct error;

/* The guest's answer to ListProcesses in the format "json": process ids as its kernel numbers them,
 * *ret to be freed by free(3). The text is a hostile guest's. */
int guest_pids_parse(const struct agent_bytes *text, pid_t **ret, size_t *ret_count,
		     struct error *err);
