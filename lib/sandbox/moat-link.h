/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

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
	int fd; /* borrowed */
	struct loop_source *source;
	bool is_recorded;
};

int moat_link_open(struct moat_link *link, struct loop *loop, int fd, struct error *err);

/* Waits for RECORDED. */
int moat_link_await(struct moat_link *link, struct error *err);
