/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/lend.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

#define COMM_MAX 64
#define CHILDREN_MAX 4096

/* What the child says who is in the VMM's namespace, instead of an errno. */
#define SEEN 255

struct request {
	const char *path;    /* in the jail as outside */
	const char *current; /* where it is outside */
	int pidfd;
	int fd;
	mode_t mode;
};

static uint64_t attributes(const struct request *q)
{
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

	if (!S_ISBLK(q->mode))
		set |= MOUNT_ATTR_NODEV;
	if (!S_ISDIR(q->mode) && (fcntl(q->fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		set |= MOUNT_ATTR_RDONLY;
	return set;
}

/* A user without rights over mounts has them in the user namespace of the VMM's owner. */
static int clone_tree(const struct request *q)
{
	const struct mount_change change = {
		.set = attributes(q),
		.propagation = MS_PRIVATE,
	};
	cleanup_fd int tree = mount_clone(q->fd, "", true);
	int r;

	if (tree == -EPERM && setns(q->pidfd, CLONE_NEWUSER) == 0 && unshare(CLONE_NEWNS) == 0)
		tree = mount_clone(AT_FDCWD, q->current, true);
	if (tree < 0)
		return steal_fd(&tree);
	r = mount_change(tree, &change, true);
	return r < 0 ? r : steal_fd(&tree);
}

static bool is_seen(const struct request *q)
{
	struct stat here, there;

	return fstat(q->fd, &there) == 0 && stat(q->current, &here) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static int show(const struct request *q)
{
	cleanup_fd int tree = clone_tree(q);
	cleanup_fd int target = -1;

	if (tree < 0)
		return tree;
	if (setns(q->pidfd, CLONE_NEWNS) < 0)
		return -errno;
	if (is_seen(q))
		return -SEEN;
	target = open(q->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return target < 0 ? -errno : mount_attach(tree, target);
}

static int hide(const struct request *q)
{
	if (setns(q->pidfd, CLONE_NEWNS) < 0 &&
	    (errno != EPERM || setns(q->pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0))
		return -errno;
	return umount2(q->path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

/* Nobody comes back from another mount namespace, so a child goes there. */
static int ask_child(int (*work)(const struct request *q), const struct request *q)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-work(q));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPIPE;
}

static bool is_in_our_namespace(pid_t vmm)
{
	cleanup_free char *path = xasprintf("/proc/%d/ns/mnt", (int)vmm);
	struct stat ours, its;

	return stat("/proc/self/ns/mnt", &ours) == 0 && stat(path, &its) == 0 &&
	       ours.st_ino == its.st_ino && ours.st_dev == its.st_dev;
}

/* One that was lent before may have been left there. */
static int make_place(const char *path, bool is_dir, struct error *err)
{
	int r = is_dir ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0);

	return r < 0 && errno != EEXIST ? error_sys(err, errno, "make '%s'", path) : 0;
}

static void remove_place(const char *path, bool is_dir)
{
	(void)(is_dir ? rmdir(path) : unlink(path));
}

int hv_lend(pid_t vmm, const char *path, int fd, struct hv_lending *ret, struct error *err)
{
	cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, vmm, 0);
	cleanup_free char *current = NULL;
	struct request q = { .path = path, .pidfd = pidfd, .fd = fd };
	struct stat st;
	bool is_dir;
	int r;

	*ret = (struct hv_lending){ .pidfd = -1 };
	if (pidfd < 0)
		return error_sys(err, errno, "open process %d", (int)vmm);
	if (is_in_our_namespace(vmm))
		return 0;
	r = hv_path_of(fd, &current, err);
	if (r == 0 && fstat(fd, &st) < 0)
		r = error_sys(err, errno, "look at '%s'", current);
	if (r < 0)
		return r;
	q.current = current;
	q.mode = st.st_mode;
	is_dir = S_ISDIR(st.st_mode);
	r = make_place(path, is_dir, err);
	if (r < 0)
		return r;
	r = ask_child(show, &q);
	if (r < 0)
		remove_place(path, is_dir);
	if (r == -SEEN)
		return 0;
	if (r < 0)
		return error_sys(err, r, "show '%s' to the VMM", current);
	*ret = (struct hv_lending){ xstrdup(path), steal_fd(&pidfd), is_dir };
	return 1;
}

static int find_listener(const char *control, pid_t *ret, struct error *err)
{
	cleanup_fd int fd = unix_connect(control);
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", control);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_sys(err, errno, "find who listens on '%s'", control);
	if (peer.pid <= 0)
		return error_set(err, -ESRCH, "find who listens on '%s'", control);
	*ret = peer.pid;
	return 0;
}

/* As the kernel has names: of 15 bytes. */
static bool is_called(uint32_t pid, const char *program)
{
	cleanup_free char *path = xasprintf("/proc/%u/comm", pid);
	cleanup_free char *text = NULL;

	return read_file_at(AT_FDCWD, path, COMM_MAX, &text, NULL) == 0 &&
	       strncmp(text, program, strcspn(text, "\n")) == 0;
}

static int find_child(pid_t parent, const char *program, pid_t *ret)
{
	cleanup_free char *path = xasprintf("/proc/%d/task/%d/children", (int)parent, (int)parent);
	cleanup_free char *text = NULL;
	cleanup_strv char **pids = NULL;
	int r = read_file_at(AT_FDCWD, path, CHILDREN_MAX, &text, NULL);
	uint32_t pid;

	if (r < 0)
		return r;
	pids = strv_split(text, ' ');
	strv_each(word, pids) {
		if (parse_u32(word, &pid) < 0 || !is_called(pid, program))
			continue;
		*ret = (pid_t)pid;
		return 0;
	}
	return -ESRCH;
}

int hv_find_vmm(const char *control, const char *program, pid_t *ret, struct error *err)
{
	int r = find_listener(control, ret, err);

	if (r < 0 || !program)
		return r;
	r = find_child(*ret, program, ret);
	return r < 0 ? error_sys(err, r, "find the %s of process %d", program, (int)*ret) : 0;
}

int hv_show(const char *control, const char *program, const char *name, int fd,
	    struct hv_lending *ret, char **ret_path, struct error *err)
{
	cleanup_free char *path = hv_path_beside(control, name);
	pid_t pid;
	int r = hv_find_vmm(control, program, &pid, program ? NULL : err);

	if (r == 0)
		r = hv_lend(pid, path, fd, ret, err);
	else if (program)
		r = 0; /* it is no child of ours, which alone have a jail */
	if (r == 0)
		return hv_path_of(fd, ret_path, err);
	if (r > 0)
		*ret_path = steal_ptr(&path);
	return r < 0 ? r : 0;
}

void hv_lending_done(struct hv_lending *lending)
{
	struct request q = { .path = lending->path, .pidfd = lending->pidfd };

	if (!lending->path)
		return;
	(void)ask_child(hide, &q); /* it goes with the VMM, too */
	remove_place(lending->path, lending->is_dir);
	free(lending->path);
	lending->path = NULL;
	close_fdp(&lending->pidfd);
}
