/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define HW_SIZE 6

/* The rest a guest's kernel gives itself, from its links and from what routers announce. */
static bool is_given(const struct network_address *a)
{
	if (a->flags & IFA_F_DADFAILED)
		return false;
	if (a->family == AF_INET)
		return a->scope != RT_SCOPE_HOST;
	return a->scope != RT_SCOPE_LINK && a->scope != RT_SCOPE_HOST && a->flags & IFA_F_PERMANENT;
}

static bool has_address(const struct network *network, const struct network_link *link)
{
	for (size_t i = 0; i < network->addresses_count; i++)
		if (network->addresses[i].index == link->index)
			return true;
	return false;
}

/* What a bridge's port receives is the bridge's; and a tap of ours is the guest's side of another
 * link. */
static bool is_joined(const struct network *network, const struct network_link *link)
{
	struct net_mark mark;

	if (net_mark_read(link, &mark) || link->flags & IFF_LOOPBACK || link->is_port ||
	    !has_address(network, link))
		return false;
	if (link->type == ARPHRD_ETHER && link->hw.size == HW_SIZE)
		return true;
	log_warning("network: link '%s' is no Ethernet: not in the virtual machine", link->name);
	return false;
}

static void add_addresses(const struct network *network, struct net_endpoint *e)
{
	for (size_t i = 0; i < network->addresses_count; i++) {
		const struct network_link_address *entry = &network->addresses[i];

		if (entry->index != e->index || !is_given(&entry->address))
			continue;
		e->addresses =
			xrealloc(e->addresses, e->addresses_count + 1, sizeof(*e->addresses));
		e->addresses[e->addresses_count++] = entry->address;
	}
}

static int add_endpoints(const struct network *network, struct net_plan *plan, struct error *err)
{
	for (size_t i = 0; i < network->links_count; i++) {
		const struct network_link *link = &network->links[i];
		struct net_endpoint *e = &plan->endpoints[plan->endpoints_count];

		if (!is_joined(network, link))
			continue;
		if (plan->endpoints_count == NET_ENDPOINTS_MAX)
			return error_set(err, -E2BIG, "link '%s': a virtual machine has at most %d",
					 link->name, NET_ENDPOINTS_MAX);
		*e = (struct net_endpoint){
			.index = link->index,
			.hw = link->hw,
			.mtu = link->mtu,
			.has_no_arp = link->flags & IFF_NOARP,
		};
		memcpy(e->name, link->name, sizeof(e->name));
		add_addresses(network, e);
		plan->endpoints_count++;
	}
	return 0;
}

/* Of the flags, all others are a state that the kernel found the route in. */
static void add_routes(const struct network *network, struct net_plan *plan)
{
	for (size_t i = 0; i < network->routes_count; i++) {
		struct network_route route = network->routes[i];

		if (route.protocol == RTPROT_KERNEL || route.protocol == RTPROT_RA ||
		    !net_plan_find(plan, route.index))
			continue;
		route.flags &= RTNH_F_ONLINK;
		plan->routes =
			xrealloc(plan->routes, plan->routes_count + 1, sizeof(*plan->routes));
		plan->routes[plan->routes_count++] = route;
	}
}

static void add_neighbors(const struct network *network, struct net_plan *plan)
{
	for (size_t i = 0; i < network->neighbors_count; i++) {
		if (!net_plan_find(plan, network->neighbors[i].index))
			continue;
		plan->neighbors = xrealloc(plan->neighbors, plan->neighbors_count + 1,
					   sizeof(*plan->neighbors));
		plan->neighbors[plan->neighbors_count++] = network->neighbors[i];
	}
}

int net_plan_make(const struct network *network, struct net_plan *ret, struct error *err)
{
	struct net_plan plan = { 0 };
	int r = add_endpoints(network, &plan, err);

	if (r < 0) {
		net_plan_done(&plan);
		return r;
	}
	add_routes(network, &plan);
	add_neighbors(network, &plan);
	*ret = plan;
	return 0;
}

void net_plan_done(struct net_plan *plan)
{
	for (size_t i = 0; i < plan->endpoints_count; i++)
		free(plan->endpoints[i].addresses);
	free(plan->routes);
	free(plan->neighbors);
	*plan = (struct net_plan){ 0 };
}

const struct net_endpoint *net_plan_find(const struct net_plan *plan, unsigned int index)
{
	for (size_t i = 0; i < plan->endpoints_count; i++)
		if (plan->endpoints[i].index == index)
			return &plan->endpoints[i];
	return NULL;
}

bool net_plan_is_twin(const struct net_plan *plan, const struct net_endpoint *endpoint)
{
	for (size_t i = 0; i < plan->endpoints_count; i++) {
		const struct net_endpoint *other = &plan->endpoints[i];

		if (other->index != endpoint->index && network_hw_equal(&other->hw, &endpoint->hw))
			return true;
	}
	return false;
}

/* --- as text ------------------------------------------------------------------------------ */

static void put_address(struct strbuf *sb, const char *word, const struct network_address *a,
			bool has_prefix)
{
	cleanup_free char *text = a->family ? network_address_text(a) : NULL;

	if (!text)
		return;
	strbuf_addf(sb, " %s%s%s", word, *word ? " " : "", text);
	if (has_prefix)
		strbuf_addf(sb, "/%u", a->prefix);
}

static void put_number(struct strbuf *sb, const char *word, uint32_t number)
{
	if (number)
		strbuf_addf(sb, " %s %u", word, number);
}

static void put_endpoint(struct strbuf *sb, const struct net_endpoint *e)
{
	char hw[NETWORK_HW_TEXT];

	network_hw_text(&e->hw, hw);
	strbuf_addf(sb, "%s link %s mtu %u%s\n", e->name, hw, e->mtu,
		    e->has_no_arp ? " noarp" : "");
	for (size_t i = 0; i < e->addresses_count; i++) {
		strbuf_addf(sb, "%s", e->name);
		put_address(sb, "address", &e->addresses[i], true);
		strbuf_addch(sb, '\n');
	}
}

static void put_route(struct strbuf *sb, const char *name, const struct network_route *route)
{
	strbuf_addf(sb, "%s route", name);
	if (!route->dest.family)
		strbuf_addf(sb, " default%s", route->family == AF_INET6 ? " inet6" : "");
	put_address(sb, "", &route->dest, true);
	put_address(sb, "via", &route->gateway, false);
	put_address(sb, "from", &route->source, false);
	put_number(sb, "scope", route->scope);
	put_number(sb, "metric", route->metric);
	put_number(sb, "mtu", route->mtu);
	put_number(sb, "flags", route->flags);
	strbuf_addch(sb, '\n');
}

static void put_neighbor(struct strbuf *sb, const char *name, const struct network_neighbor *n)
{
	char hw[NETWORK_HW_TEXT];

	network_hw_text(&n->hw, hw);
	strbuf_addf(sb, "%s neighbor", name);
	put_address(sb, "", &n->to, false);
	strbuf_addf(sb, " %s\n", hw);
}

char *net_plan_text(const struct net_plan *plan)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < plan->endpoints_count; i++)
		put_endpoint(&sb, &plan->endpoints[i]);
	for (size_t i = 0; i < plan->routes_count; i++) {
		const struct network_route *route = &plan->routes[i];

		put_route(&sb, net_plan_find(plan, route->index)->name, route);
	}
	for (size_t i = 0; i < plan->neighbors_count; i++) {
		const struct network_neighbor *n = &plan->neighbors[i];

		put_neighbor(&sb, net_plan_find(plan, n->index)->name, n);
	}
	return strbuf_steal(&sb);
}

/* Nobody gains by two networks that have one hash. */
uint64_t net_plan_hash(const struct net_plan *plan)
{
	cleanup_free char *text = net_plan_text(plan);

	return fnv1a(FNV1A_INIT, text, strlen(text));
}

/* --- marks -------------------------------------------------------------------------------- */

#define MARK_PREFIX "moat:"

void net_mark_text(const struct net_mark *mark, char ret[static NET_MARK_TEXT])
{
	(void)snprintf(ret, NET_MARK_TEXT, MARK_PREFIX "%" PRIu64 ":%s", mark->hash, mark->link);
}

bool net_mark_read(const struct network_link *tap, struct net_mark *ret)
{
	const char *text = str_after(tap->alias, MARK_PREFIX);
	const char *colon = text ? strchr(text, ':') : NULL;
	cleanup_free char *number = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;

	*ret = (struct net_mark){ .hash = 0 };
	if (!number || !streq(tap->kind, "tun") || strlen(colon + 1) >= sizeof(ret->link) ||
	    parse_u64(number, &ret->hash) < 0)
		return false;
	memcpy(ret->link, colon + 1, strlen(colon + 1));
	return true;
}

bool net_is_taken(const struct network *network, const char *link)
{
	struct net_mark mark;

	for (size_t i = 0; i < network->links_count; i++)
		if (net_mark_read(&network->links[i], &mark) && streq(mark.link, link))
			return true;
	return false;
}
