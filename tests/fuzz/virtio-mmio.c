/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/virtio_mmio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/virtio/balloon.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "hypervisor/builtin/virtio/rng.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (4 * GUEST_MEMORY_ALIGN)

static uint8_t ram[MEMORY] __attribute__((aligned(GUEST_MEMORY_ALIGN)));

struct machine {
	struct guest_memory mem;
	struct loop *loop;
	int interrupt_fd;
};

static struct virtio_mmio *make_window(struct machine *m, bool is_balloon)
{
	const struct virtio_mmio_options options = {
		.device = is_balloon ? virtio_balloon_new() : virtio_rng_new(NULL),
		.memory = &m->mem,
		.loop = m->loop,
		.interrupt_fd = m->interrupt_fd,
	};
	struct virtio_mmio *window;

	if (virtio_mmio_new(&options, &window, NULL) < 0)
		abort();
	return window;
}

static void on_turn(void *ctx)
{
	*(bool *)ctx = true;
}

static void turn(struct machine *m)
{
	bool is_done = false;

	loop_add_timer(m->loop, 0, on_turn, &is_done);
	(void)loop_run_until(m->loop, &is_done, -1);
}

/* What was restored once can be saved, and restored again. */
static void restore_twice(struct machine *m, bool is_balloon, const uint8_t *data, size_t size)
{
	struct virtio_mmio *window = make_window(m, is_balloon);
	struct virtio_mmio *other = make_window(m, is_balloon);
	struct strbuf state = STRBUF_INIT;
	struct error err = ERROR_INIT;
	uint32_t status = 1;

	if (virtio_mmio_restore(window, data, size, &err) == 0) {
		virtio_mmio_save(window, &state);
		if (virtio_mmio_restore(other, state.buf, state.len, NULL) < 0)
			__builtin_trap();
		turn(m);
	} else {
		virtio_mmio_read(window, VIRTIO_MMIO_STATUS, &status, sizeof(status));
		if (!err.code || status)
			__builtin_trap();
	}
	strbuf_done(&state);
	virtio_mmio_free(other);
	virtio_mmio_free(window);
}

/* A saved window, after a byte that says of which device. Its memory is all rings that are full. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options quiet = { .program = "fuzz",
						  .level = LOG_LEVEL_ERROR,
						  .fd = -1 };
	struct machine m = { 0 };

	if (!size)
		return 0;
	log_setup(&quiet);
	memset(ram, 1, sizeof(ram));
	m.interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop_new(&m.loop) < 0 || guest_memory_add(&m.mem, 0, MEMORY, ram) < 0)
		abort();
	restore_twice(&m, data[0] & 1, data + 1, size - 1);
	loop_free(m.loop);
	close(m.interrupt_fd);
	return 0;
}
