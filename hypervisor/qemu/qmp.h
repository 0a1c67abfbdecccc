/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"

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

struct qmp_version {
	uint32_t major, minor;
};

/* Called during calls and between them; none of them may free the client. Each may be NULL. */
struct qmp_handlers {
	void (*on_greeting)(void *ctx, const struct qmp_version *version);
	/* An event such as "SHUTDOWN". @reason: why ("guest-reset") or how far
	 * ("completed"), @device: whose; or NULL. */
	void (*on_event)(void *ctx, const char *event, const char *reason, const char *device);
	/* Once: nothing will come any more. */
	void (*on_end)(void *ctx, const struct error *err);
	void *ctx;
};

/* @fd: a connected stream, owned from here on. @handlers are copied; NULL: none. */
int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, struct qmp **ret);
void qmp_free(struct qmp *qmp);

/* Awaits the greeting and leaves the negotiation; before any command. */
int qmp_handshake(struct qmp *qmp, int timeout_ms, struct error *err);
/* The same for who wants events alone: asks, and waits for nothing. */
int qmp_listen(struct qmp *qmp, struct error *err);
/* Handles what has arrived by now, for use when the loop no longer runs. */
void qmp_drain(struct qmp *qmp);
bool qmp_is_greeted(const struct qmp *qmp);

/* One command. @arguments: JSON text of an object, or NULL. @result: a zeroed struct that
 * @result_fields describes, filled from the answer, whose only member is "return", and to be
 * released by the caller; both NULL when the answer does not matter. -ETIMEDOUT, -EPIPE, -EPROTO,
 * or -EIO with QEMU's own words: "qmp query-status: WORDS". */
int qmp_execute(struct qmp *qmp, const char *command, const char *arguments,
		const struct fields *result_fields, void *result, int timeout_ms,
		struct error *err);
/* The same with a descriptor for QEMU, borrowed for the call. */
int qmp_execute_with_fd(struct qmp *qmp, const char *command, const char *arguments, int fd,
			const struct fields *result_fields, void *result, int timeout_ms,
			struct error *err);

/* One line of the protocol; pure, for the client and its tests. */
enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };
struct qmp_message {
	enum qmp_kind kind;
	uint32_t id;		    /* RETURN, ERROR */
	char *text;		    /* EVENT: its name; ERROR: the description */
	char *reason, *device;	    /* EVENT, where it has them */
	struct qmp_version version; /* GREETING; zeroes when it is not said */
};
extern const struct json_limits qmp_limits;
int qmp_message_parse(const char *line, size_t len, struct qmp_message *ret, struct error *err);
void qmp_message_done(struct qmp_message *message);
