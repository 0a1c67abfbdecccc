/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/mmio.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/mmio-internal.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x54414f4d /* "MOAT" */

static void kick(int fd)
{
	/* One that is full is as good: whoever waits for it is woken. */
	(void)!eventfd_write(fd, 1);
}

static void unkick(int fd)
{
	eventfd_t count;

	(void)!eventfd_read(fd, &count);
}

/* --- Errands --------------------------------------------------------------------------------- */

static void do_errand(struct virtio_mmio *m)
{
	struct errand errand;

	pthread_mutex_lock(&m->lock);
	errand = m->errand;
	pthread_mutex_unlock(&m->lock);
	if (!errand.run)
		return;
	errand.run(m, errand.value);
	pthread_mutex_lock(&m->lock);
	m->errand.run = NULL;
	m->errands_done++;
	pthread_cond_broadcast(&m->errand_done);
	pthread_mutex_unlock(&m->lock);
}

static void on_errand(void *ctx, int fd, uint32_t events)
{
	unkick(fd);
	do_errand(ctx);
}

/* The lock is held, and given up meanwhile. */
static void wait_for_errands(struct virtio_mmio *m)
{
	while (m->errand.run)
		pthread_cond_wait(&m->errand_done, &m->lock);
}

/* The same; when this returns it is done. */
static void send_errand(struct virtio_mmio *m, void (*run)(struct virtio_mmio *, uint32_t),
			uint32_t value)
{
	uint64_t number;

	wait_for_errands(m);
	m->errand = (struct errand){ run, value };
	number = ++m->errands_given;
	if (!m->is_threaded) {
		pthread_mutex_unlock(&m->lock);
		do_errand(m);
		pthread_mutex_lock(&m->lock);
		return;
	}
	kick(m->errand_fd);
	while (m->errands_done < number)
		pthread_cond_wait(&m->errand_done, &m->lock);
}

/* --- The device's side, on the loop's thread -------------------------------------------------- */

static void raise_interrupt(struct virtio_mmio *m, uint32_t why)
{
	pthread_mutex_lock(&m->lock);
	m->interrupt_status |= why;
	pthread_mutex_unlock(&m->lock);
	kick(m->interrupt_fd);
}

static void interrupt(struct virtio_device *dev)
{
	raise_interrupt(dev->transport_ctx, VIRTIO_MMIO_INT_VRING);
}

static void change_config(struct virtio_device *dev, size_t offset, const void *data, size_t len)
{
	struct virtio_mmio *m = dev->transport_ctx;
	bool is_told;

	assert(offset + len <= dev->config_size);
	pthread_mutex_lock(&m->lock);
	memcpy(dev->config + offset, data, len);
	m->generation++;
	is_told = m->status & VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&m->lock);
	if (is_told)
		raise_interrupt(m, VIRTIO_MMIO_INT_CONFIG);
}

static void again(struct virtio_device *dev, unsigned int queue)
{
	struct virtio_mmio *m = dev->transport_ctx;

	kick(m->notifiers[queue].fd);
}

static void disengage(struct virtio_mmio *m)
{
	struct virtio_device *dev = m->dev;

	loop_remove(m->failure);
	m->failure = NULL;
	for (unsigned int i = 0; i < dev->ops->queues_count; i++) {
		loop_remove(m->notifiers[i].source);
		m->notifiers[i].source = NULL;
		virtqueue_stop(&dev->queues[i]);
	}
	if (dev->is_active)
		dev->ops->reset(dev);
	dev->is_active = false;
}

static void on_failure(void *ctx)
{
	struct virtio_mmio *m = ctx;

	m->failure = NULL; /* a timer removes itself */
	disengage(m);
}

/* The device itself is in the middle of something, and hears of it afterwards. */
static void fail(struct virtio_device *dev, const char *reason)
{
	struct virtio_mmio *m = dev->transport_ctx;

	if (m->failure)
		return;
	m->failure = loop_add_timer(m->loop, 0, on_failure, m);
	/* A guest that does so again and again fills no log. */
	if (!dev->metrics.failures++)
		log_warning("virtio-%s: its driver has to reset it: %s", dev->ops->name, reason);
	pthread_mutex_lock(&m->lock);
	m->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	pthread_mutex_unlock(&m->lock);
	raise_interrupt(m, VIRTIO_MMIO_INT_CONFIG);
}

static const struct virtio_transport_ops transport = { interrupt, change_config, fail, again };

static void on_notify(void *ctx, int fd, uint32_t events)
{
	struct notifier *n = ctx;
	struct virtio_device *dev = n->mmio->dev;

	unkick(fd);
	if (n->mmio->failure)
		return;
	dev->metrics.notifications++;
	dev->ops->notify(dev, n->queue);
}

/* --- Activation and reset, on the loop's thread ----------------------------------------------- */

static int start_queue(struct virtio_mmio *m, unsigned int i, const uint16_t progress[2])
{
	const struct setup *setup = &m->setups[i];
	struct virtqueue *vq = &m->dev->queues[i];
	int r;

	*vq = (struct virtqueue){
		.mem = m->dev->mem,
		.size = setup->size,
		.desc = setup->desc,
		.avail = setup->avail,
		.used = setup->used,
		.has_event_idx = m->driver_features >> VIRTIO_RING_F_EVENT_IDX & 1,
		.has_indirect = m->driver_features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
		.next_avail = progress[0],
		.next_used = progress[1],
	};
	if (!setup->is_ready)
		return 0;
	r = virtqueue_start(vq);
	if (r < 0)
		return r;
	return loop_add_fd(m->loop, m->notifiers[i].fd, EPOLLIN, on_notify, &m->notifiers[i],
			   &m->notifiers[i].source);
}

int mmio_engage(struct virtio_mmio *m, const uint16_t (*progress)[2])
{
	static const uint16_t zeroes[2];
	struct virtio_device *dev = m->dev;
	int r;

	pthread_mutex_lock(&m->lock);
	m->is_engaged = true;
	m->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&m->lock);
	dev->driver_features = m->driver_features;
	for (unsigned int i = 0; i < dev->ops->queues_count; i++) {
		r = start_queue(m, i, progress ? progress[i] : zeroes);
		if (r < 0)
			return r;
	}
	dev->is_active = true;
	return dev->ops->activate(dev);
}

static void do_activate(struct virtio_mmio *m, uint32_t status)
{
	/* Another vcpu may have been faster. */
	if (!m->is_engaged && mmio_engage(m, NULL) < 0)
		fail(m->dev, "a queue that cannot be one, or a device that cannot begin");
}

void mmio_reset(struct virtio_mmio *m)
{
	disengage(m);
	pthread_mutex_lock(&m->lock);
	m->is_engaged = false;
	m->status = 0;
	m->interrupt_status = 0;
	m->features_page = 0;
	m->driver_features_page = 0;
	m->queue = 0;
	m->driver_features = 0;
	memset(m->setups, 0, sizeof(m->setups));
	pthread_mutex_unlock(&m->lock);
}

static void do_reset(struct virtio_mmio *m, uint32_t status)
{
	mmio_reset(m);
}

static void do_write_config(struct virtio_mmio *m, uint32_t unused)
{
	uint8_t config[VIRTIO_CONFIG_MAX];

	if (!m->dev->is_active || m->failure)
		return;
	pthread_mutex_lock(&m->lock);
	memcpy(config, m->dev->config, sizeof(config));
	pthread_mutex_unlock(&m->lock);
	m->dev->ops->write_config(m->dev, config);
}

/* --- Registers, under the lock ---------------------------------------------------------------- */

static struct setup *selected(struct virtio_mmio *m)
{
	return m->queue < m->dev->ops->queues_count ? &m->setups[m->queue] : NULL;
}

static bool accept_features(const struct virtio_mmio *m)
{
	return !(m->driver_features & ~mmio_offered(m)) &&
	       m->driver_features >> VIRTIO_F_VERSION_1 & 1;
}

static bool accept_always(const struct virtio_mmio *m)
{
	return true;
}

/* The steps of a driver (VIRTIO 1.2, 3.1.1), in their order. DRIVER_OK is an errand. */
static const struct {
	uint32_t bit;
	uint32_t after;
	bool (*accept)(const struct virtio_mmio *m);
} steps[] = {
	{ VIRTIO_CONFIG_S_ACKNOWLEDGE, 0, accept_always },
	{ VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE, accept_always },
	{ VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER, accept_features },
	{ VIRTIO_CONFIG_S_FAILED, 0, accept_always },
};

static bool has_status(const struct virtio_mmio *m, uint32_t with, uint32_t without)
{
	return (m->status & with) == with &&
	       !(m->status & (without | VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET));
}

static void write_status(struct virtio_mmio *m, uint32_t value)
{
	wait_for_errands(m);
	if (!value) {
		send_errand(m, do_reset, 0);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if ((value & steps[i].bit) && (m->status & steps[i].after) == steps[i].after &&
		    steps[i].accept(m))
			m->status |= steps[i].bit;
	if ((value & VIRTIO_CONFIG_S_DRIVER_OK) && !m->is_engaged &&
	    has_status(m, VIRTIO_CONFIG_S_FEATURES_OK, 0))
		send_errand(m, do_activate, 0);
}

static void set_half(uint64_t *word, bool is_high, uint32_t value)
{
	*word = is_high ? (*word & UINT32_MAX) | (uint64_t)value << 32
			: (*word & ~(uint64_t)UINT32_MAX) | value;
}

static void write_driver_features(struct virtio_mmio *m, uint32_t value)
{
	if (m->driver_features_page < 2)
		set_half(&m->driver_features, m->driver_features_page, value);
}

static void write_features_page(struct virtio_mmio *m, uint32_t value)
{
	m->features_page = value;
}

static void write_driver_features_page(struct virtio_mmio *m, uint32_t value)
{
	m->driver_features_page = value;
}

static void write_queue(struct virtio_mmio *m, uint32_t value)
{
	m->queue = value;
}

static void write_queue_size(struct virtio_mmio *m, uint32_t value)
{
	/* What it cannot be is found out by virtqueue_start(). */
	selected(m)->size = value <= m->dev->ops->queue_size_max ? (uint16_t)value : 0;
}

static void write_ready(struct virtio_mmio *m, uint32_t value)
{
	selected(m)->is_ready = value & 1;
}

static void write_notify(struct virtio_mmio *m, uint32_t value)
{
	if (value < m->dev->ops->queues_count)
		kick(m->notifiers[value].fd);
}

static void write_ack(struct virtio_mmio *m, uint32_t value)
{
	m->interrupt_status &= ~value;
}

/* When a register can be written. */
enum phase { PHASE_ALL, PHASE_FEATURES, PHASE_QUEUE, PHASE_QUEUE_FIELDS };

static const struct {
	uint16_t offset;
	enum phase phase;
	void (*write)(struct virtio_mmio *m, uint32_t value);
} registers[] = {
	{ VIRTIO_MMIO_DEVICE_FEATURES_SEL, PHASE_ALL, write_features_page },
	{ VIRTIO_MMIO_DRIVER_FEATURES, PHASE_FEATURES, write_driver_features },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, PHASE_ALL, write_driver_features_page },
	{ VIRTIO_MMIO_QUEUE_SEL, PHASE_ALL, write_queue },
	{ VIRTIO_MMIO_QUEUE_NUM, PHASE_QUEUE_FIELDS, write_queue_size },
	{ VIRTIO_MMIO_QUEUE_READY, PHASE_QUEUE, write_ready },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, PHASE_ALL, write_notify },
	{ VIRTIO_MMIO_INTERRUPT_ACK, PHASE_ALL, write_ack },
	{ VIRTIO_MMIO_STATUS, PHASE_ALL, write_status },
};

static bool is_phase(struct virtio_mmio *m, enum phase phase)
{
	const struct setup *setup = selected(m);
	bool is_queue = setup && !m->is_engaged && has_status(m, VIRTIO_CONFIG_S_FEATURES_OK, 0);

	switch (phase) {
	case PHASE_ALL:
		return true;
	case PHASE_FEATURES:
		return has_status(m, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_FEATURES_OK);
	case PHASE_QUEUE:
		return is_queue;
	case PHASE_QUEUE_FIELDS:
		return is_queue && !setup->is_ready;
	}
	return false;
}

/* Where a queue's rings are; the register behind each has the upper half. */
static const struct {
	uint16_t offset;
	size_t field;
} addresses[] = {
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, offsetof(struct setup, desc) },
	{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, offsetof(struct setup, avail) },
	{ VIRTIO_MMIO_QUEUE_USED_LOW, offsetof(struct setup, used) },
};

static void write_address(struct virtio_mmio *m, uint64_t offset, uint32_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		uint64_t half = offset - addresses[i].offset;

		if (half == 0 || half == sizeof(value))
			set_half((uint64_t *)((char *)selected(m) + addresses[i].field), half,
				 value);
	}
}

static void write_register(struct virtio_mmio *m, uint64_t offset, uint32_t value)
{
	if (is_phase(m, PHASE_QUEUE_FIELDS))
		write_address(m, offset, value);
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		if (registers[i].offset != offset)
			continue;
		if (is_phase(m, registers[i].phase))
			registers[i].write(m, value);
		return;
	}
}

static uint32_t read_register(struct virtio_mmio *m, uint64_t offset)
{
	const struct setup *setup = selected(m);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return m->dev->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return m->features_page < 2 ? (uint32_t)(mmio_offered(m) >> 32 * m->features_page)
					    : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return setup ? m->dev->ops->queue_size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return setup && setup->is_ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return m->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return m->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return m->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* there is no such region */
	}
	return 0;
}

static void read_config(const struct virtio_mmio *m, uint64_t offset, uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = offset + i < m->dev->config_size ? m->dev->config[offset + i] : 0;
}

static void write_config(struct virtio_mmio *m, uint64_t offset, const uint8_t *data, size_t size)
{
	struct virtio_device *dev = m->dev;

	if (offset < dev->config_writable_from || offset + size > dev->config_writable_to)
		return;
	memcpy(dev->config + offset, data, size);
	if (dev->ops->write_config && m->is_engaged)
		send_errand(m, do_write_config, 0);
}

void virtio_mmio_read(struct virtio_mmio *m, uint64_t offset, void *data, size_t size)
{
	uint32_t value;

	memset(data, 0, size);
	pthread_mutex_lock(&m->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		read_config(m, offset - VIRTIO_MMIO_CONFIG, data, size);
	} else if (size == sizeof(value)) {
		value = htole32(read_register(m, offset));
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&m->lock);
}

void virtio_mmio_write(struct virtio_mmio *m, uint64_t offset, const void *data, size_t size)
{
	uint32_t value;

	pthread_mutex_lock(&m->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		write_config(m, offset - VIRTIO_MMIO_CONFIG, data, size);
	} else if (size == sizeof(value)) {
		memcpy(&value, data, sizeof(value));
		write_register(m, offset, le32toh(value));
	}
	pthread_mutex_unlock(&m->lock);
}

/* --- Life ------------------------------------------------------------------------------------- */

static int open_descriptors(struct virtio_mmio *m)
{
	for (unsigned int i = 0; i < m->dev->ops->queues_count; i++) {
		m->notifiers[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (m->notifiers[i].fd < 0)
			return -errno;
	}
	m->errand_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->errand_fd < 0)
		return -errno;
	return loop_add_fd(m->loop, m->errand_fd, EPOLLIN, on_errand, m, &m->errand_source);
}

static void close_descriptors(struct virtio_mmio *m)
{
	loop_remove(m->errand_source);
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		if (m->notifiers[i].fd >= 0)
			close(m->notifiers[i].fd);
	if (m->errand_fd >= 0)
		close(m->errand_fd);
}

static void free_window(struct virtio_mmio *m)
{
	close_descriptors(m);
	pthread_cond_destroy(&m->errand_done);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

int virtio_mmio_new(const struct virtio_mmio_options *options, struct virtio_mmio **ret,
		    struct error *err)
{
	struct virtio_device *dev = options->device;
	struct virtio_mmio *m = xcalloc(1, sizeof(*m));
	int r;

	assert(dev->ops->queues_count <= VIRTIO_QUEUES_MAX &&
	       dev->config_size <= VIRTIO_CONFIG_MAX);
	m->dev = dev;
	m->loop = options->loop;
	m->interrupt_fd = options->interrupt_fd;
	m->is_threaded = options->is_threaded;
	m->errand_fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->errand_done, NULL);
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		m->notifiers[i] = (struct notifier){ .mmio = m, .queue = i, .fd = -1 };
	r = open_descriptors(m);
	if (r < 0) {
		free_window(m);
		return error_sys(err, r, "open descriptors of virtio-%s", dev->ops->name);
	}
	dev->mem = options->memory;
	dev->loop = options->loop;
	dev->transport = &transport;
	dev->transport_ctx = m;
	*ret = m;
	return 0;
}

void virtio_mmio_free(struct virtio_mmio *m)
{
	if (!m)
		return;
	disengage(m);
	virtio_device_free(m->dev);
	free_window(m);
}

struct virtio_device *virtio_mmio_device(const struct virtio_mmio *m)
{
	return m->dev;
}

unsigned int virtio_mmio_queues(const struct virtio_mmio *m)
{
	return m->dev->ops->queues_count;
}

int virtio_mmio_notify_fd(const struct virtio_mmio *m, unsigned int queue)
{
	return m->notifiers[queue].fd;
}
