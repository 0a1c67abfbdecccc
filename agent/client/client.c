/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/client/client.h"

#include <errno.h>

#include "agent/proto/conn.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define AGENT_MESSAGE_MAX 600 /* of an agent's text in an error message */

struct call {
	struct agent_client *client;
	struct call *next;
	uint32_t stream_id;
	enum agent_method method;
	agent_reply_fn fn;
	void *ctx;
	struct loop_source *timer;
	int timeout_ms;
};

struct agent_client {
	struct loop *loop;
	struct ttrpc_conn *conn; /* NULL once it has ended */
	struct error end;	 /* why */
	uint32_t next_id;
	struct call *calls;
	size_t calls_count;
};

static struct call *take_call(struct agent_client *c, uint32_t stream_id)
{
	struct call **p = &c->calls, *call;

	while (*p && (*p)->stream_id != stream_id)
		p = &(*p)->next;
	call = *p;
	if (!call)
		return NULL;
	*p = call->next;
	c->calls_count--;
	loop_remove(call->timer);
	return call;
}

/* Ends a call that take_call() gave. The callback may free the client. */
static void finish(struct call *call, const void *response, const struct error *err)
{
	agent_reply_fn fn = call->fn;
	void *ctx = call->ctx;

	free(call);
	fn(ctx, response, err);
}

static const char *method_name(enum agent_method method)
{
	return agent_methods[method].name;
}

static void finish_with_error(struct call *call, int code, const char *reason)
{
	struct error err = ERROR_INIT;

	(void)error_set(&err, code, "agent: %s: %s", method_name(call->method), reason);
	error_sanitize(&err);
	finish(call, NULL, &err);
}

/* The callbacks may make new calls or free the client, so what is finished is unlinked first. */
static void finish_all(struct agent_client *c, int code, const char *reason)
{
	struct call *calls = steal_ptr(&c->calls), *next;

	c->calls_count = 0;
	for (struct call *call = calls; call; call = next) {
		next = call->next;
		loop_remove(call->timer);
		finish_with_error(call, code, reason);
	}
}

static void on_timeout(void *ctx)
{
	struct call *call = ctx;
	char reason[64];

	call->timer = NULL; /* removed itself */
	(void)take_call(call->client, call->stream_id);
	(void)snprintf(reason, sizeof(reason), "no answer in %d ms", call->timeout_ms);
	finish_with_error(call, -ETIMEDOUT, reason);
}

static void answer(struct call *call, const uint8_t *payload, size_t len)
{
	const struct agent_method_info *info = &agent_methods[call->method];
	cleanup_free void *message = xcalloc(1, info->response_size);
	enum agent_method method = call->method;
	struct ttrpc_response response;
	char text[AGENT_MESSAGE_MAX + 1];

	if (ttrpc_response_decode(payload, len, &response) < 0) {
		finish_with_error(call, -EBADMSG, "the answer cannot be decoded");
		return;
	}
	if (response.code != TTRPC_OK) {
		(void)snprintf(text, sizeof(text), "%.*s",
			       (int)(response.message.len < AGENT_MESSAGE_MAX ? response.message.len
									      : AGENT_MESSAGE_MAX),
			       response.message.data);
		finish_with_error(call, ttrpc_code_to_errno(response.code), text);
		return;
	}
	if (agent_message_decode(info->response, info->response_size, response.payload.data,
				 response.payload.len, message) < 0) {
		finish_with_error(call, -EBADMSG, "the answer cannot be decoded");
		return;
	}
	finish(call, message, NULL);
	agent_response_release(method, message);
}

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	struct agent_client *c = ctx;
	struct call *call;

	if (header->type != TTRPC_RESPONSE || !(header->stream_id & 1) ||
	    header->stream_id >= c->next_id)
		return -EPROTO;
	call = take_call(c, header->stream_id);
	if (!call) /* it timed out before */
		return 0;
	if (payload)
		answer(call, payload, header->length);
	else
		finish_with_error(call, -EMSGSIZE, "the answer is too large");
	return 0;
}

static void on_end(void *ctx, const struct error *err)
{
	struct agent_client *c = ctx;

	c->end = *err;
	ttrpc_conn_free(steal_ptr(&c->conn));
	finish_all(c, err->code, err->msg);
}

int agent_client_new(struct loop *loop, int fd, struct agent_client **ret)
{
	struct agent_client *c = xcalloc(1, sizeof(*c));
	const struct ttrpc_conn_handlers handlers = { on_frame, on_end, c };
	int r;

	*c = (struct agent_client){ .loop = loop, .next_id = 1 };
	r = ttrpc_conn_new(loop, fd, &handlers, &c->conn);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void agent_client_free(struct agent_client *c)
{
	if (!c)
		return;
	ttrpc_conn_free(steal_ptr(&c->conn));
	(void)error_set(&c->end, -ECANCELED, "cancelled");
	finish_all(c, -ECANCELED, "cancelled");
	free(c);
}

static int send_request(struct agent_client *c, enum agent_method method, const void *request,
			int timeout_ms)
{
	const struct agent_method_info *info = &agent_methods[method];
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	int r = agent_message_encode(info->request, request, &payload);

	if (r < 0)
		return r;
	return ttrpc_conn_request(c->conn, c->next_id,
				  &(struct ttrpc_request){
					  .service = { info->service, strlen(info->service) },
					  .method = { info->name, strlen(info->name) },
					  .payload = { payload.buf, payload.len },
					  .timeout_ns = timeout_ms > 0 ? timeout_ms * 1000000ll : 0,
				  });
}

int agent_call_async(struct agent_client *c, enum agent_method method, const void *request,
		     int timeout_ms, agent_reply_fn fn, void *ctx, struct error *err)
{
	struct call *call;
	int r;

	if (!c->conn)
		return error_set(err, -EPIPE, "agent: %s: %s", method_name(method), c->end.msg);
	if (c->calls_count >= AGENT_MAX_IN_FLIGHT || c->next_id > UINT32_MAX - 2)
		return error_set(err, -EBUSY, "agent: %s: too many requests", method_name(method));
	r = send_request(c, method, request, timeout_ms);
	if (r < 0)
		return error_set(err, r, "agent: %s: the request is too large",
				 method_name(method));

	call = xmalloc(sizeof(*call));
	*call = (struct call){
		.client = c,
		.next = c->calls,
		.stream_id = c->next_id,
		.method = method,
		.fn = fn,
		.ctx = ctx,
		.timeout_ms = timeout_ms,
	};
	if (timeout_ms >= 0)
		call->timer = loop_add_timer(c->loop, timeout_ms, on_timeout, call);
	c->next_id += 2;
	c->calls = call;
	c->calls_count++;
	return 0;
}

/* What agent_call() waits with. The response is moved out of the callback's hands. */
struct wait {
	const struct agent_method_info *info;
	void *response;
	struct error err;
	bool is_done;
};

static void on_reply(void *ctx, const void *response, const struct error *err)
{
	struct wait *wait = ctx;

	wait->is_done = true;
	if (err) {
		wait->err = *err;
		return;
	}
	memcpy(wait->response, response, wait->info->response_size);
	memset((void *)response, 0, wait->info->response_size); /* ours now */
}

int agent_call(struct agent_client *c, enum agent_method method, const void *request,
	       void *response, int timeout_ms, struct error *err)
{
	struct wait wait = { .info = &agent_methods[method] };
	cleanup_free void *message = xcalloc(1, wait.info->response_size);
	uint32_t stream_id = c->next_id;
	int r;

	wait.response = message;
	r = agent_call_async(c, method, request, timeout_ms, on_reply, &wait, err);
	if (r < 0)
		return r;
	r = loop_run_until(c->loop, &wait.is_done, -1);
	if (!wait.is_done) { /* somebody ended the loop */
		free(take_call(c, stream_id));
		return error_set(err, r, "agent: %s: interrupted", method_name(method));
	}
	if (wait.err.code < 0) {
		if (err)
			*err = wait.err;
		return wait.err.code;
	}
	memcpy(response, message, wait.info->response_size);
	return 0;
}

void agent_response_release(enum agent_method method, void *response)
{
	agent_message_release(agent_methods[method].response, response);
}
