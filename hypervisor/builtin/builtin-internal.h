/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor-internal.h"

/* For hypervisor/builtin/ and its tests. */

/* hypervisor_builtin's slots (hypervisor.h). */
int builtin_plan(const struct hv_config *config, char ***ret_argv, struct error *err);
int builtin_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
		  struct hv_watch **ret, struct error *err);
void builtin_unwatch(struct hv_watch *watch);
void builtin_drain(struct hv_watch *watch);
bool builtin_is_heard(const struct hv_watch *watch);
int builtin_query(const char *control, struct hv_status *ret, struct error *err);
int builtin_pause(const char *control, struct error *err);
int builtin_resume(const char *control, struct error *err);
int builtin_power_down(const char *control, struct error *err);
int builtin_quit(const char *control, struct error *err);
int builtin_plug(const char *control, const struct hv_disk *disk, struct error *err);
int builtin_unplug(const char *control, const char *id, struct error *err);
int builtin_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err);
int builtin_save(const char *control, enum hv_saved what, int fd, struct error *err);
int builtin_restore(const char *control, enum hv_saved what, int fd, struct error *err);
int builtin_metrics(const char *control, struct hv_metrics *ret, struct error *err);

#define BUILTIN_FEATURES                                                                           \
	(HV_FEATURE_CHANNEL_HYBRID | HV_FEATURE_DISKS | HV_FEATURE_NICS | HV_FEATURE_PAUSE |       \
	 HV_FEATURE_METRICS | HV_FEATURE_PLUG | HV_FEATURE_VIRTIOFS | HV_FEATURE_SERVES_FILES |    \
	 HV_FEATURE_SAVE | HV_FEATURE_MEMORY_FILE | HV_FEATURE_OTHER_DISKS |                       \
	 HV_FEATURE_DEAR_SLOTS)

/* Empty disks that others can take the place of; of a configuration that is valid. */
size_t builtin_spares(const struct hv_config *config);

/* The kernel's line: what this machine has not, then what every driver says. free(3) it. */
char *builtin_command_line(const struct hv_config *config);

/*
 * The VMM says one line on the socket that its owner watches when its guest runs, and one why it
 * ends; each is a word, and the latter's reason behind it.
 */
#define BUILTIN_READY "ready\n"
#define BUILTIN_END "end "
#define BUILTIN_LINE_MAX 256

/*
 * On its control socket a connection is one request, a line of words ("plug ID rw" with the disk's
 * descriptor, "unplug ID", "pause"), and the answer, lines up to its end: the first is "ok", or
 * BUILTIN_ERROR with an errno and a reason; then words with their values:
 *
 *	state running
 *	vcpus 1
 *	memory 536870912
 *	exits port 17		for each reason
 *	disk root 4096 0 1 0	id, bytes read and written, requests of each kind
 */
#define BUILTIN_SAVE_ALL "save all\n" /* these four come with a descriptor */
#define BUILTIN_SAVE_DEVICES "save devices\n"
#define BUILTIN_RESTORE_ALL "restore all\n"
#define BUILTIN_RESTORE_DEVICES "restore devices\n"
#define BUILTIN_OK "ok\n"
#define BUILTIN_ERROR "error "
#define BUILTIN_ANSWER_MAX 4096

/* What is asked with "query"; of its features and name nothing is answered. */
struct builtin_answer {
	struct hv_status status;
	struct hv_metrics metrics;
};
/* The lines behind the first. -EPROTO; what is not known is passed over. */
int builtin_answer_parse(const char *text, struct builtin_answer *ret);
