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
	const char *name;		      /* of the method */
	const struct agent_method_info *info; /* NULL: of a call whose answer stays bytes */
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

static void finish_with_error(struct call *call, int code, const char *reason)
{
	struct error err = ERROR_INIT;

	(void)error_set(&err, code, "agent: %s: %s", call->name, reason);
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

static void refuse(struct call *call, const struct ttrpc_response *response)
{
	size_t len = response->message.len < AGENT_MESSAGE_MAX ? response->message.len
							       : AGENT_MESSAGE_MAX;
	/* Who makes calls by hand wants to see the code itself. */
	const char *code = call->info ? NULL : ttrpc_code_name(response->code);
	cleanup_free char *text = xasprintf("%s%s%.*s", code ? code : "", code ? ": " : "",
					    (int)len, response->message.data);

	finish_with_error(call, ttrpc_code_to_errno(response->code), text);
}

static void answer(struct call *call, const uint8_t *payload, size_t len)
{
	const struct agent_method_info *info = call->info;
	cleanup_free void *message = info ? xcalloc(1, info->response_size) : NULL;
	struct ttrpc_response response;

	if (ttrpc_response_decode(payload, len, &response) < 0) {
		finish_with_error(call, -EBADMSG, "the answer cannot be decoded");
		return;
	}
	if (response.code != TTRPC_OK) {
		refuse(call, &response);
		return;
	}
	if (!info) {
		finish(call, &response.payload, NULL);
		return;
	}
	if (agent_message_decode(info->response, info->response_size, response.payload.data,
				 response.payload.len, message) < 0) {
		finish_with_error(call, -EBADMSG, "the answer cannot be decoded");
		return;
	}
	finish(call, message, NULL);
	agent_message_release(info->response, message);
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

/* One call, typed or not: its request is bytes. */
struct outgoing {
	const char *service;
	const char *method;
	const struct agent_method_info *info; /* NULL: not typed */
	const void *payload;
	size_t len;
	int timeout_ms;
};

static int start_call(struct agent_client *c, const struct outgoing *o, agent_reply_fn fn,
		      void *ctx, struct error *err)
{
	const struct ttrpc_request request = {
		.service = { o->service, strlen(o->service) },
		.method = { o->method, strlen(o->method) },
		.payload = { o->payload, o->len },
		.timeout_ns = o->timeout_ms > 0 ? o->timeout_ms * 1000000ll : 0,
	};
	struct call *call;
	int r;

	if (!c->conn)
		return error_set(err, -EPIPE, "agent: %s: %s", o->method, c->end.msg);
	if (c->calls_count >= AGENT_MAX_IN_FLIGHT || c->next_id > UINT32_MAX - 2)
		return error_set(err, -EBUSY, "agent: %s: too many requests", o->method);
	r = ttrpc_conn_request(c->conn, c->next_id, &request);
	if (r < 0)
		return error_set(err, r, "agent: %s: the request is too large", o->method);

	call = xmalloc(sizeof(*call));
	*call = (struct call){
		.client = c,
		.next = c->calls,
		.stream_id = c->next_id,
		.name = o->method,
		.info = o->info,
		.fn = fn,
		.ctx = ctx,
		.timeout_ms = o->timeout_ms,
	};
	if (o->timeout_ms >= 0)
		call->timer = loop_add_timer(c->loop, o->timeout_ms, on_timeout, call);
	c->next_id += 2;
	c->calls = call;
	c->calls_count++;
	return 0;
}

int agent_call_async(struct agent_client *c, enum agent_method method, const void *request,
		     int timeout_ms, agent_reply_fn fn, void *ctx, struct error *err)
{
	const struct agent_method_info *info = &agent_methods[method];
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct outgoing outgoing = {
		.service = info->service,
		.method = info->name,
		.info = info,
		.timeout_ms = timeout_ms,
	};
	int r = agent_message_encode(info->request, request, &payload);

	if (r < 0)
		return error_set(err, r, "agent: %s: the request is too large", info->name);
	outgoing.payload = payload.buf;
	outgoing.len = payload.len;
	return start_call(c, &outgoing, fn, ctx, err);
}

/* What a call that blocks waits with. A typed response is moved out of the callback's hands. */
struct wait {
	const struct agent_method_info *info;
	void *response;
	struct strbuf *bytes;
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

static void on_bytes(void *ctx, const void *response, const struct error *err)
{
	const struct ttrpc_text *payload = response;
	struct wait *wait = ctx;

	wait->is_done = true;
	if (err)
		wait->err = *err;
	else
		strbuf_add(wait->bytes, payload->data, payload->len);
}

static int run_call(struct agent_client *c, uint32_t stream_id, struct wait *wait, const char *name,
		    struct error *err)
{
	int r = loop_run_until(c->loop, &wait->is_done, -1);

	if (!wait->is_done) { /* somebody ended the loop */
		free(take_call(c, stream_id));
		return error_set(err, r, "agent: %s: interrupted", name);
	}
	if (wait->err.code < 0 && err)
		*err = wait->err;
	return wait->err.code;
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
	if (r == 0)
		r = run_call(c, stream_id, &wait, wait.info->name, err);
	if (r < 0)
		return r;
	memcpy(response, message, wait.info->response_size);
	return 0;
}

int agent_call_bytes(struct agent_client *c, const char *service, const char *method,
		     const struct strbuf *request, struct strbuf *response, int timeout_ms,
		     struct error *err)
{
	const struct outgoing outgoing = {
		.service = service,
		.method = method,
		.payload = request->buf,
		.len = request->len,
		.timeout_ms = timeout_ms,
	};
	struct wait wait = { .bytes = response };
	uint32_t stream_id = c->next_id;
	int r = start_call(c, &outgoing, on_bytes, &wait, err);

	return r < 0 ? r : run_call(c, stream_id, &wait, method, err);
}

void agent_response_release(enum agent_method method, void *response)
{
	agent_message_release(agent_methods[method].response, response);
}
