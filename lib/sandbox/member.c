/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/member.h"

#include <errno.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/companions.h"
#include "lib/sandbox/guest-pids.h"
#include "lib/sandbox/netns.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shim.h"

#define CALL_TIMEOUT_MS 60000

void member_done(struct member *member)
{
	close_fdp(&member->owner_fd);
	for (size_t i = 0; i < ARRAY_SIZE(member->holders); i++)
		free(member->holders[i]);
	record_done(&member->sandbox);
	*member = MEMBER_INIT;
}

int member_meet(struct member *member, const char *root, const char *id, struct error *err)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_free char *path = NULL;
	int r = state_dir_open(root, id, &dir, err);

	if (r == 0)
		r = record_read(dir, &member->sandbox, err);
	if (r < 0)
		return r;
	if (!member->sandbox.agent_address)
		return error_set(err, -ESRCH, "'%s' has no agent yet", id);
	path = xasprintf("%s/" SHIM_VM_DIR "/" COMPANIONS_SOCKET, state_dir_path(dir));
	return companion_connect(path, &member->owner_fd, err);
}

uint32_t member_pid_in(const char *path)
{
	const char *text = str_after(path, "/proc/"), *end = text ? strchr(text, '/') : NULL;
	cleanup_free char *digits = end ? xstrndup(text, (size_t)(end - text)) : NULL;
	uint32_t pid;

	return digits && parse_u32(digits, &pid) == 0 ? pid : 0;
}

static bool is_held_by(const char *root, const char *id, const char *sandbox, uint32_t pid)
{
	cleanup_record struct record record = { 0 };
	cleanup_state_dir struct state_dir *dir = NULL;

	return state_dir_open(root, id, &dir, NULL) == 0 && record_read(dir, &record, NULL) == 0 &&
	       record.pid == pid && streq_null(record.sandbox, sandbox);
}

/* Whose shim's pid stands in the path, or else, for a path that says nothing of a process, the
 * sandbox's own. */
static char *find_holder(const char *root, const struct record *sandbox, const char *path)
{
	uint32_t pid = member_pid_in(path);
	cleanup_strv char **ids = NULL;

	if (!pid || pid == sandbox->pid || state_list(root, &ids, NULL) < 0)
		return xstrdup(sandbox->id);
	strv_each(id, ids) {
		if (is_held_by(root, id, sandbox->id, pid))
			return xstrdup(id);
	}
	return xstrdup(sandbox->id);
}

void member_find_holders(struct member *member, const char *root, const struct oci_config *config,
			 const struct sandbox_plan *plan)
{
	for (int type = 0; type < OCI_NS_COUNT; type++)
		if (plan->shared_namespaces & 1u << type)
			member->holders[type] = find_holder(root, &member->sandbox,
							    oci_namespace_find(config, type)->path);
}

int member_join_network(const struct member *member, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%u/ns/net", member->sandbox.pid);

	return netns_enter(path, err);
}

/* A guest that lies harms itself. */
static int find_first_process(struct agent_client *client, char *id, pid_t *ret, struct error *err)
{
	const grpc_ListProcessesRequest request = {
		.container_id = id,
		.format = (char *)"json",
	};
	grpc_ListProcessesResponse response;
	cleanup_free pid_t *pids = NULL;
	size_t count;
	int r = agent_call(client, AGENT_LIST_PROCESSES, &request, &response, CALL_TIMEOUT_MS, err);

	if (r < 0)
		return r;
	r = guest_pids_parse(&response.process_list, &pids, &count, err);
	agent_response_release(AGENT_LIST_PROCESSES, &response);
	if (r < 0)
		return r;
	if (!count)
		return error_set(err, -ESRCH, "'%s' has no process", id);
	*ret = pids[0];
	return 0;
}

int member_find_namespaces(const struct member *member, struct agent_client *client,
			   struct sandbox_plan *plan, struct error *err)
{
	for (int type = 0; type < OCI_NS_COUNT; type++) {
		pid_t pid = 0;
		int r;

		if (!member->holders[type])
			continue;
		r = find_first_process(client, member->holders[type], &pid, err);
		if (r < 0)
			return r;
		sandbox_plan_share_namespace(plan, type, pid);
	}
	return 0;
}
