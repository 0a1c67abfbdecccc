/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/*
 * What caller, helper and init say to each other, over one socket pair that keeps message
 * boundaries. Each message has one direction and one meaning; whoever receives says which one it
 * waits for, and anything else is an error. An end of file is the other side's death, "init died
 * before 'ready'", and never a success.
 *
 * The caller sends in the order of this list, whenever it is done; init waits for each as late as
 * its own work allows.
 */
enum sync_message {
	SYNC_FAILED,  /* helper, init → caller: a struct error; the sender exits */
	SYNC_IDS_DUE, /* helper → caller: I am in a new user namespace, which has no mappings */
	SYNC_IDS_MAPPED, /* caller → helper: they are written */
	SYNC_CHILD,	 /* helper → caller: the pid of what it cloned, as the caller sees it */
	SYNC_RECORDED,	 /* caller → init: this is your pid there, and it is recorded */
	SYNC_CGROUP_DUE, /* init → caller: my cgroup namespace, if any, begins where I am: move me
			  * to the delegated cgroup below */
	SYNC_CGROUP_LEFT, /* caller → init: you are there */
	SYNC_HOOKS_DUE,	  /* init → caller: everything is mounted, the root not changed yet */
	SYNC_HOOKS_RUN,	  /* caller → init: go on */
	SYNC_FILTER,	  /* caller → init: your seccomp program, one descriptor */
	SYNC_LISTENER, /* init → caller: the filter is in force, and this descriptor of mine its
			 * listener */
	SYNC_LISTENER_TAKEN, /* caller → init: 1: the agent has it; 0: I may not take it, send it */
	SYNC_LISTENER_SENT, /* init → caller: that descriptor */
	SYNC_READY,	    /* init → caller: nothing but the start gate and execve(2) is left */
	SYNC_COUNT,
};

struct sync {
	int fd;
	const char *peer; /* who is at the other end, for messages: "init" */
	/* After a seccomp filter is in force: where no descriptor is sent, write(2) and read(2)
	 * only, which no profile can do without. Writing raises SIGPIPE when the caller is dead,
	 * and to die of that is right. */
	bool is_child;
};

/* The caller's end, and the one that helper and init inherit. */
int sync_pair(struct sync *caller, int *ret_child_fd, struct error *err);
void sync_close(struct sync *sync);

int sync_send(struct sync *sync, enum sync_message message, struct error *err);
/* A pid, or the number of a descriptor. */
int sync_send_number(struct sync *sync, enum sync_message message, int number, struct error *err);
int sync_send_fd(struct sync *sync, enum sync_message message, int fd, struct error *err);
/* Best effort: whoever should hear it may be gone. */
void sync_send_failure(struct sync *sync, const struct error *failure);

/* Waits for @message. A SYNC_FAILED that arrives instead is returned as the error it carries. */
int sync_wait(struct sync *sync, enum sync_message message, struct error *err);
int sync_wait_number(struct sync *sync, enum sync_message message, int *ret, struct error *err);
int sync_wait_fd(struct sync *sync, enum sync_message message, int *ret_fd, struct error *err);

/* After SYNC_READY of a process without a start gate: 0 once execve(2) has closed its end, or the
 * reason why it failed. */
int sync_wait_exec(struct sync *sync, struct error *err);
