/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct string_map;

/* State of a container as the specification names it (runtime.md#state), plus "paused", which
 * every peer reports too. */
enum oci_status {
	OCI_STATUS_CREATING,
	OCI_STATUS_CREATED,
	OCI_STATUS_RUNNING,
	OCI_STATUS_PAUSED,
	OCI_STATUS_STOPPED,
	OCI_STATUS_COUNT,
};
const char *oci_status_name(enum oci_status status);

struct oci_state {
	const char *id;
	enum oci_status status;
	pid_t pid;			      /* written as 0 when stopped */
	const char *bundle;		      /* absolute */
	const char *rootfs;		      /* absolute; NULL: left out */
	const char *created;		      /* RFC 3339; NULL: left out, as hooks want it */
	const char *owner;		      /* NULL: left out */
	const struct string_map *annotations; /* NULL or empty: left out */
};

/* The state object as JSON text; free(3) it. */
char *oci_state_text(const struct oci_state *state, int is_pretty);
