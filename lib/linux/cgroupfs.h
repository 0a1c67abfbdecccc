/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The cgroup file systems as the kernel shows them: where they are mounted, and what one does with
 * a cgroup's directory. Both versions; what is to be written there is not decided here. All are
 * leaf functions (-errno), and take a directory's descriptor and a path below it.
 *
 * Names of cgroups below a container's may be chosen by the container, which may also make and
 * remove them, nested as deep as it likes, while they are walked.
 */
#define CGROUPFS_DIR "/sys/fs/cgroup"
#define CGROUPFS_MOUNTINFO_MAX_BYTES (32u << 20)

struct cgroupfs_mount {
	char *mount_point;
	char *root;	/* the cgroup that is mounted there, as mountinfo has it; NULL: not known */
	char **options; /* of the superblock; on v1 they name the controllers, or "name=systemd" */
	dev_t dev;
	bool is_v2;
};

/* The cgroup mounts in a text of proc_pid_mountinfo(5), each hierarchy once, in their order; of
 * several mounts of one the first that shows its root. Lines that are not understood are left
 * out. -ENOENT: none. */
int cgroupfs_parse_mounts(const char *mountinfo, struct cgroupfs_mount **ret, size_t *ret_count);
/* The same for this process. */
int cgroupfs_read_mounts(struct cgroupfs_mount **ret, size_t *ret_count);
/* The same without the list of all mounts on a host that has v2 only, at the one place where
 * everybody looks. What the list says besides (root, options) is missing then. */
int cgroupfs_find_mounts(struct cgroupfs_mount **ret, size_t *ret_count);
void cgroupfs_mount_done(struct cgroupfs_mount *mount);
void cgroupfs_free_mounts(struct cgroupfs_mount *mounts, size_t count);

/* Whether @option, of a v1 superblock, tells one hierarchy from another: its controllers, or its
 * name. */
bool cgroupfs_is_identity(const char *option);

/* An O_PATH descriptor of its root. -ENOENT when something else covers the mount point. */
int cgroupfs_open_mount(const struct cgroupfs_mount *mount);
/* The one mount of a host that has v2 only, at CGROUPFS_DIR; *ret is an array of one. -ENOENT on
 * all others. */
int cgroupfs_find_v2_only(struct cgroupfs_mount **ret);

/* A file of cgroup @path ("" for @dirfd itself), for reading. */
int cgroupfs_open(int dirfd, const char *path, const char *file);
/* A short file of it, without the newline at its end. */
int cgroupfs_read(int dirfd, const char *path, const char *file, char **ret);
/* One write(2) to it. */
int cgroupfs_write(int dirfd, const char *path, const char *file, const char *value);
/* Moves process @pid there; 0: the caller. */
int cgroupfs_join(int dirfd, const char *path, pid_t pid);
/* Whether a flat keyed file (cgroup.events) has a line "KEY 1". False on errors. */
bool cgroupfs_has_event(int dirfd, const char *path, const char *file, const char *key);
/* Waits until that is @wanted. -ETIMEDOUT at @deadline_ms (now_ms()), -ENODEV once removed. */
int cgroupfs_wait_event(int dirfd, const char *path, const char *file, const char *key, bool wanted,
			long long deadline_ms);

/* Called for each cgroup below one, children first, as @name in @parent_fd. A negative return ends
 * the walk. */
typedef int (*cgroupfs_visit)(void *ctx, int parent_fd, const char *name);
int cgroupfs_walk(int dirfd, const char *path, cgroupfs_visit visit, void *ctx);

/* The processes of cgroup @path and of all below it, appended to @pids. A process that has no pid
 * here (another pid namespace's) is a 0. A missing cgroup has none. */
struct cgroupfs_pids {
	pid_t *pids;
	size_t count;
	size_t cap;
};
int cgroupfs_add_pids(int dirfd, const char *path, struct cgroupfs_pids *pids);
void cgroupfs_pids_done(struct cgroupfs_pids *pids);

/* Removes it with all below. Missing is fine; -EBUSY when a process is left somewhere. */
int cgroupfs_remove(int dirfd, const char *path);
