/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/base/error.h"

struct loop;

/* A call to the agent whose answer is waited for later; starts from zeroes. */
struct pending {
	bool is_done;
	struct error err;
};

/* An agent_reply_fn, whose context it is. */
void pending_answer(void *ctx, const void *response, const struct error *err);
/* Each call has its own time-out. */
int pending_await(struct loop *loop, const struct pending *pending, struct error *err);
