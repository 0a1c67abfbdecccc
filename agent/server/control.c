/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/server/server-internal.h"
#include "agent/server/spec.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/linux/process-table.h"
#include "oci/config.h"

/* PauseContainer, ResumeContainer. Both may be repeated: whoever was killed before it heard the
 * answer asks again. */

static int set_frozen(struct agent_server *server, const char *id, bool frozen, struct error *err)
{
	const struct container *container = container_find(server, id, err);

	return container ? cgroup_freeze(container->cgroup, frozen, err) : err->code;
}

int control_pause(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_PauseContainerRequest *req = request;

	return set_frozen(call->server, req->container_id, true, err);
}

int control_resume(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_ResumeContainerRequest *req = request;

	return set_frozen(call->server, req->container_id, false, err);
}

/* UpdateContainer */

int control_update(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_UpdateContainerRequest *req = request;
	const struct container *container = container_find(call->server, req->container_id, err);
	cleanup_oci_resources struct oci_resources *resources = NULL;
	cleanup_free char *text = NULL;
	int r;

	if (!container)
		return err->code;
	if (req->resources_json.size)
		text = xstrndup((const char *)req->resources_json.data, req->resources_json.size);
	else if (req->resources)
		text = spec_resources_text(req->resources);
	else
		return 0; /* what is not named stays */
	r = oci_resources_read("resources", text, strlen(text), &resources, err);
	return r < 0 ? r : cgroup_update(container->cgroup, resources, err);
}

/* ListProcesses. There is no ps program in here, so its options mean nothing. */

static char *pids_text(const pid_t *pids, size_t count)
{
	struct json_writer *w = json_writer_new(false);

	json_open_array(w);
	for (size_t i = 0; i < count; i++)
		json_i64(w, pids[i]);
	json_close_array(w);
	return json_finish(w);
}

int control_list(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_ListProcessesRequest *req = request;
	const struct container *container = container_find(call->server, req->container_id, err);
	grpc_ListProcessesResponse *answer = response;
	const char *format = req->format && *req->format ? req->format : "json";
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	char *text;
	int r;

	if (!container)
		return err->code;
	if (!streq(format, "json") && !streq(format, "table"))
		return error_set(err, -EINVAL, "invalid format option: '%.100s'", format);
	r = cgroup_pids(container->cgroup, &pids, &count, err);
	if (r < 0)
		return r;
	text = streq(format, "json") ? pids_text(pids, count) : process_table_text(pids, count);
	answer->process_list = (struct agent_bytes){ (uint8_t *)text, strlen(text) };
	return 0;
}
