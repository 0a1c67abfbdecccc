/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/criu/criu.h"

/* CRIU's messages (images/rpc.proto), as bytes. Pure. */

/* Descriptors are numbers of the process that has made CRIU's socket. */
struct criu_places {
	int images_fd;
	int work_fd;
	const char *log; /* a file's name in the work directory */
};

/* Refuses options that cannot be said. */
int criu_message_request(const struct criu_request *request, const struct criu_places *places,
			 struct strbuf *ret, struct error *err);
/* "The stage has been heard of". */
void criu_message_heard(bool is_fine, struct strbuf *ret);

#define CRIU_STAGE_NOTIFY 6 /* an answer's type */
struct criu_answer {
	uint64_t type;
	bool is_success;
	pid_t pid;    /* restored; or of the stage */
	char *stage;  /* of a notification, or NULL */
	char *reason; /* or NULL */
};
void criu_answer_done(struct criu_answer *answer);
#define cleanup_criu_answer CLEANUP(criu_answer_done)
int criu_message_answer(const void *data, size_t len, struct criu_answer *ret, struct error *err);
