/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/filter.h>

struct error;
struct filter_plan;
struct sync;

/* A seccomp filter in the process that is to have it. */

/* Takes what the caller sends; for a filter that was not there before the clone. */
int filter_receive(struct sync *sync, struct sock_fprog *ret, struct error *err);

/* From here on every system call may be refused, or wait for an agent. So nothing but write(2) and
 * read(2) is asked for, and a listener goes to the caller before anything else: a call that waits
 * for the agent before the agent has it would wait for ever. */
int filter_load(const struct filter_plan *plan, const struct sock_fprog *program, struct sync *sync,
		struct error *err);
