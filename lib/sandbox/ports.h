/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct loop;

/*
 * What a program in the sandbox's network namespace on the host finds on 127.0.0.1 is what listens
 * there in the guest: engines forward ports so (`kubectl port-forward`). Connections are taken by
 * the shim whatever their port, and go to the agent by the channel.
 */
struct ports;

/* In the network namespace, with the rights to steer its connections and a /proc to name it.
 * -EADDRINUSE: somebody else listens in it, whose connections these are. */
int ports_open(struct ports **ret, struct error *err);
void ports_free(struct ports *ports);

/* Begins to answer. @address: the agent's, which has to stay, as has @dir_fd, where it is to be
 * dialled from. */
int ports_serve(struct ports *ports, struct loop *loop, const char *address, int dir_fd,
		struct error *err);
