/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

/* The slots of hypervisor_cloud_hypervisor for the owner of a VM (hypervisor.h). */
int ch_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	     struct hv_watch **ret, struct error *err);
void ch_unwatch(struct hv_watch *watch);
void ch_drain(struct hv_watch *watch);
bool ch_is_heard(const struct hv_watch *watch);
