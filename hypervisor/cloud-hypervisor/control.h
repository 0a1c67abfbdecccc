/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

struct ch_ping;
struct error;

#define CH_FEATURES                                                                                \
	(HV_FEATURE_VIRTIOFS | HV_FEATURE_CHANNEL_HYBRID | HV_FEATURE_DISKS | HV_FEATURE_PAUSE |   \
	 HV_FEATURE_POWER_DOWN | HV_FEATURE_PLUG | HV_FEATURE_RESIZE_VCPUS |                       \
	 HV_FEATURE_RESIZE_MEMORY | HV_FEATURE_METRICS | HV_FEATURE_NICS | HV_FEATURE_PATHS |      \
	 HV_FEATURE_SAVE | HV_FEATURE_SAVE_FILES | HV_FEATURE_LOCKS)

/* @alive_fd: a pidfd of it, or -1. */
int ch_ping(const char *control, int alive_fd, struct ch_ping *ret, struct error *err);
/* Loads a saved machine by the request @body, in whose order its interfaces are @fds. */
int ch_load(const char *control, int alive_fd, const char *body, const int *fds, size_t fds_count,
	    struct error *err);

/* The slots of hypervisor_cloud_hypervisor that act on a running VM (hypervisor.h). */
int ch_query(const char *control, struct hv_status *ret, struct error *err);
int ch_pause(const char *control, struct error *err);
int ch_resume(const char *control, struct error *err);
int ch_power_down(const char *control, struct error *err);
int ch_quit(const char *control, struct error *err);
int ch_plug(const char *control, const struct hv_disk *disk, struct error *err);
int ch_unplug(const char *control, const char *id, struct error *err);
int ch_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err);
int ch_save(const char *control, enum hv_saved what, int fd, struct error *err);
int ch_restore(const char *control, enum hv_saved what, int fd, struct error *err);
int ch_metrics(const char *control, struct hv_metrics *ret, struct error *err);

/* What it calls a state, as one of ours. */
enum hv_state ch_state(const char *state);
