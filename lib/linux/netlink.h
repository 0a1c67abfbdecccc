/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

/*
 * rtnetlink(7): a request, and what the kernel answers. By hand and not by libmnl, of which
 * distributions have no static library, and a container engine is linked into a program without
 * shared ones. Leaf functions: -errno, which is the kernel's own answer too.
 */
#define NETLINK_REQUEST_MAX 1024

struct netlink_request {
	struct nlmsghdr header;
	char body[NETLINK_REQUEST_MAX];
};

/* @family: struct ifinfomsg, struct ifaddrmsg …, which the attributes follow. NLM_F_REQUEST and
 * NLM_F_ACK are added. */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *family, size_t size);
/* Asserts that there is room: what is added is bounded by its type. */
void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size);
/* What is added in between is part of the attribute @type. */
size_t netlink_open_nest(struct netlink_request *request, uint16_t type);
void netlink_close_nest(struct netlink_request *request, size_t nest);

/* A socket of this process's network namespace; or (@ns_fd, for setns(2) with @flags) of another
 * one, opened by a child that enters it. */
int netlink_open(void);
int netlink_open_in(int ns_fd, int flags);

/* Sends @request and reads until its end is acknowledged. @on_message, or NULL, gets each message
 * of the answer; @family_size: of what it must at least hold after the header. A negative return
 * of it is returned at the end. -EINTR: what a dump is of changed meanwhile. */
struct netlink_reader {
	size_t family_size;
	int (*on_message)(void *ctx, const struct nlmsghdr *message);
	void *ctx;
};
int netlink_ask(int fd, struct netlink_request *request, const struct netlink_reader *reader);

/* The attribute of @message whose type it is, or NULL; its size in *ret_size. @family_size: of
 * what stands in front of the attributes. */
const void *netlink_attribute(const struct nlmsghdr *message, size_t family_size, uint16_t type,
			      size_t *ret_size);
/* The same among attributes that are one attribute's content. */
const void *netlink_inner_attribute(const void *data, size_t data_size, uint16_t type,
				    size_t *ret_size);
