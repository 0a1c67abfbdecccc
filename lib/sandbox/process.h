/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct agent_client;
struct error;
struct loop;
struct loop_source;
struct relay;

/*
 * A process in the guest as its shim stands for it on the host: its stdio flows through ours, the
 * signals sent to us reach it, and when it has ended and all its output is out, we have its exit
 * status. The container's init and an exec are the same from here.
 */
struct guest_process {
	struct loop *loop;
	struct agent_client *client;
	const char *container_id;
	const char *exec_id; /* the container's id for its init */
	bool has_terminal;
	int tty; /* whose size the guest's terminal follows, or -1; borrowed */

	int own[3];	   /* the caller's stdio as we use it, until a relay has it */
	int streams[3];	   /* connections to the guest, -1 once a relay has them */
	uint32_t ports[3]; /* by which the agent knows them; 0: none */
	struct relay *relays[3];

	bool has_exited;
	bool is_finished; /* exited, and the output is drained */
	bool is_lost;	  /* nobody can tell how it ended */
	char reason[300]; /* of that, when the agent gave one */
	int status;	  /* 0–255 */
	struct loop_source *drain_timer;
	unsigned long long drained, drained_at_exit;
};

#define GUEST_STATUS_LOST 255 /* what a shim exits with when it does not know */

/* p->client is the caller's to set before the guest is asked for anything. */
void guest_process_init(struct guest_process *p, struct loop *loop, const char *container_id,
			const char *exec_id, bool has_terminal);
void guest_process_done(struct guest_process *p);

/* Takes our standard streams, while there is a /proc to open them anew with. They stay what they
 * are. */
int guest_process_adopt(struct guest_process *p, struct error *err);

/* Connects its streams; p->ports go into the request that makes it. */
int guest_process_dial(struct guest_process *p, const char *address, struct error *err);

/* Begins to relay between the streams and what was adopted. */
void guest_process_relay(struct guest_process *p);

/* From here on p->is_finished will become true. */
int guest_process_wait(struct guest_process *p, struct error *err);

/* Signals that would end or stop this process, and SIGWINCH, become the guest process's. @tty: the
 * terminal whose size counts, or -1. Nothing is lost between this and the loop's running. */
int guest_process_take_signals(struct guest_process *p, int tty, struct error *err);

/* The guest's terminal takes the size of p->tty, if that has one. */
void guest_process_resize(struct guest_process *p);

/* Ends the waiting for a process that nobody can ask about any more. */
void guest_process_lose(struct guest_process *p);

/* Why the process is lost: the agent's reason, or that its VM ended. */
const char *guest_process_loss(const struct guest_process *p);
