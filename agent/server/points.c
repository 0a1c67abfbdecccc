/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/points.h"

#include <inttypes.h>

#include "lib/base/str.h"
#include "lib/base/timing.h"

#define NAME "moat_agent_point_seconds"

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

void agent_points_add(struct strbuf *sb)
{
	strbuf_addstr(sb, "# HELP " NAME " Since the guest booted.\n# TYPE " NAME " gauge\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (times_ns[i])
			strbuf_addf(sb, NAME "{point=\"%s\"} %" PRId64 ".%09" PRId64 "\n", names[i],
				    times_ns[i] / 1000000000, times_ns[i] % 1000000000);
}
