/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/netlink.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"

/* The kernel fills at most this much for one read of a dump (NLMSG_GOODSIZE). */
#define ANSWER_MAX 32768

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *family, size_t size)
{
	*request = (struct netlink_request){
		.header = {
			.nlmsg_len = NLMSG_LENGTH(size),
			.nlmsg_type = type,
			.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | NLM_F_ACK),
		},
	};
	assert(size <= sizeof(request->body));
	memcpy(request->body, family, size);
}

size_t netlink_open_nest(struct netlink_request *request, uint16_t type)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

	netlink_add(request, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_close_nest(struct netlink_request *request, size_t nest)
{
	const uint16_t len = (uint16_t)(request->header.nlmsg_len - nest);

	memcpy((char *)request + nest + offsetof(struct nlattr, nla_len), &len, sizeof(len));
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size)
{
	const struct nlattr attribute = {
		.nla_len = (uint16_t)(NLA_HDRLEN + size),
		.nla_type = type,
	};
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	char *to = (char *)request + at;

	assert(at + NLA_HDRLEN + NLA_ALIGN(size) <= sizeof(*request));
	memcpy(to, &attribute, sizeof(attribute));
	if (size)
		memcpy(to + NLA_HDRLEN, data, size);
	request->header.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + NLA_ALIGN(size));
}

int netlink_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

__attribute__((noreturn)) static void send_socket_of(int ns_fd, int flags, int channel)
{
	int fd = setns(ns_fd, flags) < 0 ? -errno : netlink_open();
	int code = fd < 0 ? fd : 0;

	_exit(send_fds(channel, &code, sizeof(code), &fd, fd < 0 ? 0 : 1) < 0);
}

int netlink_open_in(int ns_fd, int flags)
{
	struct clone_request clone = { .cgroup_fd = -1 };
	cleanup_pid pid_t pid = 0;
	int channel[2], code, fd = -1;
	size_t count = 1;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return -errno;
	pid = clone_process(&clone);
	if (pid == 0)
		send_socket_of(ns_fd, flags, channel[1]);
	close(channel[1]);
	n = pid < 0 ? pid : recv_fds(channel[0], &code, sizeof(code), &fd, &count);
	close(channel[0]);
	if (pid < 0)
		return steal_pid(&pid);
	if (n != sizeof(code))
		return n < 0 ? (int)n : -EPIPE;
	return code < 0 ? code : fd;
}

/* 1 when the answer is over; then *ret is what the kernel says of the request. */
static int read_message(const struct nlmsghdr *m, const struct netlink_reader *reader, int *ret)
{
	const struct nlmsgerr *end = NLMSG_DATA(m);
	int r;

	/* What was read may be neither the old nor the new. */
	if (m->nlmsg_flags & NLM_F_DUMP_INTR && *ret == 0)
		*ret = -EINTR;
	if (m->nlmsg_type == NLMSG_DONE)
		return 1;
	if (m->nlmsg_type == NLMSG_ERROR) {
		if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*end)))
			*ret = -EPROTO;
		else if (end->error)
			*ret = end->error;
		return 1;
	}
	if (!reader || m->nlmsg_len < NLMSG_LENGTH(reader->family_size))
		return 0;
	r = reader->on_message(reader->ctx, m);
	if (r < 0 && *ret == 0)
		*ret = r;
	return 0;
}

int netlink_ask(int fd, struct netlink_request *request, const struct netlink_reader *reader)
{
	cleanup_free char *answer = xmalloc(ANSWER_MAX);
	int ret = 0;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, answer, ANSWER_MAX, 0);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		for (const struct nlmsghdr *m = (void *)answer; NLMSG_OK(m, left);
		     m = NLMSG_NEXT(m, left))
			if (read_message(m, reader, &ret))
				return ret;
	}
}

const void *netlink_inner_attribute(const void *data, size_t data_size, uint16_t type,
				    size_t *ret_size)
{
	const char *at = data, *end = at + data_size;

	while (end - at >= NLA_HDRLEN) {
		struct nlattr attribute;

		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > end - at)
			return NULL;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
			*ret_size = attribute.nla_len - NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		if (end - at < NLA_ALIGN(attribute.nla_len))
			return NULL;
		at += NLA_ALIGN(attribute.nla_len);
	}
	return NULL;
}

const void *netlink_attribute(const struct nlmsghdr *message, size_t family_size, uint16_t type,
			      size_t *ret_size)
{
	const size_t before = NLMSG_LENGTH(NLMSG_ALIGN(family_size));

	if (message->nlmsg_len <= before)
		return NULL;
	return netlink_inner_attribute((const char *)message + before, message->nlmsg_len - before,
				       type, ret_size);
}
