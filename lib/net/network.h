/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/linux/netlink.h"

struct error;

/*
 * What a network namespace holds, as rtnetlink(7) tells it: links, their addresses, the routes of
 * the main table, and the neighbours that somebody set. Read on the host, to give it to a guest,
 * and in the guest.
 */
struct network_hw {
	unsigned char bytes[32];
	size_t size;
};
#define NETWORK_HW_TEXT (3 * 32 + 1)

struct network_link {
	unsigned int index;
	unsigned int flags; /* IFF_… */
	uint32_t mtu;
	uint16_t type; /* ARPHRD_… */
	char name[IFNAMSIZ];
	char kind[16];	/* "veth", "bridge" …; "": hardware */
	bool is_port;	/* of a bridge, which takes what it receives */
	char alias[64]; /* free text; cut */
	struct network_hw hw;
};

struct network_address {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t prefix;
	uint8_t scope;	/* RT_SCOPE_…, of one that was read */
	uint32_t flags; /* IFA_F_…, likewise */
	unsigned char bytes[16];
};

struct network_link_address {
	unsigned int index; /* of the link */
	struct network_address address;
};

struct network_route {
	unsigned int index; /* of the link; 0: whichever leads to the gateway */
	uint8_t family;
	uint8_t scope;
	uint8_t protocol;		/* RTPROT_…: who made it */
	uint32_t flags;			/* RTNH_F_… */
	uint32_t metric, mtu;		/* 0: the kernel's choice */
	struct network_address dest;	/* of family 0: everything */
	struct network_address gateway; /* of family 0: none, like the next */
	struct network_address source;	/* a whole address is the one to send from */
};

struct network_neighbor {
	unsigned int index; /* of the link */
	uint16_t state;	    /* NUD_… */
	uint8_t flags;	    /* NTF_… */
	struct network_address to;
	struct network_hw hw;
};

struct network {
	struct network_link *links;
	struct network_link_address *addresses;
	struct network_route *routes;
	struct network_neighbor *neighbors;
	size_t links_count, addresses_count, routes_count, neighbors_count;
};

enum network_part {
	NETWORK_LINKS = 1 << 0,
	NETWORK_ADDRESSES = 1 << 1,
	NETWORK_ROUTES = 1 << 2,
	NETWORK_NEIGHBORS = 1 << 3,
	NETWORK_ALL = (1 << 4) - 1,
};

/* Of the namespace that @fd (netlink_open()) is of. More than NETWORK_ITEMS_MAX of anything is
 * -E2BIG: no configuration, but a mistake. Leaf. */
#define NETWORK_ITEMS_MAX 4096
int network_read(int fd, unsigned int parts, struct network *ret);
/* One message of such an answer; what is none of the above is skipped. For network_read(), and
 * tests. */
int network_add_message(struct network *network, const struct nlmsghdr *message);
void network_done(struct network *network); /* safe on a zeroed one */
#define cleanup_network CLEANUP(network_done)

/* NULL: there is none. */
const struct network_link *network_find_name(const struct network *network, const char *name);
const struct network_link *network_find_index(const struct network *network, unsigned int index);

/* "aa:bb:…", or "" when there is none. */
void network_hw_text(const struct network_hw *hw, char ret[static NETWORK_HW_TEXT]);
int network_hw_parse(const char *text, struct network_hw *ret, struct error *err);
bool network_hw_equal(const struct network_hw *a, const struct network_hw *b);

/* "10.0.0.1", "10.0.0.1/24"; @mask, a number, is its prefix if it has none. Without either it is
 * one address. */
int network_address_parse(const char *text, const char *mask, struct network_address *ret,
			  struct error *err);
char *network_address_text(const struct network_address *a); /* without its prefix */
size_t network_address_size(const struct network_address *a);
bool network_address_equal(const struct network_address *a, const struct network_address *b);

/* RTM_NEWLINK of one that is there, whose flags in @mask become @set. */
void network_link_request(unsigned int index, unsigned int set, unsigned int mask,
			  struct netlink_request *ret);
/* RTM_NEWROUTE of the main table. One to the same place with the same metric is replaced, or
 * (@is_another) goes before it. */
void network_route_request(const struct network_route *route, bool is_another,
			   struct netlink_request *ret);
