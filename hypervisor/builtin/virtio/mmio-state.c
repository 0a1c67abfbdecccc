/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/mmio.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "hypervisor/builtin/virtio/mmio-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

/* Numbers of fields in a saved window, and in a queue of it. New ones are added, none changes. */
enum window_field {
	WINDOW_ID = 1,
	WINDOW_STATUS,
	WINDOW_INTERRUPTS,
	WINDOW_GENERATION,
	WINDOW_FEATURES_PAGE,
	WINDOW_DRIVER_FEATURES_PAGE,
	WINDOW_QUEUE,
	WINDOW_DRIVER_FEATURES,
	WINDOW_NUMBERS, /* those before it */
	WINDOW_SETUP = WINDOW_NUMBERS,
	WINDOW_CONFIG, /* as far as the driver may write it */
	WINDOW_DEVICE,
};

enum setup_field {
	SETUP_SIZE = 1,
	SETUP_READY,
	SETUP_DESC,
	SETUP_AVAIL,
	SETUP_USED,
	SETUP_NEXT_AVAIL,
	SETUP_NEXT_USED,
	SETUP_NUMBERS,
};

struct saved {
	uint64_t window[WINDOW_NUMBERS];
	uint64_t setups[VIRTIO_QUEUES_MAX][SETUP_NUMBERS];
	unsigned int setups_count;
	struct wire_field config;
	struct wire_field device;
};

#define STATUS_KNOWN                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)

static void add_setup(const struct setup *setup, const struct virtqueue *vq, struct strbuf *out)
{
	const uint64_t numbers[SETUP_NUMBERS] = {
		[SETUP_SIZE] = setup->size,	   [SETUP_READY] = setup->is_ready,
		[SETUP_DESC] = setup->desc,	   [SETUP_AVAIL] = setup->avail,
		[SETUP_USED] = setup->used,	   [SETUP_NEXT_AVAIL] = vq->next_avail,
		[SETUP_NEXT_USED] = vq->next_used,
	};
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	for (uint32_t i = 1; i < SETUP_NUMBERS; i++)
		wire_add_varint(&text, i, numbers[i]);
	wire_add_bytes(out, WINDOW_SETUP, text.buf, text.len);
}

void virtio_mmio_save(struct virtio_mmio *m, struct strbuf *out)
{
	struct virtio_device *dev = m->dev;
	const uint64_t numbers[WINDOW_NUMBERS] = {
		[WINDOW_ID] = dev->ops->id,
		[WINDOW_STATUS] = m->status,
		[WINDOW_INTERRUPTS] = m->interrupt_status,
		[WINDOW_GENERATION] = m->generation,
		[WINDOW_FEATURES_PAGE] = m->features_page,
		[WINDOW_DRIVER_FEATURES_PAGE] = m->driver_features_page,
		[WINDOW_QUEUE] = m->queue,
		[WINDOW_DRIVER_FEATURES] = m->driver_features,
	};
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	for (uint32_t i = 1; i < WINDOW_NUMBERS; i++)
		wire_add_varint(out, i, numbers[i]);
	for (unsigned int i = 0; i < dev->ops->queues_count; i++)
		add_setup(&m->setups[i], &dev->queues[i], out);
	wire_add_bytes(out, WINDOW_CONFIG, dev->config + dev->config_writable_from,
		       dev->config_writable_to - dev->config_writable_from);
	if (dev->is_active && dev->ops->save)
		dev->ops->save(dev, &text);
	wire_add_bytes(out, WINDOW_DEVICE, text.buf ? text.buf : "", text.len);
}

static int parse_setup(const struct wire_field *from, uint64_t *ret)
{
	struct wire_reader reader = { from->data, from->data + from->len };
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0)
		if (f.type == WIRE_VARINT && f.number < SETUP_NUMBERS)
			ret[f.number] = f.value;
	return r;
}

static int take_field(const struct wire_field *f, struct saved *s)
{
	if (f->type == WIRE_VARINT && f->number < WINDOW_NUMBERS)
		s->window[f->number] = f->value;
	if (f->type != WIRE_BYTES)
		return 0;
	if (f->number == WINDOW_CONFIG)
		s->config = *f;
	if (f->number == WINDOW_DEVICE)
		s->device = *f;
	if (f->number != WINDOW_SETUP)
		return 0;
	if (s->setups_count == VIRTIO_QUEUES_MAX)
		return -EBADMSG;
	return parse_setup(f, s->setups[s->setups_count++]);
}

static int parse(const void *data, size_t len, struct saved *ret)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0) {
		r = take_field(&f, ret);
		if (r < 0)
			return r;
	}
	return r;
}

static bool has_all(uint64_t value, uint64_t bits)
{
	return (value & bits) == bits;
}

static bool is_ours(const struct virtio_mmio *m, const struct saved *s)
{
	const struct virtio_device *dev = m->dev;
	uint64_t features = s->window[WINDOW_DRIVER_FEATURES];
	uint64_t status = s->window[WINDOW_STATUS];

	if (s->window[WINDOW_ID] != dev->ops->id || (status & ~(uint64_t)STATUS_KNOWN) ||
	    s->setups_count != dev->ops->queues_count ||
	    s->config.len != dev->config_writable_to - dev->config_writable_from)
		return false;
	if ((status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((features & ~mmio_offered(m)) || !has_all(features, 1ULL << VIRTIO_F_VERSION_1)))
		return false;
	return !(status & VIRTIO_CONFIG_S_DRIVER_OK) ||
	       has_all(status, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER);
}

static bool put_setup(const struct virtio_mmio *m, const uint64_t *numbers, struct setup *setup,
		      uint16_t progress[2])
{
	if (numbers[SETUP_SIZE] > m->dev->ops->queue_size_max ||
	    numbers[SETUP_NEXT_AVAIL] > UINT16_MAX || numbers[SETUP_NEXT_USED] > UINT16_MAX)
		return false;
	*setup = (struct setup){
		.size = (uint16_t)numbers[SETUP_SIZE],
		.is_ready = numbers[SETUP_READY],
		.desc = numbers[SETUP_DESC],
		.avail = numbers[SETUP_AVAIL],
		.used = numbers[SETUP_USED],
	};
	progress[0] = (uint16_t)numbers[SETUP_NEXT_AVAIL];
	progress[1] = (uint16_t)numbers[SETUP_NEXT_USED];
	return true;
}

static void put_registers(struct virtio_mmio *m, const struct saved *s)
{
	m->status = (uint32_t)s->window[WINDOW_STATUS];
	m->interrupt_status = (uint32_t)s->window[WINDOW_INTERRUPTS];
	m->generation = (uint32_t)s->window[WINDOW_GENERATION];
	m->features_page = (uint32_t)s->window[WINDOW_FEATURES_PAGE];
	m->driver_features_page = (uint32_t)s->window[WINDOW_DRIVER_FEATURES_PAGE];
	m->queue = (uint32_t)s->window[WINDOW_QUEUE];
	m->driver_features = s->window[WINDOW_DRIVER_FEATURES];
	if (s->config.len)
		memcpy(m->dev->config + m->dev->config_writable_from, s->config.data,
		       s->config.len);
}

/* A queue may have got chains, and a device something for the guest, of which nobody heard. */
static void wake(struct virtio_mmio *m)
{
	for (unsigned int i = 0; i < m->dev->ops->queues_count; i++)
		(void)!eventfd_write(m->notifiers[i].fd, 1);
	if (m->interrupt_status)
		(void)!eventfd_write(m->interrupt_fd, 1);
}

void virtio_mmio_hold(struct virtio_mmio *m)
{
	m->dev->is_held = true;
}

void virtio_mmio_release(struct virtio_mmio *m)
{
	if (!m->dev->is_held)
		return;
	m->dev->is_held = false;
	wake(m);
}

static int go_on(struct virtio_mmio *m, const struct saved *s, const uint16_t (*progress)[2])
{
	const struct virtio_device_ops *ops = m->dev->ops;
	int r;

	if (!(m->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return 0;
	if (m->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		m->is_engaged = true;
		return 0;
	}
	r = mmio_engage(m, progress);
	if (r == 0 && ops->restore)
		r = ops->restore(m->dev, s->device.data, s->device.len);
	if (r == 0)
		wake(m);
	return r;
}

static int restore(struct virtio_mmio *m, const struct saved *s)
{
	uint16_t progress[VIRTIO_QUEUES_MAX][2] = { 0 };

	if (!is_ours(m, s))
		return -EBADMSG;
	for (unsigned int i = 0; i < s->setups_count; i++)
		if (!put_setup(m, s->setups[i], &m->setups[i], progress[i]))
			return -EBADMSG;
	pthread_mutex_lock(&m->lock);
	put_registers(m, s);
	pthread_mutex_unlock(&m->lock);
	return go_on(m, s, progress);
}

int virtio_mmio_restore(struct virtio_mmio *m, const void *data, size_t len, struct error *err)
{
	struct saved s = { 0 };

	if (parse(data, len, &s) == 0 && restore(m, &s) == 0)
		return 0;
	mmio_reset(m);
	return error_set(err, -EBADMSG, "restore virtio-%s: not the state of such a device",
			 m->dev->ops->name);
}
