/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct metrics;

/*
 * When the guest got how far on its way to the first container, by its own clock since it booted
 * (CLOCK_BOOTTIME): for `moat run --timing`, which asks for it by GetMetrics.
 */
enum agent_point {
	AGENT_POINT_STARTED,
	AGENT_POINT_MOUNTED,
	AGENT_POINT_LISTENING,
	AGENT_POINT_SANDBOX,
	AGENT_POINT_CONTAINER,
	AGENT_POINT_PROGRAM,
	AGENT_POINT_EXIT,
	AGENT_POINT_COUNT,
};

/* The first time counts. */
void agent_point(enum agent_point point);
/* As moat_agent_point_seconds, with the label "point": those that were reached. */
void agent_points_add(struct metrics *m);
