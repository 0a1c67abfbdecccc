/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

struct agent_client;
struct error;
struct sandbox_plan;

/*
 * Files and directories that a guest without a share gets as copies: read while the host is in
 * sight, sent once the agent is met. What is below a directory is taken as it is, links too, which
 * are not followed; sockets, pipes and devices are left out.
 */
#define COPIES_MAX_BYTES (16u << 20)
#define COPIES_MAX_COUNT 4096

struct copy {
	char *guest_path;
	mode_t mode; /* with the type */
	uid_t uid;
	gid_t gid;
	char *data; /* of a file, or where a link leads */
	size_t len;
};

struct copies {
	struct copy *items; /* a directory after what is in it */
	size_t count;
	size_t bytes;
};
void copies_done(struct copies *copies);
#define cleanup_copies CLEANUP(copies_done)

/* Those of @plan. -EFBIG: they are more than the guest's memory is meant for. */
int copies_read(const struct sandbox_plan *plan, struct copies *ret, struct error *err);
int copies_send(const struct copies *copies, struct agent_client *client, struct error *err);
