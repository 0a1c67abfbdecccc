/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * seccomp-agent SOCKET STATES: an agent for SCMP_ACT_NOTIFY. Every container process state that
 * arrives on SOCKET becomes a line of the file STATES. Of the calls that it is asked about it makes
 * mkdir(2) and mkdirat(2) itself, in the root of the calling process; the others go on.
 */
#define MAX_LISTENERS 16

static struct pollfd polled[1 + MAX_LISTENERS];
static nfds_t count = 1;

static void die(const char *what)
{
	fprintf(stderr, "seccomp-agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(addr.sun_path, path, strlen(path));
	polled[0] = (struct pollfd){ socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), POLLIN, 0 };
	if (bind(polled[0].fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(polled[0].fd, 8) < 0)
		die(path);
}

/* The descriptors come with the first message. */
static ssize_t receive(int conn, char *text, size_t size, int *fd)
{
	char control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = { text, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	n = recvmsg(conn, &msg, MSG_CMSG_CLOEXEC);
	cmsg = CMSG_FIRSTHDR(&msg);
	if (n >= 0 && cmsg && cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(cmsg), sizeof(int));
	return n;
}

static void take_state(const char *states)
{
	static char text[1 << 20];
	int conn = accept4(polled[0].fd, NULL, NULL, SOCK_CLOEXEC);
	FILE *file = fopen(states, "a");
	size_t len = 0;
	int fd = -1;
	ssize_t n;

	if (conn < 0 || !file)
		die(states);
	while (len < sizeof(text) && (n = receive(conn, text + len, sizeof(text) - len, &fd)) > 0)
		len += (size_t)n;
	fprintf(file, "%.*s\n", (int)len, text);
	fclose(file);
	close(conn);
	if (fd >= 0 && count < MAX_LISTENERS)
		polled[count++] = (struct pollfd){ fd, POLLIN, 0 };
}

static int read_path(unsigned int pid, unsigned long long address, char *path, size_t size)
{
	char name[64];
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "/proc/%u/mem", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, path, size - 1, (off_t)address);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -EFAULT;
	path[n] = '\0';
	return 0;
}

static int make_directory(const struct seccomp_notif *asked, unsigned long long address)
{
	char name[64];
	char path[256];
	int root, r = read_path(asked->pid, address, path, sizeof(path));

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "/proc/%u/root", asked->pid);
	root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	r = mkdirat(root, path + strspn(path, "/"), 0755) < 0 ? -errno : 0;
	close(root);
	return r;
}

static void answer(int listener)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp resp = { 0 };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
		return; /* it was killed meanwhile */
	resp.id = asked.id;
#ifdef SYS_mkdir
	if (asked.data.nr == SYS_mkdir)
		resp.error = make_directory(&asked, asked.data.args[0]);
	else
#endif
		if (asked.data.nr == SYS_mkdirat)
		resp.error = make_directory(&asked, asked.data.args[1]);
	else
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: seccomp-agent SOCKET STATES\n");
		return 2;
	}
	listen_at(argv[1]);
	for (;;) {
		if (poll(polled, count, -1) < 0)
			die("poll");
		for (nfds_t i = count; i-- > 1;) {
			if (polled[i].revents & POLLIN) {
				answer(polled[i].fd);
			} else if (polled[i].revents) {
				close(polled[i].fd); /* nobody is left under the filter */
				polled[i] = polled[--count];
			}
		}
		if (polled[0].revents & POLLIN)
			take_state(argv[2]);
	}
}
