/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/record.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"

#define RECORD_NAME "state.json"

static const char *const isolation_words[] = {
	[ISOLATION_VM] = "vm",
	[ISOLATION_NATIVE] = "native",
};
const struct names isolation_names = NAMES(isolation_words);

static const char *const phase_words[] = {
	[RECORD_CREATING] = "creating",
	[RECORD_CREATED] = "created",
};
static const struct names phase_names = NAMES(phase_words);

/* clang-format off */
static const struct field record_field_table[] = {
	FIELD_ALWAYS(struct record, "version", U32, version),
	FIELD(struct record, "id", STRING, id),
	FIELD_ENUM(struct record, "isolation", isolation, &isolation_names),
	FIELD_ENUM(struct record, "phase", phase, &phase_names),
	FIELD(struct record, "bundle", STRING, bundle),
	FIELD(struct record, "rootfs", STRING, rootfs),
	FIELD(struct record, "rootfsMount", U64, rootfs_mount),
	FIELD(struct record, "created", STRING, created),
	FIELD(struct record, "cgroup", STRING, cgroup),
	FIELD(struct record, "systemdUnit", STRING, unit),
	FIELD(struct record, "intelRdt", STRING, intel_rdt),
	FIELD_ALWAYS(struct record, "owner", U32, owner),
	FIELD_ALWAYS(struct record, "pid", U32, pid),
	FIELD_ALWAYS(struct record, "pidStart", U64, pid_start),
	FIELD(struct record, "hasTerminal", BOOL, has_terminal),
	FIELD(struct record, "hasNoKeyring", BOOL, has_no_keyring),
	FIELD(struct record, "ignoredAnnotations", STRINGS, ignored_annotations),
	FIELD(struct record, "sandbox", STRING, sandbox),
	FIELD(struct record, "disk", STRING, disk),
	FIELD(struct record, "isPaused", BOOL, is_paused),
	FIELD(struct record, "agentAddress", STRING, agent_address),
};
/* clang-format on */

static void set_unknown(void *obj)
{
	struct record *record = obj;

	record->isolation = -1;
	record->phase = -1;
}
static const struct fields record_fields =
	FIELDS_INIT(struct record, record_field_table, set_unknown);

/* All that every version of the record has in common. */
struct version_only {
	uint32_t version;
};
static const struct field version_field_table[] = {
	FIELD(struct version_only, "version", U32, version),
};
static const struct fields version_fields = FIELDS(struct version_only, version_field_table);

static const struct json_limits record_limits = {
	.max_bytes = RECORD_MAX_BYTES,
	.max_depth = 16,
	.max_values = 10000,
};

void record_done(struct record *record)
{
	fields_release(&record_fields, record);
}

static int check(const struct record *record, struct error *err)
{
	if (record->version == 0)
		return error_set(err, -EINVAL, RECORD_NAME ": has no version");
	if (!record->id)
		return error_set(err, -EINVAL, RECORD_NAME ": has no id");
	if (!record->bundle)
		return error_set(err, -EINVAL, RECORD_NAME ": has no bundle");
	if (record->isolation < 0)
		return error_set(err, -EINVAL, RECORD_NAME ": has no isolation");
	if (record->phase < 0)
		return error_set(err, -EINVAL, RECORD_NAME ": has no phase");
	return 0;
}

/* A later version may give other types to the fields we know, so it is asked for its number before
 * anything it says is called wrong. */
static int check_version(const char *buf, size_t len, struct error *err)
{
	struct version_only v = { 0 };

	if (fields_parse(&version_fields, RECORD_NAME, buf, len, &record_limits, &v, NULL) < 0 ||
	    v.version <= RECORD_VERSION)
		return 0;
	return error_set(err, -EPROTONOSUPPORT,
			 RECORD_NAME ": version %u is newer than this moat knows (%u)", v.version,
			 RECORD_VERSION);
}

int record_parse(const char *buf, size_t len, struct record *ret, struct error *err)
{
	cleanup_record struct record record;
	int r;

	fields_init(&record_fields, &record);
	r = fields_parse(&record_fields, RECORD_NAME, buf, len, &record_limits, &record, err);
	if (r < 0 || record.version > RECORD_VERSION) {
		int newer = check_version(buf, len, err);

		if (newer < 0)
			return newer;
	}
	if (r < 0)
		return r;
	r = check(&record, err);
	if (r < 0)
		return r;
	*ret = record;
	memset(&record, 0, sizeof(record));
	return 0;
}

char *record_text(const struct record *record)
{
	struct json_writer *w = json_writer_new(false);

	fields_write(&record_fields, w, record);
	return json_finish(w);
}

static const char *id_of(const struct state_dir *dir)
{
	return strrchr(state_dir_path(dir), '/') + 1;
}

int record_read(const struct state_dir *dir, struct record *ret, struct error *err)
{
	cleanup_record struct record record = { 0 };
	cleanup_free char *text = NULL;
	const char *id = id_of(dir);
	size_t len;
	int r = read_file_at(state_dir_fd(dir), RECORD_NAME, RECORD_MAX_BYTES, &text, &len);

	if (r == -ENOENT)
		return error_set(err, r, "container '%s' does not exist", id);
	if (r < 0)
		return error_sys(err, r, "container '%s': read " RECORD_NAME, id);
	r = record_parse(text, len, &record, err);
	if (r < 0)
		return error_wrap(err, r, "container '%s'", id);
	if (!streq(record.id, id))
		return error_set(err, -EINVAL, "container '%s': " RECORD_NAME " is of '%s'", id,
				 record.id);
	*ret = record;
	memset(&record, 0, sizeof(record));
	return 0;
}

int record_write(const struct state_dir *dir, const struct record *record, struct error *err)
{
	cleanup_free char *text = record_text(record);
	int r = write_atomic_at(state_dir_fd(dir), RECORD_NAME, text, strlen(text), 0600);

	if (r < 0)
		return error_sys(err, r, "container '%s': write " RECORD_NAME, id_of(dir));
	return 0;
}
