/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/sandbox/pending.h"

struct agent_client;

/*
 * A machine that goes on from a saved state, a template's or its own, has the clock of that time
 * and would draw the same random numbers as every other one that goes on from it. The agent is
 * asked to make both anew. It does as it is told in order, so whatever is asked of it later comes
 * after.
 */
struct renewal {
	struct pending seed, clock;
};
int renewal_begin(struct agent_client *client, struct renewal *renewal, struct error *err);
int renewal_await(struct loop *loop, const struct renewal *renewal, struct error *err);
