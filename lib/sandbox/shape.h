/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/base/cleanup.h"

struct error;
struct hv_config;
struct hv_status;
struct sandbox_network;

/*
 * What a virtual machine is made of, as far as a saved state fits no other. Its shim writes it
 * down when the VM starts, and `checkpoint` puts it beside the state, with what has become of it by
 * then. Nothing in it is a path.
 */
#define SHAPE_VERSION 1
#define SHAPE_NAME "vm.json"
#define SHAPE_MAX_BYTES (64u << 10)

/* The files of a saved VM. Its state is a file, or with HV_FEATURE_SAVE_FILES a directory. */
#define SHAPE_STATE_NAME "vm.state"
#define SHAPE_DISK_NAME "disk.pack"

struct shape {
	uint32_t version;
	char *container;   /* its id, by which the guest knows it */
	char *kernel;	   /* release */
	char *hypervisor;  /* a driver's name; NULL: one that older versions know */
	char *accelerator; /* hv_accel_names */
	int arch;	   /* enum hv_arch; not said: the host's */
	uint32_t memory_mib, memory_max_mib;
	uint32_t vcpus, vcpus_max;
	/* What it was given later: pieces of memory in their order, and so many vcpus. */
	uint32_t *pieces_mib;
	size_t pieces_mib_count;
	uint32_t more_vcpus;
	char **nics; /* address of each interface; "": a spare one */
};
void shape_done(struct shape *shape);
#define cleanup_shape CLEANUP(shape_done)

void shape_of(const char *container, const char *hypervisor, const struct hv_config *config,
	      const struct sandbox_network *network, struct shape *ret);
char *shape_text(const struct shape *shape); /* free(3) it */
int shape_parse(const char *text, size_t len, struct shape *ret, struct error *err);

/* From and to the directory @dirfd. */
int shape_read(int dirfd, struct shape *ret, struct error *err);
int shape_write(int dirfd, const struct shape *shape, struct error *err);

/* How it has grown since. */
int shape_note_size(struct shape *shape, const struct hv_status *status, struct error *err);
/* Memory with what came later. */
uint32_t shape_memory_mib(const struct shape *shape);
