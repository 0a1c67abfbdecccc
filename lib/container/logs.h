/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/state/journal.h"

struct error;

/* What was said about a container and, if it runs in one, in its virtual machine, in the order of
 * time; and what comes until its process ends. */
struct container_logs_request {
	const char *root;
	const char *id;
	int source; /* enum journal_source, -1: all of them */
	bool follows;
	void (*on_entry)(void *ctx, const struct journal_entry *entry);
	void *ctx;
};
int container_logs(const struct container_logs_request *request, struct error *err);
