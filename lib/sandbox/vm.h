/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "hypervisor/hypervisor.h"

struct channel;
struct console;
struct error;
struct loop;
struct sandbox_machine;
struct sandbox_network;
struct sandbox_plan;
struct settings_vm;

/*
 * The sandbox's virtual machine as the shim owns it: the VMM and, with virtiofs, its daemon are
 * children of the shim and end with it; so do the agent channel and the console.
 */
struct vm {
	struct loop *loop;
	const char *dir; /* <state>/vm, borrowed */
	int journal_fd;	 /* <state>, borrowed */

	/* Chosen by vm_choose(). */
	struct guest_image guest;
	const struct hypervisor *driver;
	const struct settings_vm *settings; /* borrowed: parameters */
	const char *program; /* of the VMM, borrowed; NULL: the driver looks for one */
	enum hv_accel accel;
	enum hv_share share;
	enum hv_channel channel_kind;
	uint32_t tsc_khz; /* for a guest that has to be told */

	/* Running since vm_launch(). */
	struct channel *channel;
	struct console *console;
	struct hv_vm vmm;
	struct hv_vm virtiofsd;
	struct loop_source *watches[2];
	struct hv_watch *watch;
	bool has_ended; /* or its channel, or virtiofsd: the guest cannot go on */
	char reason[256], channel_reason[256];
	char guest_reason[100], watch_reason[256]; /* what the VMM said */

	void (*on_end)(void *ctx); /* once, from the loop */
	void *ctx;
};

/* Decides what this host and the guest image allow. @cache_dir: for the verdict on KVM. @settings,
 * which has to stay as @machine has, forces a choice, and before it $MOAT_GUEST, $MOAT_ACCEL (auto,
 * kvm, tcg) and $MOAT_SHARE (9p, virtiofs). */
int vm_choose(struct vm *vm, const char *cache_dir, const struct settings_vm *settings,
	      const struct sandbox_machine *machine, struct error *err);

/* Starts everything; the guest boots while the caller goes on. @shared_dir exists. */
int vm_launch(struct vm *vm, const char *id, const char *shared_dir,
	      const struct sandbox_plan *plan, const struct sandbox_network *network,
	      struct error *err);

/* In a sandbox's directory of SHIM_VM_DIR: where the VMM is reached by hypervisor.h's functions. */
#define VM_CONTROL_SOCKET "qmp.sock"

/* The VMM begins to end; vm_stop() waits until it has. */
void vm_kill(const struct vm *vm);
/* Ends everything; safe on a zeroed, half-made or ended one. */
void vm_stop(struct vm *vm);

/* Puts behind the message of @err why the VM ended, if it did, and what it printed last. */
void vm_explain(struct vm *vm, struct error *err);
