/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/bus.h"
#include "hypervisor/builtin/kvm.h"
#include "hypervisor/builtin/machine.h"
#include "hypervisor/builtin/memory.h"

/* What making a machine (machine.c), saving and restoring it (machine-state.c) have in common. */

struct files;
struct loop_source;
struct serial;
struct vcpus;
struct virtio_mmio;

#define REASON_MAX 160

/* A device in its place, with the disk that it is, if it is one: a spare one has none at times. */
struct slot {
	struct virtio_mmio *window;
	int interrupt_fd;
	bool is_spare;
	char disk_id[HV_DISK_ID_MAX + 1];
};

struct machine {
	struct machine_options options;
	struct kvm kvm;

	uint64_t memory_bytes;
	char *host; /* all of it, in one piece */
	struct guest_memory memory;

	struct bus ports, mmio;
	struct arch_power_handler power;
	int console_fd, serial_fd;
	struct serial *serial;
	struct slot slots[ARCH_VIRTIO_MAX];
	size_t slots_count;
	struct files *files; /* NULL: nothing is shared */

	int kernel_fd, initrd_fd;
	char *command_line;
	uint32_t vcpus_count;
	struct vcpus *vcpus;
	bool is_pausing, is_paused;
	bool is_blank; /* it waits for a saved one's state */

	/* What vcpus tell the loop. */
	int end_fd, paused_fd;
	struct loop_source *ending, *pausing;
	pthread_mutex_t lock;
	char reason[REASON_MAX]; /* the first one */
};
