/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct fields;
struct loop;

/*
 * QEMU's control protocol: JSON lines over one socket, one command at a time. A guest may have
 * taken QEMU over, so what comes is bounded, and its texts are sanitized before they reach an
 * error message. Any violation of the protocol ends the connection: later calls say -EPIPE.
 *
 * One client serves one loop; calls run that loop until the answer is there.
 */
struct qmp;

#define QMP_LINE_MAX (256 * 1024)

/* An event such as "SHUTDOWN"; may come during a call and between calls. */
typedef void (*qmp_event_fn)(void *ctx, const char *event);

/* @fd: a connected stream, owned from here on. @on_event may be NULL. */
int qmp_new(struct loop *loop, int fd, qmp_event_fn on_event, void *ctx, struct qmp **ret);
void qmp_free(struct qmp *qmp);

/* Awaits the greeting and leaves the negotiation; before any command. */
int qmp_handshake(struct qmp *qmp, int timeout_ms, struct error *err);

/* One command. @arguments: JSON text of an object, or NULL. @result: a zeroed struct that
 * @result_fields describes, filled from the answer's object and to be released by the caller;
 * both NULL when the answer does not matter. -ETIMEDOUT, -EPIPE, -EPROTO, or -EIO with QEMU's
 * own words: "qmp query-status: WORDS". */
int qmp_execute(struct qmp *qmp, const char *command, const char *arguments,
		const struct fields *result_fields, void *result, int timeout_ms,
		struct error *err);

/* *ret: "running", "paused", "shutdown" …; free(3) it. */
int qmp_query_status(struct qmp *qmp, int timeout_ms, char **ret, struct error *err);
int qmp_stop(struct qmp *qmp, int timeout_ms, struct error *err);
int qmp_cont(struct qmp *qmp, int timeout_ms, struct error *err);
int qmp_quit(struct qmp *qmp, int timeout_ms, struct error *err);

/* One line of the protocol; pure, for the client and its tests. */
enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };
struct qmp_message {
	enum qmp_kind kind;
	uint32_t id; /* RETURN, ERROR */
	char *text;  /* EVENT: its name; ERROR: the description */
};
int qmp_message_parse(const char *line, size_t len, struct qmp_message *ret, struct error *err);
void qmp_message_done(struct qmp_message *message);
