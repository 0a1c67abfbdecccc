/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

struct error;
struct loop;

/*
 * A virtual machine in the process that runs it: memory, vcpus, and the devices of a struct
 * hv_config. One thread, that of the loop, owns it and serves the devices; the vcpus are
 * threads of their own.
 */
struct machine;

struct machine_options {
	const struct hv_config *config; /* for as long as machine_new() takes */
	struct loop *loop;
	int (*confine_vcpu)(struct error *err); /* called on each vcpu's thread; or NULL */
	/* From the loop. */
	void (*on_end)(void *ctx, const char *reason); /* once: the guest ends */
	void (*on_paused)(void *ctx);		       /* as machine_pause() asked */
	void *ctx;
};

/* Everything that takes a name or a right: files, /dev/kvm, memory. Descriptors of @config are the
 * machine's from success on. */
int machine_new(const struct machine_options *options, struct machine **ret, struct error *err);
/* The thread that serves files, if any are shared, with the rights of the caller. */
int machine_serve_files(struct machine *machine, int (*confine)(struct error *err),
			struct error *err);
/* The kernel into the memory unless one is restored, and the vcpus' threads; paused. */
int machine_load(struct machine *machine, struct error *err);
void machine_free(struct machine *machine); /* NULL is accepted; not once it serves files */

void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);
bool machine_is_paused(const struct machine *machine);

/* From the loop. @fd is owned from success on. -EEXIST; -ENOSPC: its slots are
 * full; -ENOTSUP: it has none. */
int machine_plug(struct machine *machine, const char *id, int fd, bool is_readonly,
		 struct error *err);
int machine_unplug(struct machine *machine, const char *id, struct error *err); /* -ENOENT */
/*
 * A paused machine as a stream (state.h); its devices leave the guest alone until it is resumed.
 * And the way back, into a machine that was loaded with config->is_restored and waits for that:
 * when it fails the machine is of no use. Neither returns before it is done.
 */
int machine_save(struct machine *machine, enum hv_saved what, int fd, struct error *err);
int machine_restore(struct machine *machine, enum hv_saved what, int fd, struct error *err);
bool machine_is_blank(const struct machine *machine);

void machine_measure(const struct machine *machine, struct hv_metrics *ret);
