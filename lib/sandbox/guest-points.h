/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct agent_client;

/*
 * The guest's part of `--timing`: what its agent says when it got how far (agent/server/points.h)
 * becomes points of the host's clock. The guest may lie about them, but no more than that: names
 * are plain words, and there are few of them.
 */

/* @ready_ns: when the host heard that the agent listens, which is how the two clocks compare. */
void guest_points_fetch(struct agent_client *client, int64_t ready_ns);
/* The same of the metrics' text, which is changed. */
void guest_points_take(char *metrics, int64_t ready_ns);
