/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

#include "lib/base/fields.h"
#include "lib/base/json.h"
#include "oci/config.h"

static const char *const status_words[] = {
	[OCI_STATUS_CREATING] = "creating", [OCI_STATUS_CREATED] = "created",
	[OCI_STATUS_RUNNING] = "running",   [OCI_STATUS_PAUSED] = "paused",
	[OCI_STATUS_STOPPED] = "stopped",
};
static const struct names status_names = NAMES(status_words);

const char *oci_status_name(enum oci_status status)
{
	return names_get(&status_names, status);
}

static void write_optional(struct json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	json_key(w, key);
	json_string(w, value);
}

static void write_annotations(struct json_writer *w, const struct string_map *map)
{
	if (!map || !map->count)
		return;
	json_key(w, "annotations");
	json_open_map(w);
	for (size_t i = 0; i < map->count; i++) {
		json_key(w, map->items[i].key);
		json_string(w, map->items[i].value);
	}
	json_close_map(w);
}

char *oci_state_text(const struct oci_state *state, int is_pretty)
{
	struct json_writer *w = json_writer_new(is_pretty);

	json_open_map(w);
	json_key(w, "ociVersion");
	json_string(w, OCI_VERSION);
	json_key(w, "id");
	json_string(w, state->id);
	json_key(w, "status");
	json_string(w, oci_status_name(state->status));
	/* The specification lets pid be absent when stopped; callers read runc's 0. */
	json_key(w, "pid");
	json_i64(w, state->status == OCI_STATUS_STOPPED ? 0 : state->pid);
	json_key(w, "bundle");
	json_string(w, state->bundle);
	write_optional(w, "rootfs", state->rootfs);
	write_optional(w, "created", state->created);
	write_optional(w, "owner", state->owner);
	write_annotations(w, state->annotations);
	json_close_map(w);
	return json_finish(w);
}
