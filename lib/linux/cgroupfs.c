/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/cgroupfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#define SMALL_FILE_MAX_BYTES (1u << 20)
/* Four million pids (PID_MAX_LIMIT) of seven digits. */
#define PROCS_MAX_BYTES (32u << 20)

/* "\040" and the like stand for the bytes that would end a field. */
static char *unescape(const char *s)
{
	char *copy = xstrdup(s), *to = copy;

	for (const char *p = copy; *p; to++) {
		char octal[4] = "";
		uint32_t value;

		memcpy(octal, p + 1, strnlen(p + 1, 3));
		if (*p == '\\' && parse_octal(octal, &value) == 0 && value && value < 256 &&
		    strlen(octal) == 3) {
			*to = (char)value;
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
	return copy;
}

static int parse_dev(char *s, dev_t *ret)
{
	char *minor = strchr(s, ':');
	uint32_t numbers[2];

	if (!minor)
		return -EINVAL;
	*minor++ = '\0';
	if (parse_u32(s, &numbers[0]) < 0 || parse_u32(minor, &numbers[1]) < 0)
		return -EINVAL;
	*ret = makedev(numbers[0], numbers[1]);
	return 0;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL…] - TYPE SOURCE SUPER-OPTIONS */
enum { FIELD_DEV = 2, FIELD_ROOT, FIELD_POINT, FIELDS_BEFORE = 6 };
enum { FIELD_TYPE, FIELD_SUPER = 2, FIELDS_BEHIND };

static size_t split_words(char *s, char **words, size_t max)
{
	size_t n = 0;

	while (s && n < max)
		words[n++] = strsep(&s, " ");
	return n;
}

static int parse_line(const char *line, size_t len, struct cgroupfs_mount *ret)
{
	const char *separator = memmem(line, len, " - ", strlen(" - "));
	cleanup_free char *copy = NULL;
	char *first[FIELDS_BEFORE], *second[FIELDS_BEHIND];
	dev_t dev;

	/* Most lines are of other file systems, and not worth a copy. */
	if (!separator || !str_after(separator, " - cgroup"))
		return -EINVAL;
	copy = xstrndup(line, len);
	copy[separator - line] = '\0';
	if (split_words(copy, first, ARRAY_SIZE(first)) < FIELDS_BEFORE ||
	    split_words(copy + (separator - line) + strlen(" - "), second, ARRAY_SIZE(second)) <
		    FIELDS_BEHIND)
		return -EINVAL;
	if (parse_dev(first[FIELD_DEV], &dev) < 0 || *first[FIELD_POINT] != '/')
		return -EINVAL;
	ret->is_v2 = streq(second[FIELD_TYPE], "cgroup2");
	if (!ret->is_v2 && !streq(second[FIELD_TYPE], "cgroup"))
		return -EINVAL;
	ret->dev = dev;
	ret->mount_point = unescape(first[FIELD_POINT]);
	ret->root = unescape(first[FIELD_ROOT]);
	ret->options = strv_split(second[FIELD_SUPER], ',');
	return 0;
}

/* A part of a hierarchy is mounted for some container, and mostly read-only. Takes @mount if it is
 * better than what is known. */
static bool is_known(struct cgroupfs_mount *mounts, size_t count, struct cgroupfs_mount *mount)
{
	for (size_t i = 0; i < count; i++) {
		struct cgroupfs_mount known = mounts[i];

		if (known.dev != mount->dev)
			continue;
		if (!streq(known.root, "/") && streq(mount->root, "/")) {
			mounts[i] = *mount;
			*mount = known;
		}
		return true;
	}
	return false;
}

int cgroupfs_parse_mounts(const char *mountinfo, struct cgroupfs_mount **ret, size_t *ret_count)
{
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;

	while (*mountinfo) {
		const char *line = mountinfo;
		size_t len = strcspn(line, "\n");
		struct cgroupfs_mount mount = { 0 };

		mountinfo += len + (line[len] == '\n');
		if (parse_line(line, len, &mount) < 0)
			continue;
		if (is_known(mounts, count, &mount)) {
			cgroupfs_mount_done(&mount);
			continue;
		}
		mounts = xrealloc(mounts, count + 1, sizeof(*mounts));
		mounts[count++] = mount;
	}
	if (!count)
		return -ENOENT;
	*ret = mounts;
	*ret_count = count;
	return 0;
}

bool cgroupfs_is_identity(const char *option)
{
	static const char *const others[] = {
		"rw",
		"ro",
		"xattr",
		"noprefix",
		"clone_children",
		"cpuset_v2_mode",
		"none",
		"nsdelegate",
		"favordynmods",
		"nofavordynmods",
		"memory_recursiveprot",
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (streq(option, others[i]))
			return false;
	return !str_after(option, "release_agent=");
}

int cgroupfs_read_mounts(struct cgroupfs_mount **ret, size_t *ret_count)
{
	cleanup_free char *text = NULL;
	int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", CGROUPFS_MOUNTINFO_MAX_BYTES, &text,
			     NULL);

	return r < 0 ? r : cgroupfs_parse_mounts(text, ret, ret_count);
}

void cgroupfs_mount_done(struct cgroupfs_mount *mount)
{
	free(mount->mount_point);
	free(mount->root);
	strv_free(mount->options);
	*mount = (struct cgroupfs_mount){ 0 };
}

void cgroupfs_free_mounts(struct cgroupfs_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cgroupfs_mount_done(&mounts[i]);
	free(mounts);
}

int cgroupfs_open_mount(const struct cgroupfs_mount *mount)
{
	cleanup_fd int fd = open(mount->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == mount->dev ? steal_fd(&fd) : -ENOENT;
}

int cgroupfs_find_v2_only(struct cgroupfs_mount **ret)
{
	struct statfs fs;
	struct stat st;

	if (statfs(CGROUPFS_DIR, &fs) < 0 || stat(CGROUPFS_DIR, &st) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct cgroupfs_mount){
		.mount_point = xstrdup(CGROUPFS_DIR),
		.dev = st.st_dev,
		.is_v2 = true,
	};
	return 0;
}

int cgroupfs_find_mounts(struct cgroupfs_mount **ret, size_t *ret_count)
{
	int r = cgroupfs_find_v2_only(ret);

	*ret_count = 1;
	return r == -ENOENT ? cgroupfs_read_mounts(ret, ret_count) : r;
}

static char *join(const char *path, const char *file)
{
	return xasprintf("%s%s%s", path, *path ? "/" : "", file);
}

int cgroupfs_read(int dirfd, const char *path, const char *file, char **ret)
{
	cleanup_free char *name = join(path, file);
	size_t len;
	int r = read_file_at(dirfd, name, SMALL_FILE_MAX_BYTES, ret, &len);

	if (r < 0)
		return r;
	if (len && (*ret)[len - 1] == '\n')
		(*ret)[len - 1] = '\0';
	return 0;
}

int cgroupfs_open(int dirfd, const char *path, const char *file)
{
	cleanup_free char *name = join(path, file);
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroupfs_write(int dirfd, const char *path, const char *file, const char *value)
{
	cleanup_free char *name = join(path, file);

	return write_file_at(dirfd, name, value);
}

int cgroupfs_join(int dirfd, const char *path, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return cgroupfs_write(dirfd, path, "cgroup.procs", text);
}

static bool has_event(const char *text, const char *key)
{
	cleanup_strv char **lines = strv_split(text, '\n');
	cleanup_free char *wanted = xasprintf("%s 1", key);

	return strv_has(lines, wanted);
}

bool cgroupfs_has_event(int dirfd, const char *path, const char *file, const char *key)
{
	cleanup_free char *text = NULL;

	return cgroupfs_read(dirfd, path, file, &text) == 0 && has_event(text, key);
}

int cgroupfs_wait_event(int dirfd, const char *path, const char *file, const char *key, bool wanted,
			long long deadline_ms)
{
	cleanup_fd int fd = cgroupfs_open(dirfd, path, file);
	char text[512];

	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd changed = { .fd = fd, .events = POLLPRI };
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		long long left;

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (has_event(text, key) == wanted)
			return 0;
		left = deadline_ms - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&changed, 1, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

/*
 * A walk holds one descriptor, of the cgroup it is in, and comes back by "..", because a container
 * that may make cgroups could use up any other number.
 */
struct frame {
	char **children;
	size_t next;
};

struct walk {
	int fd;
	struct frame *frames;
	size_t depth;
};

static void walk_done(struct walk *w)
{
	while (w->depth)
		strv_free(w->frames[--w->depth].children);
	free(w->frames);
	close_fdp(&w->fd);
}

static int list_children(int fd, char ***ret)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = NULL;
	cleanup_strv char **children = NULL;

	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		int r = -errno;

		close(copy);
		return r;
	}
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (entry->d_type == DT_DIR && !is_dots(entry->d_name))
			strv_push(&children, xstrdup(entry->d_name));
	}
	if (errno)
		return -errno;
	*ret = steal_ptr(&children);
	return 0;
}

/* Takes @fd as the cgroup to be in. */
static int enter(struct walk *w, int fd)
{
	char **children = NULL;
	struct stat st;
	int r;

	close_fdp(&w->fd);
	w->fd = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* The link count of a cgroup is 2 and its children, of which most have none. */
	if (st.st_nlink != 2) {
		r = list_children(fd, &children);
		if (r < 0)
			return r;
	}
	w->frames = xrealloc(w->frames, w->depth + 1, sizeof(*w->frames));
	w->frames[w->depth++] = (struct frame){ .children = children };
	return 0;
}

/* Back to the parent, where the child that was left is visited. */
static int leave(struct walk *w, cgroupfs_visit visit, void *ctx)
{
	struct frame *parent;
	int fd;

	strv_free(w->frames[--w->depth].children);
	if (!w->depth)
		return 0;
	fd = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close_fdp(&w->fd);
	w->fd = fd;
	parent = &w->frames[w->depth - 1];
	return visit(ctx, w->fd, parent->children[parent->next++]);
}

static int step(struct walk *w, cgroupfs_visit visit, void *ctx)
{
	struct frame *top = &w->frames[w->depth - 1];
	const char *name = top->children ? top->children[top->next] : NULL;
	int fd;

	if (!name)
		return leave(w, visit, ctx);
	fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		top->next++;
		return 0;
	}
	return fd < 0 ? -errno : enter(w, fd);
}

int cgroupfs_walk(int dirfd, const char *path, cgroupfs_visit visit, void *ctx)
{
	CLEANUP(walk_done) struct walk w = { .fd = -1 };
	int fd = openat(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = enter(&w, fd);
	while (r == 0 && w.depth)
		r = step(&w, visit, ctx);
	return r;
}

static void add_pid(struct cgroupfs_pids *pids, pid_t pid)
{
	if (pids->count == pids->cap) {
		pids->cap = pids->cap ? pids->cap * 2 : 16;
		pids->pids = xrealloc(pids->pids, pids->cap, sizeof(*pids->pids));
	}
	pids->pids[pids->count++] = pid;
}

/* Threads other than a process's first have no pidfd of their own. */
static bool is_process(pid_t tid)
{
	int fd = tid ? pidfd_open(tid, 0) : -1;

	if (fd < 0)
		return !tid;
	close(fd);
	return true;
}

static int add_listed(int parent_fd, const char *name, const char *list, bool is_of_threads,
		      struct cgroupfs_pids *pids)
{
	cleanup_free char *file = join(name, list);
	cleanup_free char *text = NULL;
	char *rest;
	int r = read_file_at(parent_fd, file, PROCS_MAX_BYTES, &text, NULL);

	if (r < 0)
		return r;
	rest = text;
	while (rest) {
		uint32_t pid;

		if (parse_u32(strsep(&rest, "\n"), &pid) == 0 &&
		    (!is_of_threads || is_process((pid_t)pid)))
			add_pid(pids, (pid_t)pid);
	}
	return 0;
}

static int add_own_pids(void *ctx, int parent_fd, const char *name)
{
	struct cgroupfs_pids *pids = ctx;
	int r = add_listed(parent_fd, name, "cgroup.procs", false, pids);

	/* A threaded one lists threads only (cgroup-v2.rst, "Threads"). */
	if (r == -EOPNOTSUPP)
		r = add_listed(parent_fd, name, "cgroup.threads", true, pids);
	/* Removed meanwhile. */
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int cgroupfs_add_pids(int dirfd, const char *path, struct cgroupfs_pids *pids)
{
	int r = add_own_pids(pids, dirfd, path);

	if (r < 0)
		return r;
	r = cgroupfs_walk(dirfd, path, add_own_pids, pids);
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

void cgroupfs_pids_done(struct cgroupfs_pids *pids)
{
	free(pids->pids);
	*pids = (struct cgroupfs_pids){ 0 };
}

static int remove_one(void *ctx, int parent_fd, const char *name)
{
	int *result = ctx;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && *result == 0)
		*result = -errno;
	return 0; /* what can go goes, also next to one that cannot */
}

int cgroupfs_remove(int dirfd, const char *path)
{
	int result = 0;
	int r;

	if (unlinkat(dirfd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -errno;
	r = cgroupfs_walk(dirfd, path, remove_one, &result);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return r;
	if (result < 0)
		return result;
	return unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
