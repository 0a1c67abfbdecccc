/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/proto/conn.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* Clients are trusted, so these only keep a broken one from using up the guest. */
#define CONNECTIONS_MAX 256
#define WAITING_MAX 1024

struct rpc_conn {
	struct agent_server *server;
	struct rpc_conn *next;
	struct ttrpc_conn *conn;
	struct rpc_call *calls; /* those that wait */
	size_t calls_count;
};

/* A method without one is answered UNIMPLEMENTED. */
/* clang-format off */
static const rpc_handler handlers[AGENT_METHOD_COUNT] = {
	[AGENT_CHECK] = guest_check,
	[AGENT_VERSION] = guest_version,
	[AGENT_CREATE_SANDBOX] = sandbox_create,
	[AGENT_DESTROY_SANDBOX] = sandbox_destroy,
	[AGENT_CREATE_CONTAINER] = container_create,
	[AGENT_START_CONTAINER] = container_start,
	[AGENT_REMOVE_CONTAINER] = container_remove,
	[AGENT_EXEC_PROCESS] = process_exec,
	[AGENT_SIGNAL_PROCESS] = process_signal,
	[AGENT_WAIT_PROCESS] = process_wait,
	[AGENT_WRITE_STDIN] = stdio_write_stdin,
	[AGENT_READ_STDOUT] = stdio_read_stdout,
	[AGENT_READ_STDERR] = stdio_read_stderr,
	[AGENT_CLOSE_STDIN] = stdio_close_stdin,
	[AGENT_ATTACH_STDIO] = stdio_attach_anew,
	[AGENT_TTY_WIN_RESIZE] = stdio_resize,
	[AGENT_GET_GUEST_DETAILS] = guest_details,
	[AGENT_SET_GUEST_DATE_TIME] = guest_set_time,
	[AGENT_RESEED_RANDOM_DEV] = guest_reseed,
	[AGENT_PAUSE_CONTAINER] = control_pause,
	[AGENT_RESUME_CONTAINER] = control_resume,
	[AGENT_UPDATE_CONTAINER] = control_update,
	[AGENT_STATS_CONTAINER] = stats_get,
	[AGENT_LIST_PROCESSES] = control_list,
	[AGENT_GET_OOM_EVENT] = oom_get,
	[AGENT_UPDATE_INTERFACE] = network_update_interface,
	[AGENT_UPDATE_ROUTES] = network_update_routes,
	[AGENT_LIST_INTERFACES] = network_list_interfaces,
	[AGENT_LIST_ROUTES] = network_list_routes,
	[AGENT_ADD_ARP_NEIGHBORS] = network_add_neighbors,
	[AGENT_GET_IP_TABLES] = iptables_get,
	[AGENT_SET_IP_TABLES] = iptables_set,
	[AGENT_GET_METRICS] = metrics_get,
	[AGENT_ONLINE_CPU_MEM] = hotplug_online,
	[AGENT_MEM_HOTPLUG_BY_PROBE] = hotplug_probe,
	[AGENT_COPY_FILE] = copy_file,
	[AGENT_ADD_SWAP] = volume_swap_on,
	[AGENT_ADD_SWAP_PATH] = volume_swap_on_path,
	[AGENT_GET_VOLUME_STATS] = volume_stats,
	[AGENT_UPDATE_EPHEMERAL_MOUNTS] = storage_update,
	[AGENT_REMOVE_STALE_SHARE_MOUNTS] = volume_touch_shares,
	[AGENT_GET_DIAGNOSTIC_DATA] = diagnostic_get,
};
/* clang-format on */

static void send_status(struct rpc_conn *conn, uint32_t stream_id, enum ttrpc_code code,
			const char *text)
{
	const struct ttrpc_response response = {
		.code = (int32_t)code,
		.message = { text, strlen(text) },
	};

	(void)ttrpc_conn_response(conn->conn, stream_id, &response); /* too small to be refused */
}

static void send_response(struct rpc_conn *conn, uint32_t stream_id, enum agent_method method,
			  const void *message)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	int r = agent_message_encode(agent_methods[method].response, message, &payload);

	if (r == 0)
		r = ttrpc_conn_response(conn->conn, stream_id,
					&(struct ttrpc_response){
						.payload = { payload.buf, payload.len },
					});
	if (r < 0)
		send_status(conn, stream_id, TTRPC_RESOURCE_EXHAUSTED, "the answer is too large");
}

static void send_error(struct rpc_conn *conn, uint32_t stream_id, const struct error *err)
{
	send_status(conn, stream_id, ttrpc_code_from_errno(err->code), err->msg);
}

static void forget(struct rpc_call *call)
{
	struct rpc_call **p = call->wait_list;

	while (*p != call)
		p = &(*p)->wait_next;
	*p = call->wait_next;
	p = &call->conn->calls;
	while (*p != call)
		p = &(*p)->conn_next;
	*p = call->conn_next;
	call->conn->calls_count--;
	loop_remove(call->timer);
	fifo_done(&call->data);
	free(call);
}

/* What it asked for goes on; who asked has lost interest. */
static void on_late(void *ctx)
{
	struct rpc_call *call = ctx;

	call->timer = NULL;
	send_status(call->conn, call->stream_id, TTRPC_DEADLINE_EXCEEDED, "the time is over");
	forget(call);
}

struct rpc_call *rpc_wait(const struct rpc_call *call, struct rpc_call **list)
{
	struct rpc_call *waiting = xmemdup(call, sizeof(*call));

	waiting->request = NULL;
	waiting->conn_next = waiting->conn->calls;
	waiting->conn->calls = waiting;
	waiting->conn->calls_count++;
	waiting->wait_list = list;
	waiting->wait_next = NULL;
	if (call->timeout_ms)
		waiting->timer =
			loop_add_timer(call->server->loop, call->timeout_ms, on_late, waiting);
	while (*list)
		list = &(*list)->wait_next;
	*list = waiting;
	return waiting;
}

void rpc_reply(struct rpc_call *call, const void *response)
{
	send_response(call->conn, call->stream_id, call->method, response);
	forget(call);
}

void rpc_fail(struct rpc_call *call, const struct error *err)
{
	send_error(call->conn, call->stream_id, err);
	forget(call);
}

void rpc_fail_all(struct rpc_call **list, const struct error *err)
{
	while (*list)
		rpc_fail(*list, err);
}

void rpc_refuse_all(struct rpc_call **list, int code, const char *reason)
{
	struct error err = ERROR_INIT;

	if (!*list)
		return;
	error_set(&err, code, "%s", reason);
	rpc_fail_all(list, &err);
}

void rpc_end_all(struct rpc_call **list, const struct error *err, const void *response)
{
	if (err->code)
		rpc_fail_all(list, err);
	while (*list)
		rpc_reply(*list, response);
}

void rpc_finish_all(struct rpc_call **list, const struct error *err)
{
	const grpc_Empty response = { 0 };

	rpc_end_all(list, err, &response);
}

static void run_handler(struct rpc_conn *conn, struct rpc_call *call, const void *request)
{
	const struct agent_method_info *info = &agent_methods[call->method];
	cleanup_free void *response = xcalloc(1, info->response_size);
	struct error err = ERROR_INIT;
	int r = handlers[call->method](call, request, response, &err);

	if (r < 0) {
		log_debug("%s: %s", info->name, err.msg);
		send_error(conn, call->stream_id, &err);
	} else if (r == 0) {
		send_response(conn, call->stream_id, call->method, response);
	}
	agent_message_release(info->response, response);
}

void *rpc_take_request(struct rpc_call *call)
{
	return steal_ptr(&call->request);
}

void rpc_free_request(enum agent_method method, void *request)
{
	if (request)
		agent_message_release(agent_methods[method].request, request);
	free(request);
}

/* In milliseconds, rounded up; 0 is for ever, as is what no timer could wait for. */
static int timeout_of(const struct ttrpc_request *req)
{
	int64_t ms = req->timeout_ns / 1000000 + (req->timeout_ns % 1000000 > 0);

	return req->timeout_ns > 0 && ms < INT32_MAX ? (int)ms : 0;
}

static void serve(struct rpc_conn *conn, uint32_t stream_id, const struct ttrpc_request *req)
{
	cleanup_free char *service = xstrndup(req->service.data, req->service.len);
	cleanup_free char *name = xstrndup(req->method.data, req->method.len);
	cleanup_free void *message = NULL;
	cleanup_free char *text = NULL;
	const struct agent_method_info *info;
	struct rpc_call call = { .server = conn->server, .conn = conn, .stream_id = stream_id };
	int method = agent_method_find(service, name);

	if (method < 0 || !handlers[method]) {
		text = xasprintf("/%.100s/%.100s is not supported", service, name);
		send_status(conn, stream_id, TTRPC_UNIMPLEMENTED, text);
		return;
	}
	info = &agent_methods[method];
	call.method = (enum agent_method)method;
	if (conn->calls_count >= WAITING_MAX) {
		send_status(conn, stream_id, TTRPC_RESOURCE_EXHAUSTED, "too many requests wait");
		return;
	}
	message = xcalloc(1, info->request_size);
	if (agent_message_decode(info->request, info->request_size, req->payload.data,
				 req->payload.len, message) < 0) {
		text = xasprintf("%s: the request cannot be decoded", info->name);
		send_status(conn, stream_id, TTRPC_INVALID_ARGUMENT, text);
		return;
	}
	call.request = steal_ptr(&message);
	call.timeout_ms = timeout_of(req);
	run_handler(conn, &call, call.request);
	rpc_free_request(call.method, call.request);
}

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	struct rpc_conn *conn = ctx;
	struct ttrpc_request request;

	if (header->type != TTRPC_REQUEST || !(header->stream_id & 1))
		return -EPROTO;
	if (!payload)
		send_status(conn, header->stream_id, TTRPC_RESOURCE_EXHAUSTED,
			    "the request is larger than 4 MiB");
	else if (ttrpc_request_decode(payload, header->length, &request) < 0)
		send_status(conn, header->stream_id, TTRPC_INVALID_ARGUMENT,
			    "the request cannot be decoded");
	else
		serve(conn, header->stream_id, &request);
	return 0;
}

static void close_conn(struct rpc_conn *conn)
{
	struct rpc_conn **p = &conn->server->conns;

	while (conn->calls)
		forget(conn->calls);
	while (*p != conn)
		p = &(*p)->next;
	*p = conn->next;
	conn->server->conns_count--;
	ttrpc_conn_free(conn->conn);
	free(conn);
}

static void on_end(void *ctx, const struct error *err)
{
	struct rpc_conn *conn = ctx;
	struct agent_server *server = conn->server;

	if (err->code != -EPIPE)
		log_info("connection: %s", err->msg);
	close_conn(conn);
	sandbox_check(server);
}

int rpc_conn_new(struct agent_server *server, int fd)
{
	struct rpc_conn *conn;
	struct ttrpc_conn_handlers conn_handlers = { .on_frame = on_frame, .on_end = on_end };
	int r;

	if (server->conns_count >= CONNECTIONS_MAX) {
		close(fd);
		return -EMFILE;
	}
	conn = xcalloc(1, sizeof(*conn));
	conn->server = server;
	conn_handlers.ctx = conn;
	r = ttrpc_conn_new(server->loop, fd, &conn_handlers, &conn->conn);
	if (r < 0) {
		free(conn);
		return r;
	}
	conn->next = server->conns;
	server->conns = conn;
	server->conns_count++;
	return 0;
}

void rpc_conns_close(struct agent_server *server)
{
	while (server->conns)
		close_conn(server->conns);
}
