/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

struct arch_entry;
struct bus;
struct error;
struct kvm;
struct strbuf;

/*
 * All vcpus of a virtual machine, each a thread. They begin paused. Functions here are for the
 * thread that made them; the handlers are called by vcpus.
 */
struct vcpus;

struct vcpus_options {
	const struct bus *ports;
	const struct bus *mmio;
	/* First of all on each thread: gives up what it will not need. May be NULL. */
	int (*confine)(struct error *err);
	/* The guest cannot go on, or does not want to: "the guest reset itself". The vcpu that
	 * says so never runs again. */
	void (*on_end)(void *ctx, const char *reason);
	void (*on_paused)(void *ctx); /* all of them are, as by vcpus_pause() */
	void *ctx;
};

/* @entry: NULL when vcpus_restore() says where they are. */
int vcpus_new(const struct kvm *kvm, uint32_t count, const struct arch_entry *entry,
	      const struct vcpus_options *options, struct vcpus **ret, struct error *err);
/* Their threads are ended; one that waits in a handler is waited for. */
void vcpus_free(struct vcpus *vcpus);

/* Makes the threads, paused still: what is opened for them has to be there. */
int vcpus_start(struct vcpus *vcpus, struct error *err);
void vcpus_pause(struct vcpus *vcpus); /* asks for it, and on_paused() answers */
void vcpus_resume(struct vcpus *vcpus);

/* One of them, while all are paused (arch.h). */
int vcpus_save(const struct vcpus *vcpus, const struct kvm *kvm, uint32_t index, struct strbuf *out,
	       struct error *err);
int vcpus_restore(struct vcpus *vcpus, uint32_t index, const void *data, size_t len,
		  struct error *err);

/* What was counted up to now, of all of them together. */
void vcpus_exits(const struct vcpus *vcpus, uint64_t ret[static HV_EXIT_COUNT]);
