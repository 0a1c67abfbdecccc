/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/proto/messages.h"
#include "lib/net/network.h"

struct error;

/* Routes in the words of the protocol and in those of rtnetlink(7). Pure. */

/* @index: of the link, or 0. */
int network_route_parse(const types_Route *route, unsigned int index, struct network_route *ret,
			struct error *err);
/* The result owns its texts; its device is left out. */
void network_route_describe(const struct network_route *route, types_Route *ret);
