/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct container;
struct criu_options;
struct error;

/* Those of `checkpoint` and `restore` that would want less than a whole virtual machine. Options
 * that say what CRIU may save are true of a machine anyway. */
int vm_checkpoint_check(const struct criu_options *options, bool is_pre_dump, struct error *err);

/* Saves the container's virtual machine; it stays paused unless the options say that it goes on.
 * @freeze: the backend's. */
int vm_checkpoint(struct container *c, const struct criu_options *options,
		  int (*freeze)(struct container *c, bool frozen, struct error *err),
		  struct error *err);
