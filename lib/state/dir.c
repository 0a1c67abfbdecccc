/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/state/record.h"

/*
 * A directory exists before its maker can lock it. Whoever looks in between sees exactly what a
 * killed create leaves, a directory without a record, and every command has to cope with that
 * anyway. What must not happen is that two of them believe to own the same id: so everybody,
 * the maker too, checks after locking that what was locked still has a name.
 */
struct state_dir {
	char *path;
	const char *id; /* points into path */
	int fd;
	bool is_locked;
};

#define ID_MAX 1024
/* flock(2) has no timeout, and a signal that interrupts it may come before it blocks. So it is
 * tried again, with growing pauses. */
#define LOCK_PAUSE_MAX_MS 50
/* The maker of a directory waits for those only who saw it before it was locked. */
#define CREATE_LOCK_MS 5000

/* The first namespace's mapping is the identity, whole. */
static bool is_in_user_namespace(void)
{
	cleanup_file FILE *file = fopen("/proc/self/uid_map", "re");
	unsigned int inside, outside, count;

	if (!file || fscanf(file, "%u %u %u", &inside, &outside, &count) != 3)
		return false;
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}

bool state_is_rootless(void)
{
	const char *user;

	if (geteuid() != 0)
		return true;
	user = getenv("USER");
	return !(user && streq(user, "root")) && is_in_user_namespace();
}

/* The usual place of $XDG_RUNTIME_DIR, which a session makes, and su(1) and cron(8) do not tell. */
static char *find_runtime_dir(void)
{
	const char *given = getenv("XDG_RUNTIME_DIR");
	cleanup_free char *usual = xasprintf("/run/user/%u", (unsigned int)geteuid());
	struct stat st;

	if (given)
		return *given == '/' ? xstrdup(given) : NULL;
	if (lstat(usual, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	return steal_ptr(&usual);
}

int state_default_root(char **ret, struct error *err)
{
	cleanup_free char *runtime_dir = NULL;

	if (!state_is_rootless() || (geteuid() == 0 && !getenv("XDG_RUNTIME_DIR"))) {
		*ret = xstrdup("/run/moat");
		return 0;
	}
	runtime_dir = find_runtime_dir();
	if (!runtime_dir)
		return error_set(err, -ENOENT, "no place for state: XDG_RUNTIME_DIR is not set");
	*ret = xasprintf("%s/moat", runtime_dir);
	return 0;
}

static bool is_id(const char *id)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+.-";
	size_t len = strlen(id);

	return len >= 1 && len <= ID_MAX && strspn(id, allowed) == len && !is_dots(id);
}

char *state_cache_dir(const char *root)
{
	return xasprintf("%s/@cache", root);
}

int state_check_id(const char *id, struct error *err)
{
	if (is_id(id))
		return 0;
	return error_set(err, -EINVAL, "invalid container ID format: '%s'", id);
}

static int absolute_root(const char *root, char **ret, struct error *err)
{
	cleanup_free char *cwd = NULL;
	cleanup_free char *joined = NULL;
	cleanup_free char *clean = NULL;

	if (*root != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return error_sys(err, errno, "--root '%s': current directory", root);
		joined = xasprintf("%s/%s", cwd, root);
	}
	clean = path_clean(joined ? joined : root);
	if (streq(clean, "/"))
		return error_set(err, -EINVAL, "Option --root argument should not be set to /");
	*ret = steal_ptr(&clean);
	return 0;
}

/* Names it; nothing is opened. */
static int new_dir(const char *root, const char *id, struct state_dir **ret, struct error *err)
{
	cleanup_free char *absolute = NULL;
	struct state_dir *dir;
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	r = absolute_root(root, &absolute, err);
	if (r < 0)
		return r;
	dir = xcalloc(1, sizeof(*dir));
	dir->path = xasprintf("%s/%s", absolute, id);
	dir->id = dir->path + strlen(absolute) + 1;
	dir->fd = -1;
	*ret = dir;
	return 0;
}

static int open_dir(struct state_dir *dir)
{
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir->fd < 0 ? -errno : 0;
}

static int no_such(const struct state_dir *dir, struct error *err)
{
	return error_set(err, -ENOENT, "container '%s' does not exist", dir->id);
}

static int try_lock(struct state_dir *dir)
{
	int r;

	do
		r = flock(dir->fd, LOCK_EX | LOCK_NB);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* -EWOULDBLOCK when it did not get the lock in time, -ENOENT when the directory is gone. */
static int lock_linked(struct state_dir *dir, int timeout_ms)
{
	long long deadline = now_ms() + timeout_ms;
	struct stat st;
	int pause = 1;
	int r;

	while ((r = try_lock(dir)) == -EWOULDBLOCK) {
		long long left = deadline - now_ms();

		if (left <= 0)
			return r;
		(void)poll(NULL, 0, left < pause ? (int)left : pause); /* EINTR: tried earlier */
		pause = pause * 2 > LOCK_PAUSE_MAX_MS ? LOCK_PAUSE_MAX_MS : pause * 2;
	}
	if (r < 0)
		return r;
	dir->is_locked = true;
	if (fstat(dir->fd, &st) < 0)
		return -errno;
	return st.st_nlink ? 0 : -ENOENT;
}

int state_dir_lock(struct state_dir *dir, int timeout_ms, struct error *err)
{
	int r = lock_linked(dir, timeout_ms);

	if (r == -EWOULDBLOCK)
		return error_set(err, -EBUSY,
				 "container '%s' is busy: another command holds its lock", dir->id);
	if (r == -ENOENT)
		return no_such(dir, err);
	return r < 0 ? error_sys(err, r, "container '%s': lock", dir->id) : 0;
}

bool state_dir_is_locked(const struct state_dir *dir)
{
	/* A descriptor of its own, because a flock belongs to the open file. Held for a moment, it
	 * makes others try again, which lock_linked() does. */
	cleanup_fd int probe = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir->is_locked || probe < 0)
		return false;
	return flock(probe, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int make_root(const char *path, struct error *err)
{
	cleanup_free char *root = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	/* Sticky: of what looks unused below $XDG_RUNTIME_DIR, that is spared. */
	int r = mkdir_parents(root, 01700);

	return r < 0 ? error_sys(err, r, "make the root '%s'", root) : 0;
}

static int make_dir(const struct state_dir *dir, struct error *err)
{
	int r = mkdir(dir->path, 0700) < 0 ? -errno : 0;

	if (r == -ENOENT) {
		r = make_root(dir->path, err);
		if (r < 0)
			return r;
		r = mkdir(dir->path, 0700) < 0 ? -errno : 0;
	}
	if (r == -EEXIST)
		return error_set(err, r, "container with given ID already exists");
	return r < 0 ? error_sys(err, r, "make '%s'", dir->path) : 0;
}

int state_dir_create(const char *root, const char *id, struct state_dir **ret, struct error *err)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	int r = new_dir(root, id, &dir, err);

	if (r < 0)
		return r;
	r = make_dir(dir, err);
	if (r < 0)
		return r;
	r = open_dir(dir);
	if (r == 0)
		r = lock_linked(dir, CREATE_LOCK_MS);
	/* Somebody who saw it without its record (delete --force) was faster. */
	if (r == -EWOULDBLOCK || r == -ENOENT)
		return error_set(err, -EBUSY, "container '%s' was deleted while it was made", id);
	if (r < 0)
		return error_sys(err, r, "open and lock '%s'", dir->path);
	*ret = steal_ptr(&dir);
	return 0;
}

int state_dir_open(const char *root, const char *id, struct state_dir **ret, struct error *err)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	int r = new_dir(root, id, &dir, err);

	if (r < 0)
		return r;
	r = open_dir(dir);
	/* ENAMETOOLONG: of 1024 allowed bytes a file system takes 255. */
	if (r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG)
		return no_such(dir, err);
	if (r < 0)
		return error_sys(err, r, "open '%s'", dir->path);
	*ret = steal_ptr(&dir);
	return 0;
}

void state_dir_close(struct state_dir *dir)
{
	if (!dir)
		return;
	/* Not left to close(2): a child that waits for its start still has the same open file. */
	if (dir->is_locked)
		(void)flock(dir->fd, LOCK_UN);
	close_fdp(&dir->fd);
	free(dir->path);
	free(dir);
}

int state_dir_fd(const struct state_dir *dir)
{
	return dir->fd;
}

const char *state_dir_path(const struct state_dir *dir)
{
	return dir->path;
}

int state_dir_remove(struct state_dir *dir, struct error *err)
{
	cleanup_free char *root = xstrndup(dir->path, (size_t)(dir->id - 1 - dir->path));
	cleanup_fd int rootfd = -1;
	int r;

	/* The record first: whoever interrupts this leaves no container that looks whole. */
	(void)unlinkat(dir->fd, "state.json", 0); /* remove_tree_at() meets what is wrong again */
	rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = rootfd < 0 ? -errno : remove_tree_at(rootfd, dir->id);
	return r < 0 ? error_sys(err, r, "remove '%s'", dir->path) : 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_directory(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int collect_ids(DIR *dir, char ***ids)
{
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (is_id(entry->d_name) && is_directory(dir, entry))
			strv_push(ids, xstrdup(entry->d_name));
	}
}

int state_list(const char *root, char ***ret, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_strv char **ids = NULL;
	cleanup_dir DIR *dir = NULL;
	int r = absolute_root(root, &path, err);

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return error_sys(err, errno, "list '%s'", path);
	if (dir) {
		r = collect_ids(dir, &ids);
		if (r < 0)
			return error_sys(err, r, "list '%s'", path);
	}
	if (ids)
		qsort(ids, strv_len(ids), sizeof(*ids), compare_ids);
	*ret = steal_ptr(&ids);
	return 0;
}
