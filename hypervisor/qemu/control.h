/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

struct error;

/* The slots of hypervisor_qemu that act on a running VM (hypervisor.h). */
int qemu_query(const char *control, struct hv_status *ret, struct error *err);
int qemu_pause(const char *control, struct error *err);
int qemu_resume(const char *control, struct error *err);
int qemu_power_down(const char *control, struct error *err);
int qemu_quit(const char *control, struct error *err);
int qemu_plug(const char *control, const struct hv_disk *disk, struct error *err);
int qemu_unplug(const char *control, const char *id, struct error *err);
int qemu_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err);
int qemu_save(const char *control, enum hv_saved what, int fd, struct error *err);
int qemu_restore(const char *control, enum hv_saved what, int fd, struct error *err);
int qemu_metrics(const char *control, struct hv_metrics *ret, struct error *err);

/* What QEMU calls a state, as one of ours. */
enum hv_state qemu_state(const char *status);
