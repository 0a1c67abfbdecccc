/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/builtin/arch.h"
#include "lib/base/wire.h"

struct error;
struct strbuf;

/*
 * A saved machine as a stream of bytes: a head (what it is, its version, the length and the sum of
 * what follows), the state of vcpus and devices as fields, and, unless that is a file of its own,
 * the memory: pieces that are not all zeroes, each behind its place and length, and an empty one at
 * the end. Numbers are little-endian. Whoever reads trusts none of it.
 */
#define STATE_VERSION 1
#define STATE_MAX_BYTES (16u << 20)

int state_write(int fd, bool has_memory, const struct strbuf *state, struct error *err);
int state_write_memory(int fd, const void *memory, uint64_t size, struct error *err);

/* From the position of @fd. -EBADMSG: no such stream, one of another version, or a damaged one.
 * free(3) *ret. */
int state_read(int fd, bool has_memory, char **ret, size_t *ret_len, struct error *err);
/* Into @memory, which is as new: all zeroes. */
int state_read_memory(int fd, void *memory, uint64_t size, struct error *err);

/* What the fields say. */
enum state_field {
	STATE_MEMORY_BYTES = 1,
	STATE_CHIP,
	STATE_SERIAL,
	STATE_VCPU,   /* each, in their order */
	STATE_WINDOW, /* each, in their order */
};

struct state {
	uint64_t memory_bytes;
	struct wire_field chip, serial; /* within what was parsed, as are the next */
	struct wire_field vcpus[ARCH_VCPUS_MAX];
	size_t vcpus_count;
	struct wire_field windows[ARCH_VIRTIO_MAX];
	size_t windows_count;
};

/* Pure. -EBADMSG. */
int state_parse(const void *data, size_t len, struct state *ret);
