/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/template-store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/rfc3339.h"
#include "lib/base/str.h"
#include "lib/state/record.h"

#define SYSTEM_STORE "/var/cache/moat/templates"

#define MANIFEST "template.json"
#define MEMORY "memory"
#define STATE "state"
#define STATE_MAX_BYTES (16u << 20)

/* Names that begin with a dot are no templates. */
#define DRAFT_SUFFIX ".part"
#define GONE_SUFFIX ".gone"

static const struct json_limits limits = {
	.max_bytes = 256 * 1024,
	.max_depth = 8,
	.max_values = 2000,
};

/* clang-format off */
static const struct field info_table[] = {
	FIELD(struct template_info, "memory_mib", U32, memory_mib),
	FIELD(struct template_info, "vcpus", U32, vcpus),
	FIELD_ALWAYS(struct template_info, "nics", U32, nics),
	FIELD_ALWAYS(struct template_info, "disks", U32, disks),
	FIELD_ALWAYS(struct template_info, "disk_slots", BOOL, has_disk_slots),
	FIELD_ALWAYS(struct template_info, "low_ports", BOOL, has_low_ports),
	FIELD(struct template_info, "accelerator", STRING, accelerator),
	FIELD(struct template_info, "channel", STRING, channel),
	FIELD(struct template_info, "share", STRING, share),
	FIELD(struct template_info, "hypervisor", STRING, hypervisor),
	FIELD(struct template_info, "kernel", STRING, kernel),
	FIELD(struct template_info, "initrd", STRING, initrd),
	FIELD(struct template_info, "kernel_parameters", STRING, kernel_parameters),
#define SHAPE_FIELDS 13
	FIELD(struct template_info, "moat", STRING, moat),
	FIELD(struct template_info, "host", STRING, host),
	FIELD(struct template_info, "files", STRINGS, files),
	FIELD(struct template_info, "command", STRINGS, command),
#define KEY_FIELDS 17
	FIELD(struct template_info, "created", STRING, created),
	FIELD(struct template_info, "memory_changed", STRING, memory_changed),
	FIELD(struct template_info, "state_sum", STRING, state_sum),
};
/* clang-format on */
static const struct fields info_fields = FIELDS(struct template_info, info_table);
static const struct fields key_fields = {
	.fields = info_table,
	.count = KEY_FIELDS,
	.size = sizeof(struct template_info),
};
static const struct fields shape_fields = {
	.fields = info_table,
	.count = SHAPE_FIELDS,
	.size = sizeof(struct template_info),
};

void template_info_done(struct template_info *info)
{
	free(steal_ptr(&info->name)); /* which is no field */
	fields_release(&info_fields, info);
}

static char *write_fields(const struct fields *fields, const struct template_info *info,
			  bool is_pretty)
{
	struct json_writer *w = json_writer_new(is_pretty);

	fields_write(fields, w, info);
	return json_finish(w);
}

char *template_info_text(const struct template_info *info)
{
	return write_fields(&info_fields, info, true);
}

/* --- what a template is of ------------------------------------------------------------------ */

/* A file that was replaced has another number, one that was written to another time. */
static int describe_file(const char *path, char ***ret, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_sys(err, errno, "look at '%s'", path);
	strv_pushf(ret, "%s %lld %lld.%09ld %llu", path, (long long)st.st_size,
		   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
	return 0;
}

static int describe_files(const struct template_info *info, char ***ret, struct error *err)
{
	const char *const paths[] = { info->hypervisor, info->kernel, info->initrd };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths) && r == 0; i++)
		if (paths[i])
			r = describe_file(paths[i], ret, err);
	return r;
}

int template_info_complete(struct template_info *info, enum hv_accel accel, struct error *err)
{
	cleanup_free char *shape = write_fields(&shape_fields, info, false);
	int r = describe_files(info, &info->files, err);

	if (r < 0)
		return r;
	info->moat = xstrdup(MOAT_VERSION);
	info->host = hv_host_text(accel);
	info->name = xasprintf("%016" PRIx64, fnv1a(FNV1A_INIT, shape, strlen(shape)));
	return 0;
}

static bool has_same(const struct fields *fields, const struct template_info *a,
		     const struct template_info *b)
{
	cleanup_free char *first = write_fields(fields, a, false);
	cleanup_free char *second = write_fields(fields, b, false);

	return streq(first, second);
}

/* --- the store ------------------------------------------------------------------------------ */

char *template_store_default(void)
{
	const char *cache_home = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (!state_is_rootless())
		return xstrdup(SYSTEM_STORE);
	if (cache_home && *cache_home == '/')
		return xasprintf("%s/moat/templates", cache_home);
	return home && *home == '/' ? xasprintf("%s/.cache/moat/templates", home) : NULL;
}

static int check_owner(int fd, mode_t forbidden)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid != geteuid() || (st.st_mode & forbidden) ? -EPERM : 0;
}

static int open_own(int dirfd, const char *name, int flags, mode_t forbidden)
{
	cleanup_fd int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : check_owner(fd, forbidden);

	return r < 0 ? r : steal_fd(&fd);
}

static int open_store(const char *store, struct error *err)
{
	int fd = open_own(AT_FDCWD, store, O_RDONLY | O_DIRECTORY, 022);

	if (fd == -EPERM)
		return error_set(err, -EPERM, "template store '%s': others may write to it", store);
	return fd < 0 ? error_sys(err, fd, "open template store '%s'", store) : fd;
}

static int read_manifest(int dirfd, struct template_info *ret, struct error *err)
{
	cleanup_fd int fd = open_own(dirfd, MANIFEST, O_RDONLY, 077);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd < 0 ? fd : read_whole_fd(fd, limits.max_bytes, &text, &len);

	if (r < 0)
		return error_sys(err, r, "read '" MANIFEST "'");
	return fields_parse(&info_fields, MANIFEST, text, len, &limits, ret, err);
}

/* --- using ---------------------------------------------------------------------------------- */

void template_close(struct template *t)
{
	free(t->name);
	close_fdp(&t->memory.fd);
	close_fdp(&t->state_fd);
	*t = TEMPLATE_INIT;
}

static char *describe_change(const struct stat *st)
{
	return xasprintf("%lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static int sum_state(int fd, char **ret, struct error *err)
{
	cleanup_free char *data = NULL;
	size_t len;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = read_whole_fd(fd, STATE_MAX_BYTES, &data, &len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return error_sys(err, r, "read '" STATE "'");
	*ret = xasprintf("%016" PRIx64, fnv1a(FNV1A_INIT, data, len));
	return 0;
}

/* The memory is too large to be read each time; who wrote to it changed its time. */
static int open_memory(int dirfd, const struct template_info *info, int *ret, struct error *err)
{
	cleanup_fd int fd = open_own(dirfd, MEMORY, O_RDONLY, 077);
	cleanup_free char *change = NULL;
	struct stat st;

	if (fd < 0)
		return error_sys(err, fd, "open '" MEMORY "'");
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "look at '" MEMORY "'");
	change = describe_change(&st);
	if (st.st_size != (off_t)info->memory_mib << 20 ||
	    !streq_null(info->memory_changed, change))
		return error_set(err, -EBADMSG, "'" MEMORY "' was changed");
	*ret = steal_fd(&fd);
	return 0;
}

static int open_state(int dirfd, const struct template_info *info, int *ret, struct error *err)
{
	cleanup_fd int fd = open_own(dirfd, STATE, O_RDONLY, 077);
	cleanup_free char *sum = NULL;
	int r = fd < 0 ? error_sys(err, fd, "open '" STATE "'") : sum_state(fd, &sum, err);

	if (r < 0)
		return r;
	if (!streq_null(info->state_sum, sum))
		return error_set(err, -EBADMSG, "'" STATE "' was changed");
	*ret = steal_fd(&fd);
	return 0;
}

static int open_in(int dirfd, const struct template_info *wanted, struct template *t,
		   struct error *err)
{
	cleanup_template_info struct template_info info = { 0 };
	int r = read_manifest(dirfd, &info, err);

	if (r == 0 && !has_same(&key_fields, wanted, &info))
		r = error_set(err, -ESTALE, "made of something else than there is now");
	if (r == 0)
		r = open_memory(dirfd, &info, &t->memory.fd, err);
	if (r == 0)
		r = open_state(dirfd, &info, &t->state_fd, err);
	return r;
}

static int open_at(int store_fd, const struct template_info *wanted, struct template *ret,
		   struct error *err)
{
	cleanup_fd int dirfd = open_own(store_fd, wanted->name, O_RDONLY | O_DIRECTORY, 022);
	struct template t = TEMPLATE_INIT;
	int r;

	if (dirfd < 0)
		return error_sys(err, dirfd, "open template '%s'", wanted->name);
	r = open_in(dirfd, wanted, &t, err);
	if (r < 0) {
		template_close(&t);
		return error_wrap(err, r, "template '%s'", wanted->name);
	}
	t.name = xstrdup(wanted->name);
	t.memory.is_private = true;
	*ret = t;
	return 0;
}

int template_open(const char *store, const struct template_info *wanted, struct template *ret,
		  struct error *err)
{
	cleanup_fd int fd = open_store(store, err);

	return fd < 0 ? fd : open_at(fd, wanted, ret, err);
}

/* --- clearing away -------------------------------------------------------------------------- */

/* Who makes a template holds its directory locked; nobody holds one that is left over. */
static bool is_left_over(int store_fd, const char *name)
{
	cleanup_fd int fd = -1;

	if (str_ends_with(name, GONE_SUFFIX))
		return true;
	if (!str_ends_with(name, DRAFT_SUFFIX))
		return false;
	fd = openat(store_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static char **list_names(int store_fd)
{
	cleanup_fd int fd = openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(steal_fd(&fd));
	struct dirent *entry;
	char **names = NULL;

	while (dir && (entry = readdir(dir)))
		if (!is_dots(entry->d_name))
			strv_push(&names, xstrdup(entry->d_name));
	return names;
}

/* What cannot be removed now will be another time. */
static void clear_away(int store_fd)
{
	cleanup_strv char **names = list_names(store_fd);

	strv_each(name, names) {
		if (name[0] == '.' && is_left_over(store_fd, name))
			(void)remove_tree_at(store_fd, name);
	}
}

/* Nobody finds a part of it. */
static int discard(int store_fd, const char *name)
{
	cleanup_free char *gone = xasprintf(".%s.%d" GONE_SUFFIX, name, (int)getpid());

	(void)remove_tree_at(store_fd, gone); /* of a killed process with our pid */
	if (renameat(store_fd, name, store_fd, gone) < 0)
		return -errno;
	return remove_tree_at(store_fd, gone);
}

int template_remove(const char *store, const char *name, struct error *err)
{
	cleanup_fd int fd = open_store(store, err);
	int r;

	if (fd < 0)
		return fd;
	if (!*name || name[0] == '.' || strchr(name, '/'))
		return error_set(err, -EINVAL, "template '%.100s': not a name", name);
	r = discard(fd, name);
	clear_away(fd);
	return r < 0 ? error_sys(err, r, "remove template '%.100s'", name) : 0;
}

/* --- listing -------------------------------------------------------------------------------- */

/* Why it will not be used, as far as can be seen without planning a machine. */
static const char *find_problem(int dirfd, const struct template_info *info)
{
	enum hv_accel accel =
		info->accelerator && streq(info->accelerator, "kvm") ? HV_ACCEL_KVM : HV_ACCEL_TCG;
	cleanup_free char *host = hv_host_text(accel);
	cleanup_strv char **files = NULL;
	struct template t = TEMPLATE_INIT;
	int r;

	if (!streq_null(info->moat, MOAT_VERSION) || !streq_null(info->host, host) ||
	    describe_files(info, &files, NULL) < 0 || strv_len(files) != strv_len(info->files))
		return "stale";
	for (size_t i = 0; files && files[i]; i++)
		if (!streq(files[i], info->files[i]))
			return "stale";
	r = open_memory(dirfd, info, &t.memory.fd, NULL);
	if (r == 0)
		r = open_state(dirfd, info, &t.state_fd, NULL);
	template_close(&t);
	return r < 0 ? "damaged" : NULL;
}

static void look_at(int store_fd, const char *name, struct template_info *ret)
{
	cleanup_fd int fd = open_own(store_fd, name, O_RDONLY | O_DIRECTORY, 022);

	*ret = (struct template_info){ 0 };
	if (fd < 0 || read_manifest(fd, ret, NULL) < 0) {
		fields_release(&info_fields, ret);
		ret->problem = "damaged";
	} else {
		ret->problem = find_problem(fd, ret);
	}
	ret->name = xstrdup(name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct template_info *)a)->name,
		      ((const struct template_info *)b)->name);
}

int template_list(const char *store, struct template_info **ret, size_t *ret_count,
		  struct error *err)
{
	struct error reason = ERROR_INIT;
	cleanup_fd int fd = open_store(store, &reason);
	cleanup_strv char **names = NULL;
	struct template_info *infos;
	size_t count = 0;

	*ret = NULL;
	*ret_count = 0;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, fd, "%s", reason.msg);
	clear_away(fd);
	names = list_names(fd);
	infos = xcalloc(strv_len(names) + 1, sizeof(*infos));
	strv_each(name, names) {
		if (name[0] != '.')
			look_at(fd, name, &infos[count++]);
	}
	qsort(infos, count, sizeof(*infos), compare_names);
	*ret = infos;
	*ret_count = count;
	return 0;
}

void template_list_free(struct template_info *infos, size_t count)
{
	for (size_t i = 0; i < count; i++)
		template_info_done(&infos[i]);
	free(infos);
}

/* --- making --------------------------------------------------------------------------------- */

void template_abandon(struct template_draft *d)
{
	cleanup_free char *part = d->name ? xasprintf(".%s" DRAFT_SUFFIX, d->name) : NULL;

	/* Only ever ours: it is locked, and has another name once it is committed. */
	if (d->dir_fd >= 0 && part && d->dir)
		(void)remove_tree_at(d->store_fd, part);
	close_fdp(&d->memory.fd);
	close_fdp(&d->state_fd);
	close_fdp(&d->dir_fd);
	close_fdp(&d->store_fd);
	free(d->store);
	free(d->name);
	free(d->dir);
	*d = TEMPLATE_DRAFT_INIT;
}

static bool is_still(int store_fd, const char *name, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && fstatat(store_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* The one that holds the lock of the directory of this name; whoever had it before has renamed or
 * removed it. */
static int lock_draft(int store_fd, const char *part)
{
	for (;;) {
		cleanup_fd int fd = -1;

		if (mkdirat(store_fd, part, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(store_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || flock(fd, LOCK_EX) < 0)
			return -errno;
		if (is_still(store_fd, part, fd))
			return steal_fd(&fd);
	}
}

static int make_file(int dirfd, const char *name, int *ret)
{
	*ret = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret < 0 ? -errno : 0;
}

static int empty_directory(int dirfd)
{
	cleanup_strv char **names = list_names(dirfd);
	int r = 0;

	strv_each(name, names) {
		if (r == 0 && unlinkat(dirfd, name, 0) < 0)
			r = errno == EISDIR ? remove_tree_at(dirfd, name) : -errno;
	}
	return r;
}

static int make_files(struct template_draft *d, const struct template_info *info, struct error *err)
{
	int r = empty_directory(d->dir_fd); /* of what a killed process left in it */

	if (r == 0)
		r = make_file(d->dir_fd, MEMORY, &d->memory.fd);
	if (r == 0)
		r = make_file(d->dir_fd, STATE, &d->state_fd);
	if (r == 0 && ftruncate(d->memory.fd, (off_t)info->memory_mib << 20) < 0)
		r = -errno;
	return r < 0 ? error_sys(err, r, "make files in '%s'", d->dir) : 0;
}

static int begin(struct template_draft *d, const struct template_info *info, bool replaces,
		 struct error *err)
{
	cleanup_free char *part = xasprintf(".%s" DRAFT_SUFFIX, info->name);
	struct template t = TEMPLATE_INIT;
	int r = mkdir_parents(d->store, 0755);

	if (r < 0)
		return error_sys(err, r, "make template store '%s'", d->store);
	d->store_fd = open_store(d->store, err);
	if (d->store_fd < 0)
		return d->store_fd;
	d->dir_fd = lock_draft(d->store_fd, part);
	if (d->dir_fd < 0)
		return error_sys(err, d->dir_fd, "lock '%s/%s'", d->store, part);
	d->dir = xasprintf("%s/%s", d->store, part);
	clear_away(d->store_fd);
	if (!replaces && open_at(d->store_fd, info, &t, NULL) == 0) {
		template_close(&t);
		return 1;
	}
	return make_files(d, info, err);
}

int template_begin(const char *store, const struct template_info *info, bool replaces,
		   struct template_draft *ret, struct error *err)
{
	int r;

	*ret = TEMPLATE_DRAFT_INIT;
	ret->store = xstrdup(store);
	ret->name = xstrdup(info->name);
	r = begin(ret, info, replaces, err);
	if (r != 0)
		template_abandon(ret);
	return r;
}

/* A template has to be whole after a loss of power as well: what is not on disk by then would be
 * zeroes in a file of the right size. */
static int finish_files(const struct template_draft *d, struct template_info *info,
			struct error *err)
{
	cleanup_free char *text = NULL;
	char created[RFC3339_SIZE];
	cleanup_fd int fd = -1;
	struct stat st;
	int r = sum_state(d->state_fd, &info->state_sum, err);

	if (r < 0)
		return r;
	if (fdatasync(d->memory.fd) < 0 || fdatasync(d->state_fd) < 0 ||
	    fstat(d->memory.fd, &st) < 0)
		return error_sys(err, errno, "write '%s'", d->dir);
	rfc3339_format(time(NULL), -1, created);
	info->created = xstrdup(created);
	info->memory_changed = describe_change(&st);
	text = template_info_text(info);
	r = make_file(d->dir_fd, MANIFEST, &fd);
	if (r == 0)
		r = write_all(fd, text, strlen(text));
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r < 0 ? error_sys(err, r, "write '%s/" MANIFEST "'", d->dir) : 0;
}

/* Over what is there, whose files stay for those who have them open. */
static int put_in_place(const struct template_draft *d)
{
	cleanup_free char *part = xasprintf(".%s" DRAFT_SUFFIX, d->name);
	int r;

	for (;;) {
		if (renameat(d->store_fd, part, d->store_fd, d->name) == 0)
			return 0;
		if (errno != EEXIST && errno != ENOTEMPTY)
			return -errno;
		r = discard(d->store_fd, d->name);
		if (r < 0 && r != -ENOENT)
			return r;
	}
}

int template_commit(struct template_draft *d, const struct template_info *info, struct error *err)
{
	cleanup_template_info struct template_info whole;
	int r;

	fields_copy(&info_fields, &whole, info);
	whole.name = NULL;
	r = finish_files(d, &whole, err);
	if (r < 0)
		return r;
	r = put_in_place(d);
	if (r < 0)
		return error_sys(err, r, "put '%s' in its place", d->dir);
	free(steal_ptr(&d->dir));
	return 0;
}
