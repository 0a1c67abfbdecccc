/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Brings a link of this process's network namespace up ("lo" in a new one). 0 or -errno. */
int netdev_up(const char *name);

#define NETDEV_NAME_MAX 16 /* IFNAMSIZ, with its NUL */

/* Whether the kernel takes it as the name of a link; "%d" in it stands for a number. */
bool netdev_is_name(const char *name);

/* A network namespace: a socket of it (netlink_open()), and a descriptor of itself. */
struct netdev_home {
	int socket;
	int ns_fd;
};

/* A link on its way from one namespace to another. */
struct netdev_move {
	const struct netdev_home *from;
	const struct netdev_home *to;
	const char *name;
	const char *new_name; /* with "%d": the first free number there */
	bool is_up;	      /* once it is there */

	/* Results, the name when it has moved: */
	bool was_up;
	bool has_moved;
	char got_name[NETDEV_NAME_MAX];
};

/* Moves and renames it at once, so that no name is in the way; the kernel keeps its MTU and
 * hardware address. Then gives it back its permanent addresses of global scope, and sets its
 * state. -ENODEV: there is none called @name; -EEXIST: there is one called @new_name already. */
int netdev_move(struct netdev_move *move);
