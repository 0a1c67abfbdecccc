/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/virtio/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (2 * GUEST_MEMORY_ALIGN)
#define QUEUE_SIZE 8
#define POPS_MAX 64

static uint8_t ram[MEMORY] __attribute__((aligned(GUEST_MEMORY_ALIGN)));
static struct virtqueue_iovecs iovecs;

/* Every byte of it has to be there, and as many as it says. */
static void touch(const struct iovec *iov, unsigned int count, uint64_t bytes, size_t turn)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < count; i++) {
		volatile uint8_t *piece = iov[i].iov_base;

		if (!iov[i].iov_len || piece < ram || piece + iov[i].iov_len > ram + MEMORY)
			__builtin_trap();
		piece[turn % iov[i].iov_len] ^= (uint8_t)turn;
		sum += iov[i].iov_len;
	}
	if (sum != bytes)
		__builtin_trap();
}

/* Memory with rings in it: the descriptors at its begin, the available ring at 0x80 and the used
 * one at 0x100. It is changed by what is written into it as it is walked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_memory mem = { 0 };
	struct virtqueue vq = {
		.mem = &mem, .size = QUEUE_SIZE, .desc = 0, .avail = 0x80, .used = 0x100
	};
	struct virtqueue_chain chain;
	uint8_t copy[64];
	int r = 1;

	if (!size)
		return 0;
	vq.has_indirect = data[0] & 1;
	vq.has_event_idx = data[0] & 2;
	memset(ram, 0, sizeof(ram));
	memcpy(ram, data + 1, size - 1 < sizeof(ram) ? size - 1 : sizeof(ram));
	if (guest_memory_add(&mem, 0, MEMORY / 2, ram) < 0 ||
	    guest_memory_add(&mem, MEMORY / 2, MEMORY / 2, ram + MEMORY / 2) < 0 ||
	    virtqueue_start(&vq) < 0)
		abort();
	for (size_t turn = 0; turn < POPS_MAX && r > 0; turn++) {
		r = virtqueue_pop(&vq, &iovecs, &chain);
		if (r <= 0)
			break;
		touch(chain.readable, chain.readable_count, chain.readable_bytes, turn);
		touch(chain.writable, chain.writable_count, chain.writable_bytes, turn);
		(void)iovec_read(chain.readable, chain.readable_count, turn, copy, sizeof(copy));
		(void)iovec_write(chain.writable, chain.writable_count, turn, copy, sizeof(copy));
		virtqueue_push(&vq, chain.head, (uint32_t)chain.writable_bytes);
		(void)virtqueue_wants_interrupt(&vq);
	}
	if (r < 0 && (r != -EBADMSG || !vq.is_broken))
		__builtin_trap();
	return 0;
}
