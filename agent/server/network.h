/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/proto/messages.h"
#include "lib/linux/netlink.h"

struct error;
struct ifinfomsg;

/* The words of the protocol and those of rtnetlink(7) for the same things. Pure. */

struct network_hw {
	unsigned char bytes[32];
	size_t size;
};
#define NETWORK_HW_TEXT (3 * 32 + 1)

struct network_link {
	unsigned int index;
	unsigned int flags; /* IFF_… */
	uint32_t mtu;
	char name[16];
	struct network_hw hw;
};

struct network_address {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix;
	uint8_t scope; /* RT_SCOPE_…, of one that was read */
	unsigned char bytes[16];
};

void network_link_read(const struct nlmsghdr *message, const struct ifinfomsg *info,
		       struct network_link *ret);

/* "aa:bb:…", or "" when there is none. */
void network_hw_text(const struct network_hw *hw, char ret[static NETWORK_HW_TEXT]);
int network_hw_parse(const char *text, struct network_hw *ret, struct error *err);

/* "10.0.0.1", "10.0.0.1/24"; @mask, a number, is its prefix if it has none. Without either it is
 * one address. */
int network_address_parse(const char *text, const char *mask, struct network_address *ret,
			  struct error *err);
char *network_address_text(const struct network_address *a); /* without its prefix */
size_t network_address_size(const struct network_address *a);
bool network_address_equal(const struct network_address *a, const struct network_address *b);
/* False for another family. */
bool network_address_read(const struct nlmsghdr *message, struct network_address *ret);

/* RTM_NEWROUTE of the main table. @index: of the link, or 0. */
int network_route_request(const types_Route *route, unsigned int index, struct netlink_request *ret,
			  struct error *err);
/* A unicast route of the main table: @ret owns its texts, its device is left out. False: another
 * one. */
bool network_route_read(const struct nlmsghdr *message, types_Route *ret, unsigned int *ret_index);
