/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/points.h"

#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/metrics/metrics.h"

#define NS_PER_S 1000000000

static const char *const names[] = {
	[AGENT_POINT_STARTED] = "agent started",    [AGENT_POINT_MOUNTED] = "root mounted",
	[AGENT_POINT_LISTENING] = "channel opened", [AGENT_POINT_SANDBOX] = "sandbox made",
	[AGENT_POINT_CONTAINER] = "container made", [AGENT_POINT_PROGRAM] = "program started",
	[AGENT_POINT_EXIT] = "program ended",
};
_Static_assert(ARRAY_SIZE(names) == AGENT_POINT_COUNT, "a name for each point");

static int64_t times_ns[AGENT_POINT_COUNT];

void agent_point(enum agent_point point)
{
	if (!times_ns[point])
		times_ns[point] = timing_now_ns();
}

void agent_points_add(struct metrics *m)
{
	static const struct metrics_family family = { "moat_agent_point_seconds", METRICS_GAUGE,
						      "Since the guest booted." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct metrics_label labels[] = { { "point", names[i] }, { NULL } };

		if (times_ns[i])
			metrics_add_seconds(m, &family, labels, (uint64_t)times_ns[i], NS_PER_S);
	}
}
