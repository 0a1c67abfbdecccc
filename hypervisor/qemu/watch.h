/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

/* The slots of hypervisor_qemu for the owner of a VM (hypervisor.h). */
int qemu_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	       struct hv_watch **ret, struct error *err);
void qemu_unwatch(struct hv_watch *watch);
void qemu_drain(struct hv_watch *watch);
bool qemu_is_heard(const struct hv_watch *watch);
