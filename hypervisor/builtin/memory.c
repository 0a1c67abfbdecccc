/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/memory.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

int guest_memory_add(struct guest_memory *mem, uint64_t gpa, uint64_t size, void *host)
{
	if (!size || !host || gpa + size < gpa ||
	    ((gpa | size | (uintptr_t)host) & (GUEST_MEMORY_ALIGN - 1)))
		return -EINVAL;
	for (size_t i = 0; i < mem->count; i++) {
		const struct guest_memory_region *r = &mem->regions[i];

		if (gpa < r->gpa + r->size && r->gpa < gpa + size)
			return -EINVAL;
	}
	if (mem->count == ARRAY_SIZE(mem->regions))
		return -ENOSPC;
	mem->regions[mem->count++] = (struct guest_memory_region){ gpa, size, host };
	return 0;
}

void *guest_memory_span(const struct guest_memory *mem, uint64_t gpa, uint64_t len,
			uint64_t *ret_len)
{
	*ret_len = 0;
	for (size_t i = 0; len && i < mem->count; i++) {
		const struct guest_memory_region *r = &mem->regions[i];
		uint64_t offset = gpa - r->gpa;

		/* One below the region has wrapped around to beyond it. */
		if (offset >= r->size)
			continue;
		*ret_len = len < r->size - offset ? len : r->size - offset;
		return r->host + offset;
	}
	return NULL;
}

void *guest_memory_at(const struct guest_memory *mem, uint64_t gpa, uint64_t len)
{
	uint64_t here;
	void *host = guest_memory_span(mem, gpa, len, &here);

	return here == len ? host : NULL;
}

bool guest_memory_read(const struct guest_memory *mem, uint64_t gpa, void *buf, size_t len)
{
	uint64_t here;

	for (uint8_t *to = buf; len; to += here, gpa += here, len -= here) {
		const void *from = guest_memory_span(mem, gpa, len, &here);

		if (!from)
			return false;
		memcpy(to, from, here);
	}
	return true;
}

bool guest_memory_write(const struct guest_memory *mem, uint64_t gpa, const void *data, size_t len)
{
	uint64_t here;

	for (const uint8_t *from = data; len; from += here, gpa += here, len -= here) {
		void *to = guest_memory_span(mem, gpa, len, &here);

		if (!to)
			return false;
		memcpy(to, from, here);
	}
	return true;
}

/* Regions are aligned on both sides, so what is aligned for the guest is so for us. */
static void *word_at(const struct guest_memory *mem, uint64_t gpa, size_t size)
{
	return gpa % size ? NULL : guest_memory_at(mem, gpa, size);
}

#define DEFINE_WORD(bits)                                                                          \
	bool guest_memory_read_u##bits(const struct guest_memory *mem, uint64_t gpa,               \
				       uint##bits##_t *ret)                                        \
	{                                                                                          \
		const uint##bits##_t *word = word_at(mem, gpa, sizeof(*word));                     \
                                                                                                   \
		if (word)                                                                          \
			*ret = le##bits##toh(__atomic_load_n(word, __ATOMIC_RELAXED));             \
		return word;                                                                       \
	}                                                                                          \
	bool guest_memory_write_u##bits(const struct guest_memory *mem, uint64_t gpa,              \
					uint##bits##_t value)                                      \
	{                                                                                          \
		uint##bits##_t *word = word_at(mem, gpa, sizeof(*word));                           \
                                                                                                   \
		if (word)                                                                          \
			__atomic_store_n(word, htole##bits(value), __ATOMIC_RELAXED);              \
		return word;                                                                       \
	}

DEFINE_WORD(16)
DEFINE_WORD(32)
DEFINE_WORD(64)
