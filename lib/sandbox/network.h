/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"
#include "lib/net/join.h"
#include "lib/net/plan.h"

struct agent_client;
struct error;
struct oci_config;

/*
 * The network of a sandbox's virtual machine: what its network namespace holds (lib/net/plan.h), an
 * interface of the guest for each of its links, and what the agent is told of them.
 *
 * What is joined with what is written on the taps, in the namespace. So a later process, `start`,
 * finds it there, and nothing is left of it when the VMM ends.
 */

/* An interface of the guest by the tap behind it. */
struct sandbox_nic {
	const struct net_endpoint *endpoint; /* NULL: spare */
	unsigned int tap_index;
	struct network_hw tap_hw; /* a spare one's own address */
	enum {
		NIC_HAS_ADDRESS, /* the endpoint's: the guest's kernel knows it by that */
		NIC_HAS_NAME,	 /* the endpoint's, since it was told once */
		NIC_IS_NEW,	 /* it has the tap's address */
		NIC_IS_SETTLED,	 /* a spare one of a saved machine: nothing is to be done */
	} state;
};

struct sandbox_network {
	struct net_plan plan;
	struct sandbox_nic nics[HV_NICS_MAX];
	size_t nics_count;
	bool is_known; /* the guest has been told all of it */

	/* For the VMM, until it has them: */
	struct net_tap taps[HV_NICS_MAX];
	struct hv_nic hv_nics[HV_NICS_MAX];
};
void sandbox_network_done(struct sandbox_network *network); /* safe on a zeroed one */
#define cleanup_sandbox_network CLEANUP(sandbox_network_done)

/* A namespace that nobody else has a name for may be given links until `start`. A machine cannot be
 * given interfaces by then, so it has these from the beginning. */
#define SANDBOX_SPARE_NICS 2
/* Whether it may be: of a container that waits for `start`. Taking spare interfaces away costs each
 * start some milliseconds, so not for those of which it is known that nothing will come. Pure. */
bool sandbox_network_may_grow(const struct oci_config *config);

/* In the sandbox's namespace: makes taps for all of its links, or, when it has none, @spares; and
 * joins them. @has_vhost: where the host can, its kernel carries the packets. */
int sandbox_network_make(struct sandbox_network *network, size_t spares, bool has_vhost,
			 struct error *err);
/* The same for a saved machine, whose interfaces had these addresses, "" for those that were spare;
 * -EINVAL: links here have others. */
int sandbox_network_remake(struct sandbox_network *network, char *const *addresses, bool has_vhost,
			   struct error *err);
/* Before that: gives the guest's interfaces the addresses that every template of so many has. The
 * agent is told the links' own with the rest, by sandbox_network_tell(). */
int sandbox_network_use_template(struct sandbox_network *network, struct error *err);
/* Once the VMM has inherited the taps, or will not. */
void sandbox_network_close_taps(struct sandbox_network *network);

/* Tells the guest all of it. */
int sandbox_network_tell(const struct sandbox_network *network, struct agent_client *client,
			 struct error *err);

/* Later, over a netlink socket of the namespace: what it is now, joined with spare taps where it
 * has more links. is_known: there is nothing to tell; else sandbox_network_tell(), which takes
 * the interfaces that are still spare away, and sandbox_network_settle(). */
int sandbox_network_rescan(int fd, struct sandbox_network *ret, struct error *err);
int sandbox_network_settle(int fd, const struct sandbox_network *network, struct error *err);

/* Over such a socket, too: the address of each interface, as for sandbox_network_remake(). */
int sandbox_network_addresses(int fd, char ***ret, struct error *err);

/* Pure part of sandbox_network_remake(): the link of each interface, NULL for a spare one. */
int sandbox_network_assign(const struct net_plan *plan, char *const *addresses,
			   const struct net_endpoint *ret[static HV_NICS_MAX], struct error *err);

/* Pure part of sandbox_network_rescan(): who sits on which tap. Those without one are new; -ENOSPC:
 * there are more than spare taps. */
int sandbox_network_seat(const struct network *found, struct sandbox_network *network,
			 struct error *err);
