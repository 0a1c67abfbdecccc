/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

struct error;
struct fc_request;
struct fields;
struct fc_version;

/* Of what it could do besides: its guests have no power button on every architecture. */
#define FC_FEATURES                                                                                \
	(HV_FEATURE_CHANNEL_HYBRID | HV_FEATURE_DISKS | HV_FEATURE_PAUSE | HV_FEATURE_NICS |       \
	 HV_FEATURE_PATHS | HV_FEATURE_PLUG | HV_FEATURE_DEAR_SLOTS | HV_FEATURE_SAVE |            \
	 HV_FEATURE_SAVE_FILES | HV_FEATURE_SAVE_HANGS_UP | HV_FEATURE_METRICS)

/* While it is made; @alive_fd: its pidfd. */
int fc_ask_version(const char *control, int alive_fd, struct fc_version *ret, struct error *err);
int fc_put(const char *control, int alive_fd, const struct fc_request *request, struct error *err);

/* Of one that runs. */
int fc_ask(const char *control, const char *path, const struct fields *fields, void *result,
	   struct error *err);
int fc_patch(const char *control, const char *path, const char *body, struct error *err);

/* The slots of hypervisor_firecracker that act on a running VM (hypervisor.h). */
int fc_query(const char *control, struct hv_status *ret, struct error *err);
int fc_pause(const char *control, struct error *err);
int fc_resume(const char *control, struct error *err);
int fc_metrics(const char *control, struct hv_metrics *ret, struct error *err);
int fc_quit(const char *control, struct error *err);
int fc_save(const char *control, enum hv_saved what, int fd, struct error *err);
int fc_plug(const char *control, const struct hv_disk *disk, struct error *err);
int fc_unplug(const char *control, const char *id, struct error *err);
int fc_serial(const struct hv_disk *disk, char ret[HV_DISK_ID_MAX + 1], struct error *err);
int fc_restore(const char *control, enum hv_saved what, int fd, struct error *err);

/* What it calls a state, as one of ours. */
enum hv_state fc_state(const char *state);
