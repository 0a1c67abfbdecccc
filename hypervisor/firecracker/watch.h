/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

/* The slots of hypervisor_firecracker for the owner of a VM (hypervisor.h). */
int fc_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	     struct hv_watch **ret, struct error *err);
void fc_unwatch(struct hv_watch *watch);
void fc_drain(struct hv_watch *watch);
bool fc_is_heard(const struct hv_watch *watch);
