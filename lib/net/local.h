/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/net/plan.h"

/*
 * Connections from within the sandbox's network namespace to its own addresses: rootless engines
 * publish a port by connecting to the container from there. The addresses are the guest's now, and
 * so is who is connected to; it sees an address of the tap's as the other side, to which it needs a
 * route over the link, and a neighbour with the tap's hardware address.
 *
 * IPv4 only.
 */

/* Of the tap with this index; no other in its namespace has it. */
struct network_address net_local_source(unsigned int tap_index);
bool net_has_local(const struct net_endpoint *endpoint);

/* @fd: as for net_join(), after which it may be repeated. -errno: the guest is reached from outside
 * of the namespace alone. */
int net_lead_to_guest(int fd, const struct net_endpoint *endpoint, unsigned int tap_index);

/* Undoes it for an address of a link whose tap is gone; for any other it does nothing. */
void net_lead_back(int fd, const struct network_link_address *address);
