/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/net/network.h"

struct error;

/*
 * What of a sandbox's network namespace its virtual machine gets. Pure.
 *
 * Every Ethernet link with an address becomes an interface of the guest, whoever made it: veth,
 * macvlan, ipvlan, a bridge, the tap of slirp4netns or pasta, hardware. Addresses that a link gives
 * itself, the guest's gives itself too.
 */
struct net_endpoint {
	unsigned int index;  /* of the link on the host */
	char name[IFNAMSIZ]; /* on both sides */
	struct network_hw hw;
	uint32_t mtu;
	bool has_no_arp;
	struct network_address *addresses;
	size_t addresses_count;
};
#define NET_ENDPOINTS_MAX 8

struct net_plan {
	struct net_endpoint endpoints[NET_ENDPOINTS_MAX];
	size_t endpoints_count;
	/* Of these endpoints, by their index; but for those that a kernel makes from addresses. */
	struct network_route *routes;
	size_t routes_count;
	struct network_neighbor *neighbors;
	size_t neighbors_count;
};

/* A link with an address that is no Ethernet is left out with a warning; more than
 * NET_ENDPOINTS_MAX are -E2BIG. */
int net_plan_make(const struct network *network, struct net_plan *ret, struct error *err);
void net_plan_done(struct net_plan *plan); /* safe on a zeroed one */
#define cleanup_net_plan CLEANUP(net_plan_done)

const struct net_endpoint *net_plan_find(const struct net_plan *plan, unsigned int index);
/* Whether another one has its hardware address too, as those of an ipvlan do. */
bool net_plan_is_twin(const struct net_plan *plan, const struct net_endpoint *endpoint);

/* All of it, a fact a line; equal texts are equal networks to a guest. free(3) it. */
char *net_plan_text(const struct net_plan *plan);
uint64_t net_plan_hash(const struct net_plan *plan);

/* Whether a tap of @network says that it is joined with @link by now. */
bool net_is_taken(const struct network *network, const char *link);

/* What is written on a tap, for whoever looks at the namespace later: the link that it is joined
 * with, and what the guest was last told of the whole network; "" and 0 while it is spare. */
struct net_mark {
	char link[IFNAMSIZ];
	uint64_t hash;
};
#define NET_MARK_TEXT 64
void net_mark_text(const struct net_mark *mark, char ret[static NET_MARK_TEXT]);
/* False: no tap of ours. */
bool net_mark_read(const struct network_link *tap, struct net_mark *ret);
