/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/user-ids.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/id-map.h"
#include "oci/config.h"

#define FILE_MAX_BYTES (1u << 20)
/* Of one map (user_namespaces(7)). */
#define MAPPINGS_MAX 340

void user_ids_done(struct user_ids *ids)
{
	free(ids->uids);
	free(ids->gids);
	*ids = (struct user_ids){ 0 };
}

static bool is_whose(const char *field, const char *name, uid_t uid)
{
	uint32_t number;

	return streq_null(field, name) || (parse_u32(field, &number) == 0 && number == uid);
}

/* "NAME:START:COUNT" */
static bool parse_line(const char *line, const char *name, uid_t uid, struct oci_id_mapping *ret)
{
	cleanup_strv char **fields = strv_split(line, ':');

	return strv_len(fields) == 3 && is_whose(fields[0], name, uid) &&
	       parse_u32(fields[1], &ret->host_id) == 0 && parse_u32(fields[2], &ret->size) == 0 &&
	       ret->size && ret->host_id <= UINT32_MAX - ret->size;
}

/* The kernel takes no id twice. */
static bool overlaps(const struct oci_id_mapping *a, const struct oci_id_mapping *b)
{
	return a->host_id < b->host_id + b->size && b->host_id < a->host_id + a->size;
}

static bool fits(const struct oci_id_mapping *maps, size_t count,
		 const struct oci_id_mapping *wanted)
{
	if (count == MAPPINGS_MAX || wanted->container_id > UINT32_MAX - wanted->size)
		return false;
	for (size_t i = 0; i < count; i++)
		if (overlaps(&maps[i], wanted))
			return false;
	return true;
}

size_t user_ids_map(const char *text, const char *name, uid_t uid, uint32_t own,
		    struct oci_id_mapping **ret)
{
	cleanup_strv char **lines = text ? strv_split(text, '\n') : NULL;
	struct oci_id_mapping *maps = xcalloc(MAPPINGS_MAX, sizeof(*maps));
	size_t count = 1;

	maps[0] = (struct oci_id_mapping){ .container_id = 0, .host_id = own, .size = 1 };
	strv_each(line, lines) {
		struct oci_id_mapping next = { 0 };

		if (!parse_line(line, name, uid, &next))
			continue;
		next.container_id = maps[count - 1].container_id + maps[count - 1].size;
		if (fits(maps, count, &next))
			maps[count++] = next;
	}
	*ret = maps;
	return count;
}

static char *read_text(const char *path)
{
	char *text = NULL;

	return read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL) == 0 ? text : NULL;
}

void user_ids_read(struct user_ids *ret)
{
	bool has_programs = id_map_has_programs();
	cleanup_free char *passwd = read_text("/etc/passwd");
	cleanup_free char *uids = has_programs ? read_text("/etc/subuid") : NULL;
	cleanup_free char *gids = has_programs ? read_text("/etc/subgid") : NULL;
	cleanup_free char *name = passwd ? environment_find_name(passwd, getuid()) : NULL;

	*ret = (struct user_ids){ 0 };
	ret->uids_count = user_ids_map(uids, name, getuid(), geteuid(), &ret->uids);
	ret->gids_count = user_ids_map(gids, name, getuid(), getegid(), &ret->gids);
}
