/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "hypervisor/hypervisor.h"
#include "lib/sandbox/template-store.h"

struct channel;
struct console;
struct error;
struct loop;
struct sandbox_machine;
struct sandbox_network;
struct sandbox_plan;
struct settings_vm;
struct shape;

#define VM_REASON_MAX 256

/*
 * The sandbox's virtual machine as the shim owns it: the VMM and, with virtiofs, its daemon are
 * children of the shim and end with it; so do the agent channel and the console.
 */
struct vm {
	struct loop *loop;
	const char *dir; /* <state>/vm, borrowed */
	int journal_fd;	 /* <state>, borrowed; -1: what is said is not kept */

	const struct shape *shape; /* of a saved one, which this is to be; or NULL; borrowed */
	int saved_fd;		   /* and its state; borrowed */

	/* Chosen by vm_choose(). */
	struct guest_image guest;
	const struct hypervisor *driver;
	const struct settings_vm *settings; /* borrowed: parameters */
	const char *program; /* of the VMM, borrowed; NULL: the driver looks for one */
	enum hv_accel accel;
	enum hv_share share;
	enum hv_channel channel_kind;
	uint32_t tsc_khz; /* for a guest that has to be told */

	/* Found by template_find(); TEMPLATE_INIT: it boots. */
	struct template template;
	struct template_draft *draft; /* its memory is this one's, to become a template; or NULL */

	/* Running since vm_launch(). */
	struct channel *channel;
	struct console *console;
	struct hv_vm vmm;
	struct hv_vm virtiofsd;
	struct loop_source *watches[2];
	struct hv_watch *watch;
	int agent_fd; /* a connection to the agent that was made meanwhile, or -1 */
	bool is_restored;
	bool is_restoring; /* nobody is told that it ended, since another takes its place */
	bool has_ended;	   /* or its channel, or virtiofsd: the guest cannot go on */
	char reason[VM_REASON_MAX], files_reason[VM_REASON_MAX], channel_reason[256];
	char guest_reason[100], watch_reason[256]; /* what the VMM said */

	void (*on_end)(void *ctx); /* once, from the loop */
	void *ctx;
};

/* Decides what this host and the guest image allow. @cache_dir: for the verdict on KVM. @settings,
 * which has to stay as @machine has, forces a choice, and before it $MOAT_HYPERVISOR (a driver's
 * name or a program's path), $MOAT_GUEST, $MOAT_ACCEL (auto, kvm, tcg) and $MOAT_SHARE (9p,
 * virtiofs, none). */
int vm_choose(struct vm *vm, const char *cache_dir, const struct settings_vm *settings,
	      const struct sandbox_machine *machine, struct error *err);

/* Whether the same choice is to share no files. @program: config.json's VMM, or NULL. */
int vm_shares_nothing(const struct settings_vm *settings, const char *program, bool *ret,
		      struct error *err);

/* Of one that was chosen: whether its files are served by a daemon of their own. */
bool vm_has_virtiofsd(const struct vm *vm);

/* Whether @plan's machine gets room for disks of members: where it costs little, or there will be
 * members. */
bool vm_has_disk_slots(const struct vm *vm, const struct sandbox_plan *plan);

/* What a machine is started for; all borrowed. */
struct vm_use {
	const char *id;
	const char *shared_dir; /* which exists; NULL: nothing is shared */
	const struct sandbox_plan *plan;
	const struct sandbox_network *network;
};

/* Starts everything; the guest boots while the caller goes on. Of one with a template only the VMM
 * does, until vm_go_on(); if it cannot be started, that is a warning, and the guest boots. */
int vm_launch(struct vm *vm, const struct vm_use *use, struct error *err);

/* Its template's guest goes on, in which the agent answers by the time that this returns; if it
 * cannot, that is a warning, and the guest boots. Without a template it does nothing. */
int vm_go_on(struct vm *vm, const struct vm_use *use, struct error *err);

/* What a template of this machine would be of. -ENOTSUP: there can be none, since it is made of
 * something that is this container's alone. */
int vm_describe(const struct vm *vm, const struct sandbox_plan *plan, size_t nics_count,
		struct template_info *ret, struct error *err);

/* Makes the guest's memory and devices the draft's, and ends it. */
int vm_save(struct vm *vm, struct error *err);

/* The VMM begins to end; vm_stop() waits until it has. */
void vm_kill(const struct vm *vm);
/* Ends everything; safe on one that was chosen, half-made or ended one. */
void vm_stop(struct vm *vm);

/* Puts behind the message of @err why the VM ended, if it did, and what it printed last. */
void vm_explain(struct vm *vm, struct error *err);
