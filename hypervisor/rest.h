/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/json.h"

struct error;
struct fields;

/*
 * A VMM's REST interface: JSON over HTTP/1.1 over a unix socket, one request a connection. A guest
 * may have taken the VMM over, so what it answers is bounded in size and time, and its texts are
 * sanitized before they reach an error message.
 *
 * It is spoken here and not by a library: our programs are linked statically, for which
 * distributions have no libcurl, and one that is loaded at run time would bring a second C library;
 * and of HTTP these servers know little more than what is here.
 */
struct rest_request {
	const char *method; /* "GET", "PUT" or "PATCH" */
	const char *path;   /* with the interface's base */
	const char *body;   /* JSON text; NULL: none */
	const int *fds;	    /* that go with it (SCM_RIGHTS) */
	size_t fds_count;
	const char *member; /* under which @fields has what is answered; NULL: it is the object */
	int timeout_ms;
	int alive_fd; /* readable once the VMM has ended (a pidfd); -1: nobody knows */
};

#define REST_HEAD_MAX 8192
#define REST_BODY_MAX (1u << 20)

/* Asks the VMM at @socket. @result: a zeroed struct that @fields describes, filled from the answer
 * and to be released by the caller; both NULL when the answer does not matter. -ETIMEDOUT, -EPIPE
 * (it went away), -EPROTO, or -EIO with the VMM's own words: "PUT /vm: WORDS". */
int rest_call(const char *socket, const struct rest_request *request, const struct fields *fields,
	      void *result, struct error *err);

/* Pure parts, for the client and its tests. */

/* The head of an answer with the empty line that ends it. */
struct rest_head {
	unsigned int status;
	size_t body_len;
};
int rest_head_parse(const char *text, size_t len, struct rest_head *ret, struct error *err);
/* All texts in the body of a refusal, whatever holds them, for free(3). */
char *rest_words(const char *body, size_t len);
extern const struct json_limits rest_limits;
