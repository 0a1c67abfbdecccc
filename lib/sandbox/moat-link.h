/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/sandbox/rendezvous.h"

struct error;
struct loop;
struct loop_source;

/*
 * The shim's end of the rendezvous with the moat that started it. Until moat has RECORDED what the
 * shim reported, its death means that nobody will ever know of the process: the loop is made to
 * quit, every wait in it ends, and the shim undoes its work.
 */
struct moat_link {
	struct loop *loop;
	int fd; /* -1 once moat has closed its end */
	struct loop_source *source;
	bool has[RENDEZVOUS_COUNT]; /* what it said */
};

/* @fd: the rendezvous, owned from here on. */
int moat_link_open(struct moat_link *link, struct loop *loop, int fd, struct error *err);

/* A message to moat. @text: NULL for none. */
int moat_link_tell(const struct moat_link *link, enum rendezvous_message message, const char *text,
		   struct error *err);
/* That the work failed and is undone. The guest may have had a hand in the text. */
void moat_link_fail(struct moat_link *link, struct error *failure);

/* Waits for @message, HOOKED or RECORDED. */
int moat_link_await(struct moat_link *link, enum rendezvous_message message, struct error *err);
