/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_exact(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_whole_fd(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	size_t len = 0, cap = 4096;
	cleanup_free char *buf = xmalloc(cap + 1);

	for (;;) {
		ssize_t n;

		if (len == cap) {
			cap *= 4;
			buf = xrealloc(buf, cap + 1, 1);
		}
		n = read(fd, buf + len, cap - len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret_data = steal_ptr(&buf);
	return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : read_whole_fd(fd, max, ret_data, ret_len);
}

int write_file_at(int dirfd, const char *path, const char *text)
{
	cleanup_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int write_atomic_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	cleanup_free char *tmp = xasprintf(".%s.%d", name, (int)getpid());
	cleanup_fd int fd = -1;
	int r;

	/* A leftover of a killed process with our pid is ours to replace. */
	(void)unlinkat(dirfd, tmp, 0);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

ssize_t send_fds(int sock, const void *data, size_t len, const int *fds, size_t count)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (count > FD_PASS_MAX)
		return -EINVAL;
	if (count) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int take_fds(struct msghdr *msg, int *fds, size_t room, size_t *ret_count)
{
	size_t got = 0;
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < room) {
				fds[got++] = fd;
			} else {
				close(fd);
				r = -EMSGSIZE;
			}
		}
	}
	if (msg->msg_flags & MSG_CTRUNC)
		r = -EMSGSIZE;
	if (r < 0) {
		while (got)
			close(fds[--got]);
	}
	*ret_count = got;
	return r;
}

ssize_t recv_fds(int sock, void *buf, size_t len, int *fds, size_t *count)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t room = *count;
	ssize_t n;
	int r;

	msg.msg_control = control.buf;
	msg.msg_controllen = sizeof(control.buf);
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*count = 0;
	if (n < 0)
		return -errno;
	r = take_fds(&msg, fds, room, count);
	return r < 0 ? r : n;
}

int fill_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* It gets the lowest number that is free; and it is to be inherited. */
		if (open("/dev/null", O_RDWR) < 0)
			return -errno;
	}
	return 0;
}

int set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

/* sun_path holds 107 bytes; a longer path is shortened to /proc/self/fd/N/NAME, where N is its
 * directory. *ret_dirfd keeps that alive and is -1 when it was not needed. */
static int fill_address(const char *path, struct sockaddr_un *addr, int *ret_dirfd)
{
	cleanup_free char *dir = NULL;
	const char *base;
	int fd, n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*ret_dirfd = -1;
	if (strlen(path) < sizeof(addr->sun_path)) {
		memcpy(addr->sun_path, path, strlen(path) + 1);
		return 0;
	}
	base = strrchr(path, '/');
	if (!base)
		return -ENAMETOOLONG;
	dir = xstrndup(path, (size_t)(base - path));
	fd = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d%s", fd, base);
	if (n < 0 || (size_t)n >= sizeof(addr->sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	*ret_dirfd = fd;
	return 0;
}

static int connect_socket(int type, const struct sockaddr_un *addr, size_t len)
{
	cleanup_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, (socklen_t)len) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int connect_stream(const char *path, int flags)
{
	cleanup_fd int dirfd = -1;
	struct sockaddr_un addr;
	int r = fill_address(path, &addr, &dirfd);

	return r < 0 ? r : connect_socket(SOCK_STREAM | flags, &addr, sizeof(addr));
}

int unix_connect(const char *path)
{
	return connect_stream(path, 0);
}

int unix_connect_nonblock(const char *path)
{
	return connect_stream(path, SOCK_NONBLOCK);
}

int unix_connect_datagram(const char *path)
{
	cleanup_fd int dirfd = -1;
	struct sockaddr_un addr;
	int r = fill_address(path, &addr, &dirfd);

	if (r < 0)
		return r;
	if (*path != '@')
		return connect_socket(SOCK_DGRAM, &addr, sizeof(addr));
	/* Such a name ends where the length says, not at a NUL. */
	addr.sun_path[0] = '\0';
	return connect_socket(SOCK_DGRAM, &addr,
			      offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

static int bind_socket(int type, const char *path, mode_t mode)
{
	cleanup_fd int dirfd = -1;
	cleanup_fd int fd = -1;
	struct sockaddr_un addr;
	int r = fill_address(path, &addr, &dirfd);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The mode of the socket file comes from its inode's, set before anybody can connect. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

int unix_bind_datagram(const char *path, mode_t mode)
{
	return bind_socket(SOCK_DGRAM, path, mode);
}

int unix_listen(const char *path, mode_t mode)
{
	cleanup_fd int fd = bind_socket(SOCK_STREAM, path, mode);

	if (fd < 0)
		return fd;
	return listen(fd, 64) < 0 ? -errno : steal_fd(&fd);
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int close_all_but(int from, const int *keep, size_t count)
{
	cleanup_free int *sorted = xmemdup(keep, count * sizeof(int));
	unsigned int next = (unsigned int)from;

	qsort(sorted, count, sizeof(int), compare_ints);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] < (int)next)
			continue;
		if (sorted[i] > (int)next &&
		    syscall(SYS_close_range, next, (unsigned int)sorted[i] - 1, 0) < 0)
			return -errno;
		next = (unsigned int)sorted[i] + 1;
	}
	return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}

/* Anything mounted at @name gives -EXDEV, a bind mount of the same file system too, which a
 * comparison of device numbers would take for an ordinary directory. */
static int open_unmounted_dir(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	int fd;

	do
		fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : fd;
}

static int empty_dir(int dirfd);

static int remove_entry(int dirfd, const char *name)
{
	cleanup_fd int fd = -1;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	fd = open_unmounted_dir(dirfd, name);
	if (fd == -ENOENT)
		return 0;
	/* Something is mounted here: it is not ours to empty, and rmdir(2) says EBUSY. */
	if (fd < 0 && fd != -EXDEV)
		return fd;
	r = fd < 0 ? 0 : empty_dir(fd);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int empty_dir(int dirfd)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		r = -errno;
		close(copy);
		return r;
	}
	while ((entry = readdir(dir))) {
		int one;

		if (is_dots(entry->d_name))
			continue;
		one = remove_entry(dirfd, entry->d_name);
		if (r == 0)
			r = one;
	}
	return r;
}

int remove_tree_at(int dirfd, const char *name)
{
	cleanup_free char *parent_path = NULL;
	cleanup_fd int parent = -1;
	const char *slash = strrchr(name, '/');

	if (!slash)
		return remove_entry(dirfd, name);
	/* The way there may cross mounts, what is below may not. */
	parent_path = xstrndup(name, (size_t)(slash + 1 - name));
	parent = openat(dirfd, parent_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_entry(parent, slash + 1);
}

int mkdir_parents(const char *path, mode_t mode)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
