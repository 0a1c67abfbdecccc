/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct agent_client;
struct error;
struct loop;

/*
 * What a created container waits behind: a listening socket in the state directory. `start`
 * connects and asks; the shim starts the program through the agent and answers. The socket's file
 * exists for exactly as long as the program does not run, whoever is killed in between, so it also
 * tells "created" from "running".
 */
struct start_gate;

/* @listen_fd: the socket, owned from here on; it lies in @dir_fd as @name. That, @client, @id and
 * @name are borrowed until start_gate_free(); @client may be freed before or after it. */
int start_gate_open(struct loop *loop, struct agent_client *client, const char *id, int listen_fd,
		    int dir_fd, const char *name, struct start_gate **ret, struct error *err);
void start_gate_free(struct start_gate *gate); /* leaves the file as it is */

/* Tells whoever asks at this moment why nothing will be started any more. */
void start_gate_fail(struct start_gate *gate, const struct error *why);
