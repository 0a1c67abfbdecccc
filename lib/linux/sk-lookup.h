/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which listening socket a connection reaches, decided by a program of ours (bpf(2),
 * BPF_PROG_TYPE_SK_LOOKUP, Linux 5.9).
 */

/* Every TCP connection that is made to 127.0.0.1 in network namespace @netns_fd, whatever its port
 * and whoever else listens on it, reaches @listen_fd, a socket that listens there; getsockname(2)
 * of what is accepted gives the port. For as long as the descriptor that is returned is open, or
 * -errno. */
int sk_lookup_loopback(int netns_fd, int listen_fd);
