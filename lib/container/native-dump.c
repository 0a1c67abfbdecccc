/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/container/backend.h"
#include "lib/container/native-criu.h"
#include "lib/criu/criu.h"
#include "oci/config.h"

/* Saving a container: what it looks like from the inside now, next to its configuration. */
#define PROC_FILE_MAX (16u << 20)
#define LINK_MAX_BYTES 4096 /* a page, which the kernel shows of a path at most */

struct dump {
	struct container *c;
	struct criu_request request;
	int proc_fd; /* of its first process */
	int root_fd;
	char *streams[CRIU_STREAMS_COUNT];
};

static void dump_done(struct dump *d)
{
	criu_request_done(&d->request);
	close_fdp(&d->proc_fd);
	close_fdp(&d->root_fd);
	for (size_t i = 0; i < CRIU_STREAMS_COUNT; i++)
		free(d->streams[i]);
}

static char *read_link_at(int dirfd, const char *path)
{
	cleanup_free char *text = xmalloc(LINK_MAX_BYTES);
	ssize_t n = readlinkat(dirfd, path, text, LINK_MAX_BYTES);

	return n < 0 ? NULL : xstrndup(text, (size_t)n);
}

/* By now another process may have its pid: what the pidfd says after the directory was opened holds
 * for that directory. */
static int open_process(struct dump *d, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%u", d->c->record.pid);
	cleanup_fd int pidfd = -1;

	d->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	pidfd = record_pidfd(&d->c->record);
	if (d->proc_fd < 0 || pidfd < 0)
		return error_set(err, -ESRCH, "container not running");
	d->root_fd = openat(d->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return d->root_fd < 0 ? error_sys(err, errno, "open '%s/root'", path) : 0;
}

/* A destination may lead through symbolic links, but CRIU wants the mount point itself. What is not
 * there needs no name. */
static char *find_mount_point(const struct dump *d, const struct criu_mount *mount)
{
	cleanup_fd int fd = beneath_open(d->root_fd, mount->destination, O_PATH, 0);
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (mount->is_for_file && S_ISDIR(st.st_mode)))
		return NULL;
	return read_link_at(AT_FDCWD, path);
}

static int name_mounts(struct dump *d, struct error *err)
{
	struct criu_mount *mounts = NULL;
	size_t count = 0;
	int r = criu_mounts_plan(d->c, &mounts, &count, err);

	for (size_t i = 0; i < count; i++) {
		cleanup_free char *point = find_mount_point(d, &mounts[i]);

		if (point)
			criu_add_external(&d->request, "mnt", point, mounts[i].destination);
	}
	criu_mounts_free(mounts, count);
	return r;
}

static int name_namespaces(struct dump *d, struct error *err)
{
	for (size_t i = 0; i < CRIU_JOINED_COUNT; i++) {
		const struct oci_namespace *ns =
			oci_namespace_find(d->c->config, criu_joined[i].type);
		cleanup_free char *path = xasprintf("ns/%s", criu_joined[i].kind);
		cleanup_free char *number = NULL;
		struct stat st;

		if (!ns || !ns->path)
			continue;
		if (fstatat(d->proc_fd, path, &st, 0) < 0)
			return error_sys(err, errno, "look at its %s namespace",
					 criu_joined[i].kind);
		number = xasprintf("%lu", (unsigned long)st.st_ino);
		criu_add_external(&d->request, criu_joined[i].kind, number, criu_joined[i].name);
	}
	return 0;
}

/* Of descriptor @number, or 0. */
static uint32_t find_mount_id(const struct dump *d, size_t number)
{
	static const char key[] = "\nmnt_id:\t";
	cleanup_free char *path = xasprintf("fdinfo/%zu", number), *text = NULL;
	cleanup_free char *word = NULL;
	uint32_t id = 0;
	char *at;

	if (read_file_at(d->proc_fd, path, PROC_FILE_MAX, &text, NULL) < 0)
		return 0;
	at = strstr(text, key);
	if (!at)
		return 0;
	at += sizeof(key) - 1;
	word = xstrndup(at, strcspn(at, "\n"));
	return parse_u32(word, &id) < 0 ? 0 : id;
}

static bool has_mount(const struct dump *d, uint32_t id)
{
	cleanup_free char *text = NULL, *start = xasprintf("%u ", id);
	cleanup_strv char **lines = NULL;

	if (read_file_at(d->proc_fd, "mountinfo", PROC_FILE_MAX, &text, NULL) < 0)
		return false;
	lines = strv_split(text, '\n');
	return strv_has_prefix(lines, start);
}

/* An ordinary file of the host's, which has no path inside. Devices CRIU finds by their number. */
static char *find_outer_file(const struct dump *d, size_t number)
{
	cleanup_free char *path = xasprintf("fd/%zu", number);
	uint32_t mount = find_mount_id(d, number);
	struct stat st;

	if (!mount || fstatat(d->proc_fd, path, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
	    has_mount(d, mount))
		return NULL;
	return xasprintf("%x:%lx", mount, (unsigned long)st.st_ino);
}

/* The caller's other ends of these are not saved: whoever restores gives new ones. */
static void name_stream(struct dump *d, size_t number)
{
	cleanup_free char *path = xasprintf("fd/%zu", number);
	cleanup_free char *file = find_outer_file(d, number);

	if (file) {
		criu_add_external(&d->request, "file", file, NULL);
		d->streams[number] = xasprintf("file[%s]", file);
		return;
	}
	d->streams[number] = read_link_at(d->proc_fd, path);
}

static char *streams_text(const struct dump *d)
{
	struct json_writer *w = json_writer_new(false);

	json_open_array(w);
	for (size_t i = 0; i < CRIU_STREAMS_COUNT; i++)
		json_string(w, d->streams[i] ? d->streams[i] : "");
	json_close_array(w);
	return json_finish(w);
}

static int write_streams(const struct dump *d, const char *image_path, struct error *err)
{
	cleanup_free char *text = streams_text(d);
	int r = mkdir_parents(image_path, 0700);
	cleanup_fd int dir = -1;

	if (r < 0)
		return error_sys(err, r, "make '%s'", image_path);
	dir = open(image_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, errno, "open '%s'", image_path);
	r = write_atomic_at(dir, CRIU_STREAMS_FILE, text, strlen(text), 0600);
	return r < 0 ? error_sys(err, r, "write '%s/" CRIU_STREAMS_FILE "'", image_path) : 0;
}

static int describe(struct dump *d, struct error *err)
{
	int r = open_process(d, err);

	if (r == 0)
		r = name_mounts(d, err);
	if (r == 0)
		r = name_namespaces(d, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < CRIU_STREAMS_COUNT; i++)
		name_stream(d, i);
	return 0;
}

int native_criu_dump(struct container *c, const struct criu_options *options, bool is_pre_dump,
		     struct error *err)
{
	CLEANUP(dump_done) struct dump d = {
		.c = c,
		.proc_fd = -1,
		.root_fd = -1,
		.request = {
			.deed = is_pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP,
			.options = options,
			.pid = (pid_t)c->record.pid,
			.root = c->record.rootfs,
			.freezer = criu_freezer_path(c),
		},
	};
	pid_t pid;
	int r;

	if (!oci_namespace_find(c->config, OCI_NS_MOUNT))
		return error_set(
			err, -EOPNOTSUPP,
			"a container without a mount namespace of its own cannot be saved");
	r = describe(&d, err);
	if (r == 0)
		r = write_streams(&d, options->image_path, err);
	return r < 0 ? r : criu_run(&d.request, &pid, err);
}
