/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/base/loop.h"

/*
 * A descriptor behind a device, of which now this and now that is waited for, and at times nothing.
 * That is more than no events: epoll(7) goes on reporting a hang-up which nobody can do anything
 * about yet, and the loop would turn for it alone.
 */
struct backend {
	struct loop *loop;
	int fd; /* the device's own */
	loop_fd_fn fn;
	void *ctx;
	struct loop_source *source;
};

/* Waits for @events, and so for hang-ups, from now on. Errors of epoll's are as if nothing came. */
void backend_want(struct backend *backend, uint32_t events);
void backend_ignore(struct backend *backend);
