/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-agent.h"

#include <errno.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/container/vm-stats.h"
#include "lib/sandbox/network.h"
#include "oci/config.h"

#define AGENT_TIMEOUT_MS 10000

DEFINE_CLEANUP(agent_client_free_p, struct agent_client *, agent_client_free)
#define cleanup_agent_client CLEANUP(agent_client_free_p)

static int timeout_ms(const struct container *c)
{
	return c->agent_timeout_ms ? c->agent_timeout_ms : AGENT_TIMEOUT_MS;
}

static int dial(const struct container *c, struct loop *loop, uint32_t port, int *ret_fd,
		struct error *err)
{
	if (!c->record.agent_address)
		return error_set(err, -ESRCH, "its virtual machine has no agent yet");
	return agent_dial(loop, c->record.agent_address, port, timeout_ms(c), ret_fd, NULL, err);
}

static int connect_agent(const struct container *c, struct loop *loop, struct agent_client **ret,
			 struct error *err)
{
	int fd, r = dial(c, loop, AGENT_PORT_RPC, &fd, err);

	if (r < 0)
		return r;
	r = agent_client_new(loop, fd, ret);
	return r < 0 ? error_sys(err, r, "use the agent's connection") : 0;
}

static int open_agent(const struct container *c, struct loop **ret_loop,
		      struct agent_client **ret_client, struct error *err)
{
	int r = loop_new(ret_loop);

	if (r < 0)
		return error_sys(err, r, "make the event loop");
	return connect_agent(c, *ret_loop, ret_client, err);
}

/* On success *@response wants agent_response_release(). */
static int call(const struct container *c, enum agent_method method, const void *request,
		void *response, struct error *err)
{
	cleanup_loop struct loop *loop = NULL;
	cleanup_agent_client struct agent_client *client = NULL;
	int r = open_agent(c, &loop, &client, err);

	return r < 0 ? r : agent_call(client, method, request, response, timeout_ms(c), err);
}

/* For answers that say nothing but yes. */
static int command(const struct container *c, enum agent_method method, const void *request,
		   struct error *err)
{
	grpc_Empty response;
	int r = call(c, method, request, &response, err);

	if (r == 0)
		agent_response_release(method, &response);
	return r;
}

/* The agent takes an empty exec id for every process of the container. */
int vm_agent_signal(const struct container *c, int sig, bool all, struct error *err)
{
	const grpc_SignalProcessRequest request = {
		.container_id = c->id,
		.exec_id = all ? (char *)"" : c->id,
		.signal = (uint32_t)sig,
	};

	return command(c, AGENT_SIGNAL_PROCESS, &request, err);
}

int vm_agent_freeze(const struct container *c, bool frozen, struct error *err)
{
	const grpc_PauseContainerRequest pause = { .container_id = c->id };
	const grpc_ResumeContainerRequest resume = { .container_id = c->id };

	return frozen ? command(c, AGENT_PAUSE_CONTAINER, &pause, err)
		      : command(c, AGENT_RESUME_CONTAINER, &resume, err);
}

int vm_agent_update(const struct container *c, const struct oci_resources *changes,
		    struct error *err)
{
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *text = NULL;
	grpc_UpdateContainerRequest request = { .container_id = c->id };

	fields_write(&oci_resources_fields, w, changes);
	text = json_finish(w);
	request.resources_json = (struct agent_bytes){ (const uint8_t *)text, strlen(text) };
	return command(c, AGENT_UPDATE_CONTAINER, &request, err);
}

int vm_agent_online(const struct container *c, uint32_t vcpus, bool has_memory, struct error *err)
{
	const grpc_OnlineCPUMemRequest request = { .nb_cpus = vcpus, .cpu_only = !has_memory };

	return command(c, AGENT_ONLINE_CPU_MEM, &request, err);
}

int vm_agent_stats(const struct container *c, struct cgroup_stats *ret, struct error *err)
{
	const grpc_StatsContainerRequest request = { .container_id = c->id };
	grpc_StatsContainerResponse response;
	int r = call(c, AGENT_STATS_CONTAINER, &request, &response, err);

	if (r < 0)
		return r;
	vm_stats_read(&response.cgroup_stats, ret);
	agent_response_release(AGENT_STATS_CONTAINER, &response);
	return 0;
}

int vm_agent_dial_console(const struct container *c, struct loop *loop, int *ret_fd,
			  struct error *err)
{
	return dial(c, loop, AGENT_PORT_DEBUG, ret_fd, err);
}

int vm_agent_metrics(const struct container *c, char **ret, struct error *err)
{
	static const grpc_GetMetricsRequest request = { 0 };
	grpc_Metrics response;
	int r = call(c, AGENT_GET_METRICS, &request, &response, err);

	if (r < 0)
		return r;
	*ret = xstrdup(response.metrics ? response.metrics : "");
	agent_response_release(AGENT_GET_METRICS, &response);
	return 0;
}

/* A connection of its own, on which one question waits for its answer all the time. */
struct watched {
	const struct oom_watch *watch;
	struct agent_client *client;
	char *id;
};

static int ask_for_oom(struct watched *w, struct error *err);

static void on_oom(void *ctx, const void *response, const struct error *err)
{
	struct watched *w = ctx;
	const grpc_OOMEvent *event = response;

	if (!event)
		return; /* the guest is ending, which its process tells */
	if (streq_null(event->container_id, w->id))
		w->watch->fn(w->watch->ctx);
	(void)ask_for_oom(w, NULL); /* as above */
}

static int ask_for_oom(struct watched *w, struct error *err)
{
	static const grpc_GetOOMEventRequest request = { 0 };

	return agent_call_async(w->client, AGENT_GET_OOM_EVENT, &request, -1, on_oom, w, err);
}

void vm_agent_unwatch_oom(void *watched)
{
	struct watched *w = watched;

	agent_client_free(w->client);
	free(w->id);
	free(w);
}

int vm_agent_watch_oom(const struct container *c, const struct oom_watch *watch, void **ret,
		       struct error *err)
{
	struct watched *w = xcalloc(1, sizeof(*w));
	int r;

	w->watch = watch;
	w->id = xstrdup(c->id);
	r = connect_agent(c, watch->loop, &w->client, err);
	if (r == 0)
		r = ask_for_oom(w, err);
	if (r < 0) {
		vm_agent_unwatch_oom(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* A terminal shows it, and lines are all that it may be made of. */
static char *copy_printable(const struct agent_bytes *bytes)
{
	char *text = xstrndup((const char *)bytes->data, bytes->size);

	str_sanitize(text, true);
	return text;
}

int vm_agent_list(const struct container *c, const char *format, char **ret, struct error *err)
{
	const grpc_ListProcessesRequest request = {
		.container_id = c->id,
		.format = (char *)format,
	};
	grpc_ListProcessesResponse response;
	int r = call(c, AGENT_LIST_PROCESSES, &request, &response, err);

	if (r < 0)
		return r;
	*ret = response.process_list.size ? copy_printable(&response.process_list) : xstrdup("");
	agent_response_release(AGENT_LIST_PROCESSES, &response);
	return 0;
}

int vm_agent_tell_network(const struct container *c, const struct sandbox_network *network,
			  struct error *err)
{
	cleanup_loop struct loop *loop = NULL;
	cleanup_agent_client struct agent_client *client = NULL;
	int r = open_agent(c, &loop, &client, err);

	return r < 0 ? r : sandbox_network_tell(network, client, err);
}

int vm_agent_remove(const struct container *c, struct error *err)
{
	const grpc_RemoveContainerRequest request = {
		.container_id = c->id,
		.timeout = AGENT_TIMEOUT_MS / 1000,
	};

	return command(c, AGENT_REMOVE_CONTAINER, &request, err);
}
