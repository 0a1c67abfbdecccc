/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/guest-pids.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define PROCESSES_MAX (1u << 22) /* as many as Linux can have */

struct pids {
	pid_t *items;
	size_t count;
	unsigned int depth;
};

static int take_pid(void *ctx, const struct json_event *event, struct error *err)
{
	struct pids *pids = ctx;
	uint32_t pid;

	if (event->type == JSON_ARRAY_START && pids->depth++ == 0)
		return 0;
	if (event->type == JSON_ARRAY_END)
		return 0;
	if (event->type != JSON_NUMBER || !pids->depth || parse_u32(event->text, &pid) < 0 ||
	    pid > INT32_MAX)
		return error_set(err, -EBADMSG, "not an array of pids");
	pids->items = xrealloc(pids->items, pids->count + 1, sizeof(*pids->items));
	pids->items[pids->count++] = (pid_t)pid;
	return 0;
}

int guest_pids_parse(const struct agent_bytes *text, pid_t **ret, size_t *ret_count,
		     struct error *err)
{
	static const struct json_limits limits = {
		.max_bytes = 16 * PROCESSES_MAX,
		.max_depth = 1,
		.max_values = PROCESSES_MAX,
	};
	struct pids pids = { 0 };
	int r = json_parse("the guest's list of processes", (const char *)text->data, text->size,
			   &limits, take_pid, &pids, err);

	if (r < 0) {
		free(pids.items);
		return r;
	}
	*ret = pids.items;
	*ret_count = pids.count;
	return 0;
}
