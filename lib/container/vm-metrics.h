/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct container;
struct metrics;

/* What carries a container, under Kata's names: its shim; of a sandbox's first one the virtual
 * machine monitor and virtiofsd as the host sees them, and what the guest's agent says. */
void vm_metrics_add_host(const struct container *c, struct metrics *m);
void vm_metrics_add_guest(const struct container *c, struct metrics *m, bool answers);
