/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/net/plan.h"

struct error;

/*
 * A link of the sandbox's network namespace and an interface of its guest, joined: whatever the
 * link receives goes to a tap, which the VMM reads, and the other way. The link keeps its
 * addresses, so that whoever made it finds it as it was; its own kernel hears nothing by it any
 * more.
 *
 * @fd is a netlink socket of the namespace, over which the caller needs CAP_NET_ADMIN.
 */
struct net_tap {
	int fd; /* the tap is gone with the last of its descriptors, the VMM's */
	unsigned int index;
	struct network_hw hw;
};
#define NET_TAP_INIT ((struct net_tap){ .fd = -1 })

/* A new one, marked as spare, of the calling process's network namespace. */
int net_tap_open(int fd, struct net_tap *ret, struct error *err);
void net_tap_close(struct net_tap *tap);
/* Gives it another Ethernet address. -errno. */
int net_tap_set_hw(struct net_tap *tap, const unsigned char mac[static 6]);

/* Makes the tap at @tap_index the other side of @endpoint. May be repeated. */
int net_join(int fd, const struct net_endpoint *endpoint, unsigned int tap_index,
	     struct error *err);

/* What the tap receives for the IPv4 address @to stays here and is not handed on. May be repeated.
 * -errno. */
int net_join_keep(int fd, unsigned int tap_index, const struct network_address *to);

/* Gives every link of the namespace back to its own kernel, once the taps are gone. */
int net_part(int fd, struct error *err);

int net_mark(int fd, unsigned int tap_index, const struct net_mark *mark, struct error *err);
