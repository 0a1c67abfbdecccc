/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/container/console.h"
#include "lib/container/handle.h"

/* A container on its way: what `create` and `run` share. */
struct creation {
	struct container_create_request request;
	bool is_detached; /* nobody stays to relay its terminal */
	bool has_place;	  /* the state directory is ours to remove */
	struct container *c;
	char *config_text;
	size_t config_len;
	const struct container_backend *backend;
	struct console console;
	struct notify *notify; /* or NULL */
	bool is_run;	       /* the command starts it too */
	pid_t pid;
};

/* Makes it, or undoes everything. Either way creation_done() it. */
int creation_run(struct creation *creation, struct error *err);
void creation_done(struct creation *creation);
#define cleanup_creation CLEANUP(creation_done)
