/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/config.h"

/*
 * The container's mappings speak of the caller's ids. In a user namespace of the shim's own the VMM
 * sees others for the same files, and so does the guest: those take their place.
 */

/* Of one map (user_namespaces(7)). */
#define MAPPINGS_MAX 340

struct id_maps {
	struct oci_id_mapping *items;
	size_t count;
};

/* The text of /proc/self/uid_map: ours, the caller's, how many. */
static void parse_map(const char *text, struct id_maps *ret)
{
	cleanup_strv char **lines = strv_split(text, '\n');

	ret->items = xcalloc(strv_len(lines) + 1, sizeof(*ret->items));
	strv_each(line, lines) {
		struct oci_id_mapping *m = &ret->items[ret->count];

		if (sscanf(line, "%u %u %u", &m->container_id, &m->host_id, &m->size) == 3)
			ret->count++;
	}
}

static const struct oci_id_mapping *find_host_id(const struct id_maps *maps, uint32_t host_id)
{
	for (size_t i = 0; i < maps->count; i++)
		if (host_id >= maps->items[i].host_id &&
		    host_id - maps->items[i].host_id < maps->items[i].size)
			return &maps->items[i];
	return NULL;
}

static void add(struct id_maps *maps, uint32_t container_id, uint32_t host_id, uint32_t size)
{
	maps->items = xrealloc(maps->items, maps->count + 1, sizeof(*maps->items));
	maps->items[maps->count++] = (struct oci_id_mapping){
		.container_id = container_id,
		.host_id = host_id,
		.size = size,
	};
}

/* In as many pieces as it lies in mappings of ours. */
static int translate_one(const struct oci_id_mapping *m, const struct id_maps *own,
			 struct id_maps *ret, const char *key, struct error *err)
{
	for (uint32_t done = 0; done < m->size;) {
		const struct oci_id_mapping *found = find_host_id(own, m->host_id + done);
		uint32_t skip = found ? m->host_id + done - found->host_id : 0;
		uint32_t left = m->size - done;
		uint32_t size;

		if (!found || ret->count == MAPPINGS_MAX)
			return error_set(err, -EPERM,
					 "linux.%s: host id %u was not given to this user", key,
					 m->host_id + done);
		size = found->size - skip < left ? found->size - skip : left;
		add(ret, m->container_id + done, found->container_id + skip, size);
		done += size;
	}
	return 0;
}

static int translate(struct oci_id_mapping **items, size_t *count, const char *text,
		     const char *key, struct error *err)
{
	struct id_maps own = { 0 }, translated = { 0 };
	int r = 0;

	parse_map(text, &own);
	for (size_t i = 0; r == 0 && i < *count; i++)
		r = translate_one(&(*items)[i], &own, &translated, key, err);
	free(own.items);
	if (r < 0) {
		free(translated.items);
		return r;
	}
	free(*items);
	*items = translated.items;
	*count = translated.count;
	return 0;
}

int sandbox_plan_translate_ids(struct sandbox_plan *plan, const char *uid_map, const char *gid_map,
			       struct error *err)
{
	struct oci_linux *l = &plan->guest_config->linux_;
	int r = translate(&l->uid_mappings, &l->uid_mappings_count, uid_map, "uidMappings", err);

	if (r < 0)
		return r;
	return translate(&l->gid_mappings, &l->gid_mappings_count, gid_map, "gidMappings", err);
}
