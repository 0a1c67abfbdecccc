/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

static void attach(struct driver *d, struct virtio_device *dev)
{
	const struct virtio_mmio_options options = {
		.device = dev,
		.memory = &d->mem,
		.loop = d->loop,
		.interrupt_fd = d->interrupt_fd,
	};

	assert_int_equal(virtio_mmio_new(&options, &d->mmio, NULL), 0);
}

void driver_init(struct driver *d, struct virtio_device *dev)
{
	*d = (struct driver){ .next_gpa = DRIVER_GPA };
	d->ram = mmap(NULL, DRIVER_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(d->ram, MAP_FAILED);
	/* Two regions that touch: a buffer may reach from one into the other. */
	assert_int_equal(guest_memory_add(&d->mem, DRIVER_GPA, DRIVER_MEMORY / 2, d->ram), 0);
	assert_int_equal(guest_memory_add(&d->mem, DRIVER_GPA + DRIVER_MEMORY / 2,
					  DRIVER_MEMORY / 2, d->ram + DRIVER_MEMORY / 2),
			 0);
	assert_int_equal(loop_new(&d->loop), 0);
	d->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	attach(d, dev);
}

void driver_done(struct driver *d)
{
	virtio_mmio_free(d->mmio);
	loop_free(d->loop);
	close(d->interrupt_fd);
	munmap(d->ram, DRIVER_MEMORY);
}

uint32_t driver_read(struct driver *d, uint64_t offset)
{
	uint32_t value;

	virtio_mmio_read(d->mmio, offset, &value, sizeof(value));
	return le32toh(value);
}

void driver_write(struct driver *d, uint64_t offset, uint32_t value)
{
	value = htole32(value);
	virtio_mmio_write(d->mmio, offset, &value, sizeof(value));
}

uint32_t driver_status(struct driver *d)
{
	return driver_read(d, VIRTIO_MMIO_STATUS);
}

uint64_t driver_alloc(struct driver *d, size_t size)
{
	uint64_t gpa = d->next_gpa;

	d->next_gpa += (size + 63) & ~(size_t)63;
	assert_true(d->next_gpa <= DRIVER_GPA + DRIVER_MEMORY);
	return gpa;
}

void *driver_at(const struct driver *d, uint64_t gpa)
{
	return d->ram + (gpa - DRIVER_GPA);
}

static void write_address(struct driver *d, uint64_t offset, uint64_t gpa)
{
	driver_write(d, offset, (uint32_t)gpa);
	driver_write(d, offset + 4, (uint32_t)(gpa >> 32));
}

static void set_up_queue(struct driver *d, unsigned int i)
{
	struct driver_queue *q = &d->queues[i];

	*q = (struct driver_queue){
		.desc = driver_alloc(d, DRIVER_QUEUE_SIZE * sizeof(struct vring_desc)),
		.avail = driver_alloc(d, 6 + 2 * DRIVER_QUEUE_SIZE),
		.used = driver_alloc(d, 6 + 8 * DRIVER_QUEUE_SIZE),
	};
	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, i);
	assert_true(driver_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX) >= DRIVER_QUEUE_SIZE);
	driver_write(d, VIRTIO_MMIO_QUEUE_NUM, DRIVER_QUEUE_SIZE);
	write_address(d, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	write_address(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, q->avail);
	write_address(d, VIRTIO_MMIO_QUEUE_USED_LOW, q->used);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void negotiate(struct driver *d, uint64_t features)
{
	uint64_t offered = 0;

	for (uint32_t page = 0; page < 2; page++) {
		driver_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, page);
		offered |= (uint64_t)driver_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32 * page;
	}
	d->features = offered & (features | 1ULL << VIRTIO_F_VERSION_1);
	for (uint32_t page = 0; page < 2; page++) {
		driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, page);
		driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(d->features >> 32 * page));
	}
}

void driver_start(struct driver *d, uint64_t features)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	driver_write(d, VIRTIO_MMIO_STATUS, status);
	driver_write(d, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_DRIVER);
	negotiate(d, features);
	driver_write(d, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_status(d), status);
	for (unsigned int i = 0; i < virtio_mmio_queues(d->mmio); i++)
		set_up_queue(d, i);
	driver_write(d, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(driver_status(d), status);
}

void driver_reset(struct driver *d)
{
	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_status(d), 0);
}

static void put_descriptors(struct vring_desc *table, uint16_t from, uint16_t mask,
			    const struct driver_buffer *buffers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t next = (uint16_t)(from + i + 1) & mask;
		uint16_t flags = (uint16_t)((buffers[i].is_written ? VRING_DESC_F_WRITE : 0) |
					    (i + 1 < count ? VRING_DESC_F_NEXT : 0));

		table[(from + i) & mask] = (struct vring_desc){
			.addr = htole64(buffers[i].gpa),
			.len = htole32(buffers[i].len),
			.flags = htole16(flags),
			.next = htole16(next),
		};
	}
}

static void make_available(struct driver *d, struct driver_queue *q, uint16_t head)
{
	struct vring_avail *avail = driver_at(d, q->avail);

	avail->ring[q->next_avail++ % DRIVER_QUEUE_SIZE] = htole16(head);
	avail->idx = htole16(q->next_avail);
}

uint16_t driver_add(struct driver *d, unsigned int queue, const struct driver_buffer *buffers,
		    size_t count)
{
	struct driver_queue *q = &d->queues[queue];
	uint16_t head = q->next_desc % DRIVER_QUEUE_SIZE;

	put_descriptors(driver_at(d, q->desc), head, DRIVER_QUEUE_SIZE - 1, buffers, count);
	q->next_desc = (uint16_t)(q->next_desc + count);
	make_available(d, q, head);
	return head;
}

uint16_t driver_add_indirect(struct driver *d, unsigned int queue,
			     const struct driver_buffer *buffers, size_t count)
{
	struct driver_queue *q = &d->queues[queue];
	uint16_t head = q->next_desc++ % DRIVER_QUEUE_SIZE;
	uint64_t table = driver_alloc(d, count * sizeof(struct vring_desc));

	put_descriptors(driver_at(d, table), 0, UINT16_MAX, buffers, count);
	((struct vring_desc *)driver_at(d, q->desc))[head] = (struct vring_desc){
		.addr = htole64(table),
		.len = htole32((uint32_t)(count * sizeof(struct vring_desc))),
		.flags = htole16(VRING_DESC_F_INDIRECT),
	};
	make_available(d, q, head);
	return head;
}

void driver_kick(struct driver *d, unsigned int queue)
{
	driver_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static void on_turn(void *ctx)
{
	*(bool *)ctx = true;
}

/* The loop runs timers after everything that is ready, and what that led to is ready the next
 * time. */
void driver_turn(struct driver *d)
{
	for (int i = 0; i < 4; i++) {
		bool is_done = false;

		loop_add_timer(d->loop, 0, on_turn, &is_done);
		assert_int_equal(loop_run_until(d->loop, &is_done, -1), 0);
	}
}

bool driver_take(struct driver *d, unsigned int queue, uint16_t *ret_head, uint32_t *ret_len)
{
	struct driver_queue *q = &d->queues[queue];
	const struct vring_used *used = driver_at(d, q->used);
	const struct vring_used_elem *e = &used->ring[q->next_used % DRIVER_QUEUE_SIZE];

	if (le16toh(used->idx) == q->next_used)
		return false;
	q->next_used++;
	if (ret_head)
		*ret_head = (uint16_t)le32toh(e->id);
	if (ret_len)
		*ret_len = le32toh(e->len);
	return true;
}

uint32_t driver_await(struct driver *d, unsigned int queue)
{
	uint32_t len;

	driver_turn(d);
	assert_true(driver_take(d, queue, NULL, &len));
	return len;
}

uint64_t driver_interrupts(struct driver *d)
{
	eventfd_t count = 0;

	if (eventfd_read(d->interrupt_fd, &count) < 0)
		assert_int_equal(errno, EAGAIN);
	return count;
}

void driver_move(struct driver *d, struct virtio_device *dev)
{
	cleanup_strbuf struct strbuf state = STRBUF_INIT;

	virtio_mmio_save(d->mmio, &state);
	virtio_mmio_free(d->mmio);
	attach(d, dev);
	assert_int_equal(virtio_mmio_restore(d->mmio, state.buf, state.len, NULL), 0);
}
