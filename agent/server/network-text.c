/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>

#include "agent/server/network.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

static bool is_default(const char *dest)
{
	return !dest || !*dest || streq(dest, "default");
}

/* Leaves @ret of family 0 for no text. */
static int parse_part(const char *text, const char *what, uint8_t family,
		      struct network_address *ret, struct error *err)
{
	int r;

	if (!text || !*text)
		return 0;
	r = network_address_parse(text, NULL, ret, err);
	if (r == 0 && ret->family != family)
		r = error_set(err, -EINVAL, "route %s '%.100s': of another family than it says",
			      what, text);
	return r;
}

int network_route_parse(const types_Route *route, unsigned int index, struct network_route *ret,
			struct error *err)
{
	struct network_route parsed = {
		.index = index,
		.family = route->family == types_IPFamily_v6 ? AF_INET6 : AF_INET,
		.scope = (uint8_t)route->scope,
		.flags = route->flags,
		.metric = route->metric,
		.mtu = route->mtu,
	};
	const char *dest = is_default(route->dest) ? NULL : route->dest;
	int r = parse_part(dest, "to", parsed.family, &parsed.dest, err);

	if (r == 0)
		r = parse_part(route->gateway, "by", parsed.family, &parsed.gateway, err);
	if (r == 0)
		r = parse_part(route->source, "from", parsed.family, &parsed.source, err);
	if (r == 0)
		*ret = parsed;
	return r;
}

static char *describe_address(const struct network_address *a)
{
	return a->family ? network_address_text(a) : NULL;
}

void network_route_describe(const struct network_route *route, types_Route *ret)
{
	cleanup_free char *dest = describe_address(&route->dest);

	*ret = (types_Route){
		.dest = dest ? xasprintf("%s/%u", dest, route->dest.prefix) : NULL,
		.gateway = describe_address(&route->gateway),
		.source = describe_address(&route->source),
		.scope = route->scope,
		.family = route->family == AF_INET6 ? types_IPFamily_v6 : types_IPFamily_v4,
		.flags = route->flags,
		.metric = route->metric,
		.mtu = route->mtu,
	};
}
