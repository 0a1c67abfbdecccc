/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

struct error;
struct message;

/*
 * A connection to a manager of units: the system's, or the user's own. Its private socket is tried
 * first, which needs no bus daemon, then the bus. We speak the protocol ourselves, because moat is
 * linked statically, and a library that is loaded brings a second C library with it.
 *
 * The manager takes us for who connected (SO_PEERCRED): a child that wants to be put into a unit
 * connects itself. Not for several threads.
 */
struct bus;

int bus_connect(bool is_users, struct bus **ret, struct error *err);
/* For tests: over a connected socket, which it takes. @has_daemon: a bus, no manager itself. */
int bus_connect_fd(int fd, bool has_daemon, struct bus **ret, struct error *err);
void bus_close(struct bus *bus);
DEFINE_CLEANUP(bus_close_p, struct bus *, bus_close)
#define cleanup_bus CLEANUP(bus_close_p)

/* Calls a method of the manager. An error that the manager answers is *ret_name (free(3) it; may be
 * NULL), its text in @err, and -EREMOTEIO. @ret_reply: message_done() it; may be NULL. */
int bus_call(struct bus *bus, const char *member, const char *signature, const struct strbuf *body,
	     struct message *ret_reply, char **ret_name, struct error *err);
/* The same for a method that queues a job; waits for the job's end. -EREMOTEIO too if the job's
 * result is not "done". */
int bus_call_job(struct bus *bus, const char *member, const char *signature,
		 const struct strbuf *body, char **ret_name, struct error *err);
