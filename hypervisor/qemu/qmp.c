/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu/qmp.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

const struct json_limits qmp_limits = {
	.max_bytes = QMP_LINE_MAX,
	.max_depth = 16,
	.max_values = 20000,
};

/* --- one line ------------------------------------------------------------------------------ */

static const struct field version_table[] = {
	FIELD(struct qmp_version, "major", U32, major),
	FIELD(struct qmp_version, "minor", U32, minor),
};
static const struct fields version_object = FIELDS(struct qmp_version, version_table);

struct package {
	struct qmp_version qemu;
};
static const struct field package_table[] = {
	FIELD_OBJECT(struct package, "qemu", OBJECT, qemu, &version_object),
};
static const struct fields package_object = FIELDS(struct package, package_table);

struct greeting {
	struct package version;
};
static const struct field greeting_table[] = {
	FIELD_OBJECT(struct greeting, "version", OBJECT, version, &package_object),
};
static const struct fields greeting_object = FIELDS(struct greeting, greeting_table);

/* Of an event's data, what says why a VM ends, how far it has moved and which device has gone. */
struct event_data {
	char *reason;
	char *status;
	char *device;
};
static const struct field event_table[] = {
	FIELD(struct event_data, "reason", STRING, reason),
	FIELD(struct event_data, "status", STRING, status),
	FIELD(struct event_data, "device", STRING, device),
};
static const struct fields event_object = FIELDS(struct event_data, event_table);

struct error_body {
	char *desc;
};
static const struct field error_fields[] = { FIELD(struct error_body, "desc", STRING, desc) };
static const struct fields error_object = FIELDS(struct error_body, error_fields);

struct envelope {
	struct greeting *greeting;
	struct error_body *error;
	char *event;
	struct event_data data;
	struct opt_u32 id;
};
static const struct field envelope_fields[] = {
	FIELD_OBJECT(struct envelope, "QMP", OPT_OBJECT, greeting, &greeting_object),
	FIELD_OBJECT(struct envelope, "error", OPT_OBJECT, error, &error_object),
	FIELD(struct envelope, "event", STRING, event),
	FIELD_OBJECT(struct envelope, "data", OBJECT, data, &event_object),
	FIELD(struct envelope, "id", OPT_U32, id),
};
static const struct fields envelope_object = FIELDS(struct envelope, envelope_fields);

void qmp_message_done(struct qmp_message *message)
{
	free(message->text);
	free(message->reason);
	free(message->device);
	*message = (struct qmp_message){ 0 };
}

/* An answer needs its id, or an event in its place could be taken for one. */
static int classify(struct envelope *e, struct qmp_message *ret, struct error *err)
{
	*ret = (struct qmp_message){ .id = e->id.value };
	if (e->greeting) {
		ret->kind = QMP_GREETING;
		ret->version = e->greeting->version.qemu;
	} else if (e->event) {
		ret->kind = QMP_EVENT;
		ret->text = steal_ptr(&e->event);
		ret->reason =
			e->data.reason ? steal_ptr(&e->data.reason) : steal_ptr(&e->data.status);
		ret->device = steal_ptr(&e->data.device);
	} else if (!e->id.is_set) {
		return error_set(err, -EPROTO, "qmp: neither event nor answer");
	} else if (e->error) {
		ret->kind = QMP_ERROR;
		ret->text =
			e->error->desc ? steal_ptr(&e->error->desc) : xstrdup("no reason given");
	} else {
		ret->kind = QMP_RETURN;
	}
	return 0;
}

int qmp_message_parse(const char *line, size_t len, struct qmp_message *ret, struct error *err)
{
	struct envelope e = { 0 };
	int r = fields_parse(&envelope_object, "qmp", line, len, &qmp_limits, &e, err);

	if (r == 0)
		r = classify(&e, ret, err);
	fields_release(&envelope_object, &e);
	return r;
}

/* --- the client ---------------------------------------------------------------------------- */

struct qmp {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	struct qmp_handlers handlers;
	uint32_t last_id;

	/* The call that waits. */
	bool is_done;
	bool is_greeted;
	bool wants_greeting;
	const struct fields *result_fields;
	void *result;
	struct error outcome; /* code 0: answered well */

	size_t len;
	char line[QMP_LINE_MAX];
};

static void disconnect(struct qmp *qmp, int code, const char *reason)
{
	loop_remove(qmp->source);
	qmp->source = NULL;
	close_fdp(&qmp->fd);
	error_set(&qmp->outcome, code, "%s", reason);
	error_sanitize(&qmp->outcome);
	qmp->is_done = true;
	if (qmp->handlers.on_end)
		qmp->handlers.on_end(qmp->handlers.ctx, &qmp->outcome);
}

static void on_answer(struct qmp *qmp, struct qmp_message *m, const char *line, size_t len)
{
	/* Answers that nobody waits for any more belong to calls that timed out. */
	if (qmp->is_done || m->id != qmp->last_id)
		return;
	if (m->kind == QMP_ERROR)
		error_set(&qmp->outcome, -EIO, "%s", m->text);
	else if (qmp->result_fields)
		(void)fields_parse(qmp->result_fields, "qmp", line, len, &qmp_limits, qmp->result,
				   &qmp->outcome); /* its error is the outcome */
	qmp->is_done = true;
}

static void on_line(struct qmp *qmp, const char *line, size_t len)
{
	struct error err = ERROR_INIT;
	struct qmp_message m;

	if (qmp_message_parse(line, len, &m, &err) < 0) {
		disconnect(qmp, -EPROTO, err.msg);
		return;
	}
	if (m.kind == QMP_GREETING) {
		qmp->is_greeted = true;
		qmp->is_done |= qmp->wants_greeting;
		if (qmp->handlers.on_greeting)
			qmp->handlers.on_greeting(qmp->handlers.ctx, &m.version);
	} else if (m.kind == QMP_EVENT && qmp->handlers.on_event) {
		qmp->handlers.on_event(qmp->handlers.ctx, m.text, m.reason, m.device);
	} else if (m.kind == QMP_RETURN || m.kind == QMP_ERROR) {
		on_answer(qmp, &m, line, len);
	}
	qmp_message_done(&m);
}

static void take_lines(struct qmp *qmp)
{
	char *start = qmp->line, *end;
	size_t left = qmp->len;

	while (qmp->source && (end = memchr(start, '\n', left))) {
		size_t len = (size_t)(end - start);

		if (len)
			on_line(qmp, start, len);
		start = end + 1;
		left -= len + 1;
	}
	memmove(qmp->line, start, left);
	qmp->len = left;
	if (qmp->source && left == sizeof(qmp->line))
		disconnect(qmp, -EPROTO, "a line is too long");
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
	struct qmp *qmp = ctx;
	ssize_t n = read(fd, qmp->line + qmp->len, sizeof(qmp->line) - qmp->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(qmp, -EPIPE, "qemu closed the connection");
		return;
	}
	qmp->len += (size_t)n;
	take_lines(qmp);
}

int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, struct qmp **ret)
{
	struct qmp *qmp = xcalloc(1, sizeof(*qmp));
	int r = set_nonblock(fd, true);

	qmp->loop = loop;
	qmp->fd = fd;
	if (handlers)
		qmp->handlers = *handlers;
	qmp->is_done = true;
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_readable, qmp, &qmp->source);
	if (r < 0) {
		qmp_free(qmp);
		return r;
	}
	*ret = qmp;
	return 0;
}

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	loop_remove(qmp->source);
	close_fdp(&qmp->fd);
	free(qmp);
}

static int begin_call(struct qmp *qmp, const char *name, struct error *err)
{
	assert(qmp->is_done); /* else a call from within a call's event */
	if (!qmp->source)
		return error_sys(err, EPIPE, "qmp %s", name);
	qmp->outcome = (struct error)ERROR_INIT;
	qmp->wants_greeting = false;
	qmp->result_fields = NULL;
	qmp->is_done = false;
	return 0;
}

static int end_call(struct qmp *qmp, const char *name, int timeout_ms, struct error *err)
{
	int r = loop_run_until(qmp->loop, &qmp->is_done, timeout_ms);

	qmp->is_done = true;
	if (r < 0)
		return error_sys(err, r, "qmp %s", name);
	if (qmp->outcome.code < 0) {
		error_sanitize(&qmp->outcome);
		return error_set(err, qmp->outcome.code, "qmp %s: %s", name, qmp->outcome.msg);
	}
	return 0;
}

/* Commands are small and few: one that the socket's buffer does not take means that QEMU hangs. */
static int send_line(struct qmp *qmp, const struct strbuf *line, int passed_fd)
{
	ssize_t n = send_fds(qmp->fd, line->buf, line->len, &passed_fd, passed_fd >= 0);

	if (n < 0)
		return (int)n;
	return (size_t)n == line->len ? 0 : -EAGAIN;
}

static int send_command(struct qmp *qmp, const char *command, const char *arguments, int passed_fd)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_addstr(&line, "{\"execute\":");
	json_quote(&line, command);
	if (arguments)
		strbuf_addf(&line, ",\"arguments\":%s", arguments);
	strbuf_addf(&line, ",\"id\":%u}\n", ++qmp->last_id);
	return send_line(qmp, &line, passed_fd);
}

int qmp_execute_with_fd(struct qmp *qmp, const char *command, const char *arguments, int fd,
			const struct fields *result_fields, void *result, int timeout_ms,
			struct error *err)
{
	int r = begin_call(qmp, command, err);

	if (r < 0)
		return r;
	r = send_command(qmp, command, arguments, fd);
	if (r < 0) {
		disconnect(qmp, r, "send");
		return error_sys(err, r, "qmp %s: send", command);
	}
	qmp->result_fields = result_fields;
	qmp->result = result;
	return end_call(qmp, command, timeout_ms, err);
}

int qmp_execute(struct qmp *qmp, const char *command, const char *arguments,
		const struct fields *result_fields, void *result, int timeout_ms, struct error *err)
{
	return qmp_execute_with_fd(qmp, command, arguments, -1, result_fields, result, timeout_ms,
				   err);
}

/* QEMU reads on after its greeting, so the answer to it may be there before it. */
int qmp_listen(struct qmp *qmp, struct error *err)
{
	int r = send_command(qmp, "qmp_capabilities", NULL, -1);

	return r < 0 ? error_sys(err, r, "qmp qmp_capabilities: send") : 0;
}

/* Bounded, since a QEMU that still runs can speak for ever. */
void qmp_drain(struct qmp *qmp)
{
	for (int i = 0; i < 64 && qmp->source; i++) {
		struct pollfd pfd = { .fd = qmp->fd, .events = POLLIN };

		if (poll(&pfd, 1, 0) <= 0)
			return;
		on_readable(qmp, qmp->fd, EPOLLIN);
	}
}

bool qmp_is_greeted(const struct qmp *qmp)
{
	return qmp->is_greeted;
}

int qmp_handshake(struct qmp *qmp, int timeout_ms, struct error *err)
{
	int r = begin_call(qmp, "greeting", err);

	if (r < 0)
		return r;
	qmp->wants_greeting = true;
	qmp->is_done = qmp->is_greeted; /* it may have come while the loop ran for others */
	r = end_call(qmp, "greeting", timeout_ms, err);
	if (r < 0)
		return r;
	return qmp_execute(qmp, "qmp_capabilities", NULL, NULL, NULL, timeout_ms, err);
}
