/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The guest's memory as the host has it mapped: a table of regions. This is the only place that
 * turns an address of the guest's into a pointer of ours; whatever address and length the guest
 * names, what comes back lies within one region.
 *
 * The guest's vcpus go on while we look: whoever decides by a value reads it once, into a variable
 * of its own, and decides by that. Regions are added before vcpus run, or by the thread that serves
 * devices; none is ever taken away while there are devices, since queues keep pointers.
 */
#define GUEST_MEMORY_REGIONS_MAX 16
#define GUEST_MEMORY_ALIGN 4096

struct guest_memory_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host; /* borrowed; mapped for reading and writing */
};

struct guest_memory {
	struct guest_memory_region regions[GUEST_MEMORY_REGIONS_MAX];
	size_t count;
};

/* Address, size and pointer are multiples of GUEST_MEMORY_ALIGN. -EINVAL for what is not, is empty,
 * wraps around or overlaps another one; -ENOSPC. */
int guest_memory_add(struct guest_memory *mem, uint64_t gpa, uint64_t size, void *host);

/* NULL unless all of @len bytes, at least one, lie within one region. */
void *guest_memory_at(const struct guest_memory *mem, uint64_t gpa, uint64_t len);

/* The same for the first of @len bytes, and how many of them lie in that region: a buffer may reach
 * from one into the next. NULL and 0 when not even that one does. */
void *guest_memory_span(const struct guest_memory *mem, uint64_t gpa, uint64_t len,
			uint64_t *ret_len);

/* Copies over borders of regions. False, with nothing promised about what was copied, unless all of
 * it is memory; true for no bytes at all. */
bool guest_memory_read(const struct guest_memory *mem, uint64_t gpa, void *buf, size_t len);
bool guest_memory_write(const struct guest_memory *mem, uint64_t gpa, const void *data, size_t len);

/* Words in little endian, at once; false unless @gpa is a multiple of their size. */
bool guest_memory_read_u16(const struct guest_memory *mem, uint64_t gpa, uint16_t *ret);
bool guest_memory_read_u32(const struct guest_memory *mem, uint64_t gpa, uint32_t *ret);
bool guest_memory_read_u64(const struct guest_memory *mem, uint64_t gpa, uint64_t *ret);
bool guest_memory_write_u16(const struct guest_memory *mem, uint64_t gpa, uint16_t value);
bool guest_memory_write_u32(const struct guest_memory *mem, uint64_t gpa, uint32_t value);
bool guest_memory_write_u64(const struct guest_memory *mem, uint64_t gpa, uint64_t value);
