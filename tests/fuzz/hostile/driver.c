/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/hostile/driver.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define MEMORY (64u << 10)
#define QUEUE_SIZE 8
#define QUEUE_BYTES 0x400 /* a queue's rings, from address 0 on */
#define DATA 0x4000	  /* what chains are of */
#define PLACE 64
#define CHAIN_MAX 4

/* Two regions that touch. */
static uint8_t ram[MEMORY] __attribute__((aligned(GUEST_MEMORY_ALIGN)));

struct script {
	const uint8_t *at;
	size_t left;
};

struct machine {
	const struct hostile_device *device;
	struct guest_memory mem;
	struct loop *loop;
	int interrupt_fd;
	struct virtio_mmio *mmio;
	uint16_t next_desc[8], next_avail[8];
};

static int other_end = -1;

int hostile_other_end(void)
{
	return other_end;
}

void hostile_part(void)
{
	if (other_end >= 0)
		close(other_end);
	other_end = -1;
}

int hostile_join(int type)
{
	int fds[2], size = 4096; /* soon full */

	hostile_part();
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		abort();
	other_end = fds[1];
	return fds[0];
}

static uint8_t next8(struct script *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return *s->at++;
}

static uint16_t next16(struct script *s)
{
	uint16_t low = next8(s);

	return (uint16_t)(low | next8(s) << 8);
}

static uint32_t next32(struct script *s)
{
	uint32_t low = next16(s);

	return low | (uint32_t)next16(s) << 16;
}

/* At most @max bytes, as many as the next one says. */
static const uint8_t *next_bytes(struct script *s, size_t max, size_t *ret_len)
{
	size_t len = next8(s);
	const uint8_t *data;

	len = len < max ? len : max;
	len = len < s->left ? len : s->left;
	data = s->at;
	s->at += len;
	s->left -= len;
	*ret_len = len;
	return data;
}

static void write_register(struct machine *m, uint64_t offset, uint32_t value)
{
	value = htole32(value);
	virtio_mmio_write(m->mmio, offset, &value, sizeof(value));
}

static void on_turn(void *ctx)
{
	*(bool *)ctx = true;
}

static void turn(struct machine *m)
{
	for (int i = 0; i < 2; i++) {
		bool is_done = false;

		loop_add_timer(m->loop, 0, on_turn, &is_done);
		(void)loop_run_until(m->loop, &is_done, -1);
	}
}

static void attach(struct machine *m)
{
	const struct virtio_mmio_options options = {
		.device = m->device->make(),
		.memory = &m->mem,
		.loop = m->loop,
		.interrupt_fd = m->interrupt_fd,
	};

	if (virtio_mmio_new(&options, &m->mmio, NULL) < 0)
		abort();
}

/* As a driver does it, with those of the features. */
static void start(struct machine *m, uint32_t features)
{
	write_register(m, VIRTIO_MMIO_STATUS, 0);
	write_register(m, VIRTIO_MMIO_STATUS, 1);
	write_register(m, VIRTIO_MMIO_STATUS, 3);
	for (uint32_t page = 0; page < 2; page++) {
		uint32_t offered;

		write_register(m, VIRTIO_MMIO_DEVICE_FEATURES_SEL, page);
		virtio_mmio_read(m->mmio, VIRTIO_MMIO_DEVICE_FEATURES, &offered, sizeof(offered));
		write_register(m, VIRTIO_MMIO_DRIVER_FEATURES_SEL, page);
		write_register(m, VIRTIO_MMIO_DRIVER_FEATURES,
			       page ? le32toh(offered) : le32toh(offered) & features);
	}
	write_register(m, VIRTIO_MMIO_STATUS, 11);
	for (uint32_t i = 0; i < virtio_mmio_queues(m->mmio); i++) {
		memset(ram + i * QUEUE_BYTES, 0, QUEUE_BYTES);
		write_register(m, VIRTIO_MMIO_QUEUE_SEL, i);
		write_register(m, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
		write_register(m, VIRTIO_MMIO_QUEUE_DESC_LOW, i * QUEUE_BYTES);
		write_register(m, VIRTIO_MMIO_QUEUE_AVAIL_LOW, i * QUEUE_BYTES + 0x100);
		write_register(m, VIRTIO_MMIO_QUEUE_USED_LOW, i * QUEUE_BYTES + 0x200);
		write_register(m, VIRTIO_MMIO_QUEUE_READY, 1);
		m->next_desc[i] = 0;
		m->next_avail[i] = 0;
	}
	write_register(m, VIRTIO_MMIO_STATUS, 15);
}

/* --- Deeds ------------------------------------------------------------------------------------ */

static void poke(struct machine *m, struct script *s)
{
	size_t at = next16(s), len;
	const uint8_t *data = next_bytes(s, MEMORY - at, &len);

	memcpy(ram + at, data, len);
}

/* At one of the places that chains are of. */
static void prepare(struct machine *m, struct script *s)
{
	size_t at = DATA + next8(s) * PLACE, len;
	const uint8_t *data = next_bytes(s, 255, &len);

	memcpy(ram + at, data, len);
}

static void write_any(struct machine *m, struct script *s)
{
	uint64_t offset = next8(s) * 4u;
	uint32_t value = next32(s);

	write_register(m, offset, value);
}

/* Of any size, anywhere. */
static void access_any(struct machine *m, struct script *s)
{
	uint64_t offset = next16(s), value = 0;
	size_t size = next8(s) % 8 + 1;

	virtio_mmio_read(m->mmio, offset, &value, size);
	value ^= next32(s);
	virtio_mmio_write(m->mmio, offset, &value, size);
}

static void add_chain(struct machine *m, struct script *s)
{
	unsigned int queue = next8(s) % virtio_mmio_queues(m->mmio);
	unsigned int count = next8(s) % CHAIN_MAX + 1;
	uint8_t *rings = ram + queue * QUEUE_BYTES;
	struct vring_desc *descs = (struct vring_desc *)rings;
	struct vring_avail *avail = (struct vring_avail *)(rings + 0x100);

	avail->ring[m->next_avail[queue]++ % QUEUE_SIZE] =
		htole16(m->next_desc[queue] % QUEUE_SIZE);
	for (unsigned int i = 0; i < count; i++) {
		struct vring_desc *d = &descs[m->next_desc[queue]++ % QUEUE_SIZE];
		uint16_t flags = next8(s) & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);

		*d = (struct vring_desc){
			.addr = htole64(DATA + next8(s) * PLACE),
			.len = htole32(next16(s)),
			.flags = htole16(
				(uint16_t)(flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0))),
			.next = htole16(m->next_desc[queue] % QUEUE_SIZE),
		};
	}
	avail->idx = htole16(m->next_avail[queue]);
	write_register(m, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	turn(m);
}

static void kick(struct machine *m, struct script *s)
{
	write_register(m, VIRTIO_MMIO_QUEUE_NOTIFY, next8(s) % 8);
	turn(m);
}

static void act(struct machine *m, struct script *s)
{
	uint8_t what = next8(s);
	size_t len;
	const uint8_t *data = next_bytes(s, 255, &len);

	if (m->device->act)
		m->device->act(virtio_mmio_device(m->mmio), what, data, len);
	turn(m);
}

static void restart(struct machine *m, struct script *s)
{
	start(m, next32(s));
}

static void move(struct machine *m, struct script *s)
{
	struct strbuf state = STRBUF_INIT;
	size_t at = next16(s);
	uint8_t change = next8(s);

	virtio_mmio_save(m->mmio, &state);
	virtio_mmio_free(m->mmio);
	attach(m);
	state.buf[at % state.len] ^= (char)change;
	(void)virtio_mmio_restore(m->mmio, state.buf, state.len, NULL);
	strbuf_done(&state);
	turn(m);
}

static void (*const deeds[])(struct machine *m, struct script *s) = {
	add_chain, prepare, act, kick, write_any, access_any, poke, restart, move,
};

void hostile_run(const struct hostile_device *device, const uint8_t *data, size_t size)
{
	static const struct log_options quiet = { .program = "fuzz",
						  .level = LOG_LEVEL_ERROR,
						  .fd = -1 };
	struct script s = { data, size };
	struct machine m = { .device = device };

	log_setup(&quiet);
	memset(ram, 0, sizeof(ram));
	m.interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop_new(&m.loop) < 0 || guest_memory_add(&m.mem, 0, MEMORY / 2, ram) < 0 ||
	    guest_memory_add(&m.mem, MEMORY / 2, MEMORY / 2, ram + MEMORY / 2) < 0)
		abort();
	attach(&m);
	start(&m, UINT32_MAX);
	while (s.left)
		deeds[next8(&s) % ARRAY_SIZE(deeds)](&m, &s);
	turn(&m);
	virtio_mmio_free(m.mmio);
	if (device->end)
		device->end();
	hostile_part();
	loop_free(m.loop);
	close(m.interrupt_fd);
}
