/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <linux/virtio_ids.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/builtin/files.h"
#include "hypervisor/builtin/machine-internal.h"
#include "hypervisor/builtin/serial.h"
#include "hypervisor/builtin/vcpus.h"
#include "hypervisor/builtin/virtio/balloon.h"
#include "hypervisor/builtin/virtio/block.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "hypervisor/builtin/virtio/net.h"
#include "hypervisor/builtin/virtio/rng.h"
#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* --- memory ------------------------------------------------------------------------------- */

static int map_flags(const struct hv_config *config)
{
	const struct hv_memory *file = config->memory;
	int flags = MAP_NORESERVE;

	if (file)
		flags |= file->is_private ? MAP_PRIVATE : MAP_SHARED;
	else
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	if (config->has_hugepages && !file)
		flags |= MAP_HUGETLB;
	if (config->is_preallocated)
		flags |= MAP_POPULATE;
	return flags;
}

/* Of the host's, which are the guest's, too, where both begin alike: else a guest leaves its
 * processor for each 4 KiB that it has not touched before. */
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)

/* Addresses that nobody else has, or MAP_FAILED. */
static void *reserve(uint64_t bytes)
{
	const uint64_t all = bytes + HUGE_PAGE_BYTES;
	char *begin =
		mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (begin == MAP_FAILED)
		return MAP_FAILED;
	before = -(uintptr_t)begin & (HUGE_PAGE_BYTES - 1);
	if (before > 0)
		(void)munmap(begin, before);
	(void)munmap(begin + before + bytes, HUGE_PAGE_BYTES - before);
	return begin + before;
}

static int map_memory(struct machine *m, const struct hv_config *config, struct error *err)
{
	const int fd = config->memory ? config->memory->fd : -1;
	const int flags = map_flags(config) | MAP_FIXED;
	void *host;

	m->memory_bytes = (uint64_t)config->memory_mib << 20;
	host = reserve(m->memory_bytes);
	if (host != MAP_FAILED) {
		m->host = host;
		host = mmap(host, m->memory_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	}
	if (host == MAP_FAILED)
		return error_sys(err, errno, "map %u MiB for the guest", config->memory_mib);
	return 0;
}

static int give_memory(struct machine *m, const struct hv_config *config, struct error *err)
{
	struct arch_range ranges[ARCH_RANGES_MAX];
	size_t count;
	char *host;
	int r = map_memory(m, config, err);

	if (r < 0)
		return r;
	host = m->host;
	count = arch_ranges(m->memory_bytes, ranges);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = guest_memory_add(&m->memory, ranges[i].gpa, ranges[i].size, host);
		if (r < 0)
			return error_sys(err, r, "give the guest memory");
		r = kvm_add_memory(&m->kvm, (uint32_t)i, ranges[i].gpa, ranges[i].size, host, err);
		host += ranges[i].size;
	}
	return r;
}

/* --- devices ------------------------------------------------------------------------------ */

static int make_eventfd(int *ret, struct error *err)
{
	*ret = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *ret < 0 ? error_sys(err, errno, "make an eventfd") : 0;
}

static int make_interrupt(struct machine *m, uint32_t gsi, int *ret, struct error *err)
{
	int r = make_eventfd(ret, err);

	return r < 0 ? r : kvm_add_irqfd(&m->kvm, *ret, gsi, err);
}

static void read_window(void *ctx, uint64_t offset, void *data, size_t size)
{
	virtio_mmio_read(ctx, offset, data, size);
}

static void write_window(void *ctx, uint64_t offset, const void *data, size_t size)
{
	virtio_mmio_write(ctx, offset, data, size);
}

static int connect_window(struct machine *m, const struct slot *slot, uint64_t address,
			  struct error *err)
{
	const struct bus_device device = { read_window, write_window, slot->window };
	const unsigned int queues = virtio_mmio_queues(slot->window);
	int r = bus_add(&m->mmio, address, ARCH_VIRTIO_WINDOW, &device);

	if (r < 0)
		return error_sys(err, r, "find a place for a device");
	for (unsigned int i = 0; r == 0 && i < queues; i++)
		r = kvm_add_ioeventfd(&m->kvm, virtio_mmio_notify_fd(slot->window, i),
				      address + VIRTIO_MMIO_NOTIFY, i, err);
	return r;
}

/* Takes @device, on failure too. */
static int add_served(struct machine *m, struct virtio_device *device, struct loop *loop,
		      struct slot **ret, struct error *err)
{
	const size_t i = m->slots_count;
	struct slot *slot = &m->slots[i];
	struct virtio_mmio_options options = {
		.device = device,
		.memory = &m->memory,
		.loop = loop,
		.is_threaded = true,
	};
	int r;

	if (i == ARCH_VIRTIO_MAX) {
		virtio_device_free(device);
		return error_set(err, -ENOSPC, "more than %d devices", ARCH_VIRTIO_MAX);
	}
	slot->interrupt_fd = -1;
	m->slots_count++;
	r = make_interrupt(m, arch_virtio_gsi(i), &slot->interrupt_fd, err);
	options.interrupt_fd = slot->interrupt_fd;
	if (r == 0)
		r = virtio_mmio_new(&options, &slot->window, err);
	if (r < 0) {
		virtio_device_free(device);
		return r;
	}
	if (ret)
		*ret = slot;
	return connect_window(m, slot, arch_virtio_address(i), err);
}

/* The same, for one that is served by the loop of all. */
static int add_virtio(struct machine *m, struct virtio_device *device, struct slot **ret,
		      struct error *err)
{
	return add_served(m, device, m->options.loop, ret, err);
}

static int add_rng(struct machine *m, const struct hv_config *config, struct error *err)
{
	return add_virtio(m, virtio_rng_new(NULL), NULL, err);
}

static int add_balloon(struct machine *m, const struct hv_config *config, struct error *err)
{
	return add_virtio(m, virtio_balloon_new(), NULL, err);
}

/* The host's kernel has no part in it, so that the guest's number is nobody else's. */
static int add_vsock(struct machine *m, const struct hv_config *config, struct error *err)
{
	struct virtio_vsock_options options = { .guest_cid = 3 };
	struct virtio_device *device;
	int r;

	options.listen_fd = unix_listen(config->channel_path, 0600);
	if (options.listen_fd < 0)
		return error_sys(err, options.listen_fd, "listen on '%s'", config->channel_path);
	r = virtio_vsock_new(&options, &device, err);
	if (r < 0)
		close_fdp(&options.listen_fd);
	return r < 0 ? r : add_virtio(m, device, NULL, err);
}

static int add_files(struct machine *m, const struct hv_config *config, struct error *err)
{
	struct virtio_device *device;
	int r;

	if (config->share == HV_SHARE_NONE)
		return 0;
	r = files_new(config->share_path, config->share_tag, &m->files, &device, err);
	return r < 0 ? r : add_served(m, device, files_loop(m->files), NULL, err);
}

static int add_disk(struct machine *m, const struct hv_disk *disk, struct error *err)
{
	const struct virtio_block_options options = {
		.id = disk->id,
		.fd = disk->fd,
		.is_readonly = disk->is_readonly,
	};
	struct virtio_device *device;
	struct slot *slot;
	int r = virtio_block_new(&options, &device, err);

	if (r == 0)
		r = add_virtio(m, device, &slot, err);
	if (r < 0)
		return error_wrap(err, r, "disk '%s'", disk->id);
	snprintf(slot->disk_id, sizeof(slot->disk_id), "%s", disk->id);
	return 0;
}

static int add_disks(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->disks_count; i++)
		r = add_disk(m, &config->disks[i], err);
	return r;
}

/* Nothing can be added to virtio-mmio: what is plugged in later gets the place of an empty disk. */
static int add_spares(struct machine *m, const struct hv_config *config, struct error *err)
{
	const struct virtio_block_options empty = { .id = "", .fd = -1 };
	size_t count = builtin_spares(config);
	int r = 0;

	while (r == 0 && count--) {
		struct virtio_device *device;
		struct slot *slot;

		r = virtio_block_new(&empty, &device, err);
		if (r == 0)
			r = add_virtio(m, device, &slot, err);
		if (r == 0)
			slot->is_spare = true;
	}
	return r;
}

static int add_nics(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->nics_count; i++) {
		struct virtio_net_options options = { .fd = config->nics[i].fd };
		struct virtio_device *device;

		memcpy(options.mac, config->nics[i].mac, sizeof(options.mac));
		r = virtio_net_new(&options, &device, err);
		if (r == 0)
			r = add_virtio(m, device, NULL, err);
		if (r < 0)
			return error_wrap(err, r, "network interface %zu", i);
	}
	return r;
}

static void read_serial(void *ctx, uint64_t offset, void *data, size_t size)
{
	serial_read(ctx, offset, data, size);
}

static void write_serial(void *ctx, uint64_t offset, const void *data, size_t size)
{
	serial_write(ctx, offset, data, size);
}

static int add_serial(struct machine *m, const struct hv_config *config, struct error *err)
{
	struct bus_device device = { read_serial, write_serial, NULL };
	int r = make_interrupt(m, ARCH_SERIAL_GSI, &m->serial_fd, err);

	if (r < 0)
		return r;
	device.ctx = m->serial = serial_new(config->console_fd, m->serial_fd);
	r = bus_add(&m->ports, ARCH_SERIAL_ADDRESS, SERIAL_REGISTERS, &device);
	return r < 0 ? error_sys(err, r, "find a place for the serial port") : 0;
}

/* --- what vcpus say ----------------------------------------------------------------------- */

static void tell(int fd)
{
	static const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* full: it is on its way already */
}

static void forget(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count)); /* empty: nothing was told */
}

static void on_vcpu_end(void *ctx, const char *reason)
{
	struct machine *m = ctx;

	pthread_mutex_lock(&m->lock);
	if (!*m->reason)
		snprintf(m->reason, sizeof(m->reason), "%s", reason);
	pthread_mutex_unlock(&m->lock);
	tell(m->end_fd);
}

static void on_power(void *ctx, enum arch_power what)
{
	static const char *const reasons[] = {
		[ARCH_POWER_OFF] = "the guest powered off",
		[ARCH_POWER_RESET] = "the guest reset itself",
	};

	on_vcpu_end(ctx, reasons[what]);
}

static void on_vcpus_paused(void *ctx)
{
	struct machine *m = ctx;

	tell(m->paused_fd);
}

static void on_end_told(void *ctx, int fd, uint32_t events)
{
	struct machine *m = ctx;
	char reason[REASON_MAX];

	forget(fd);
	pthread_mutex_lock(&m->lock);
	memcpy(reason, m->reason, sizeof(reason));
	pthread_mutex_unlock(&m->lock);
	loop_remove(steal_ptr(&m->ending));
	m->options.on_end(m->options.ctx, reason);
}

static void on_pause_told(void *ctx, int fd, uint32_t events)
{
	struct machine *m = ctx;

	forget(fd);
	if (!m->is_pausing) /* somebody thought better of it meanwhile */
		return;
	m->is_pausing = false;
	m->is_paused = true;
	m->options.on_paused(m->options.ctx);
}

static int listen_to_vcpus(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r = make_eventfd(&m->end_fd, err);

	if (r == 0)
		r = make_eventfd(&m->paused_fd, err);
	if (r < 0)
		return r;
	r = loop_add_fd(m->options.loop, m->end_fd, EPOLLIN, on_end_told, m, &m->ending);
	if (r == 0)
		r = loop_add_fd(m->options.loop, m->paused_fd, EPOLLIN, on_pause_told, m,
				&m->pausing);
	return r < 0 ? error_sys(err, r, "listen to vcpus") : 0;
}

/* --- from beginning to end ---------------------------------------------------------------- */

static int open_file(const char *path, int *ret, struct error *err)
{
	*ret = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return *ret < 0 ? error_sys(err, errno, "open '%s'", path) : 0;
}

static int open_guest(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r;

	m->vcpus_count = config->vcpus;
	m->is_blank = config->is_restored;
	if (m->is_blank) /* its kernel is in the saved memory */
		return 0;
	m->command_line = builtin_command_line(config);
	r = open_file(config->guest->kernel, &m->kernel_fd, err);
	if (r == 0 && config->guest->initrd)
		r = open_file(config->guest->initrd, &m->initrd_fd, err);
	return r;
}

static int open_vm(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r = kvm_open(&m->kvm, err);

	return r < 0 ? r : arch_make_chip(&m->kvm, err);
}

static int add_power(struct machine *m, const struct hv_config *config, struct error *err)
{
	int r;

	m->power = (struct arch_power_handler){ on_power, m };
	r = arch_add_power(&m->ports, &m->power);
	return r < 0 ? error_sys(err, r, "find a place for the power switch") : 0;
}

/* A guest numbers disks and interfaces in the order of their places. */
int machine_new(const struct machine_options *options, struct machine **ret, struct error *err)
{
	static int (*const steps[])(struct machine * m, const struct hv_config *config,
				    struct error *err) = {
		open_guest, open_vm,  give_memory, listen_to_vcpus, add_serial,
		add_power,  add_rng,  add_balloon, add_vsock,	    add_files,
		add_disks,  add_nics, add_spares,
	};
	struct machine *m = xcalloc(1, sizeof(*m));
	int r = 0;

	*m = (struct machine){
		.options = *options,
		.kvm = KVM_INIT,
		.serial_fd = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.end_fd = -1,
		.paused_fd = -1,
		.is_paused = true,
	};
	pthread_mutex_init(&m->lock, NULL); /* cannot fail on Linux */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](m, options->config, err);
	m->options.config = NULL;
	if (r < 0) {
		machine_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

static int make_vcpus(struct machine *m, const struct arch_entry *entry, struct error *err)
{
	const struct vcpus_options options = {
		.ports = &m->ports,
		.mmio = &m->mmio,
		.confine = m->options.confine_vcpu,
		.on_end = on_vcpu_end,
		.on_paused = on_vcpus_paused,
		.ctx = m,
	};
	int r = vcpus_new(&m->kvm, m->vcpus_count, entry, &options, &m->vcpus, err);

	return r < 0 ? r : vcpus_start(m->vcpus, err);
}

int machine_serve_files(struct machine *m, int (*confine)(struct error *err), struct error *err)
{
	return m->files ? files_start(m->files, confine, err) : 0;
}

int machine_load(struct machine *m, struct error *err)
{
	const struct arch_guest guest = {
		.kernel_fd = m->kernel_fd,
		.initrd_fd = m->initrd_fd,
		.command_line = m->command_line,
		.vcpus = m->vcpus_count,
		.virtio_count = m->slots_count,
	};
	struct arch_entry entry;
	int r;

	if (m->is_blank)
		return make_vcpus(m, NULL, err);
	r = arch_load(&guest, &m->memory, &entry, err);
	close_fdp(&m->kernel_fd);
	close_fdp(&m->initrd_fd);
	return r < 0 ? r : make_vcpus(m, &entry, err);
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	vcpus_free(m->vcpus);
	for (size_t i = 0; i < m->slots_count; i++) {
		virtio_mmio_free(m->slots[i].window);
		close_fdp(&m->slots[i].interrupt_fd);
	}
	files_free(m->files);
	serial_free(m->serial);
	close_fdp(&m->serial_fd);
	loop_remove(m->ending);
	loop_remove(m->pausing);
	close_fdp(&m->end_fd);
	close_fdp(&m->paused_fd);
	close_fdp(&m->kernel_fd);
	close_fdp(&m->initrd_fd);
	kvm_close(&m->kvm);
	if (m->host)
		munmap(m->host, m->memory_bytes);
	pthread_mutex_destroy(&m->lock);
	free(m->command_line);
	free(m);
}

void machine_pause(struct machine *m)
{
	m->is_pausing = true;
	vcpus_pause(m->vcpus);
}

void machine_resume(struct machine *m)
{
	for (size_t i = 0; i < m->slots_count; i++)
		virtio_mmio_release(m->slots[i].window);
	m->is_paused = m->is_pausing = false;
	vcpus_resume(m->vcpus);
}

bool machine_is_paused(const struct machine *m)
{
	return m->is_paused;
}

/* --- disks that come and go --------------------------------------------------------------- */

static struct slot *find_disk(struct machine *m, const char *id)
{
	for (size_t i = 0; i < m->slots_count; i++)
		if (*m->slots[i].disk_id && streq(m->slots[i].disk_id, id))
			return &m->slots[i];
	return NULL;
}

static int find_spare(struct machine *m, struct slot **ret, struct error *err)
{
	bool has_any = false;

	for (size_t i = 0; i < m->slots_count; i++) {
		*ret = &m->slots[i];
		if ((*ret)->is_spare && !*(*ret)->disk_id)
			return 0;
		has_any |= (*ret)->is_spare;
	}
	if (has_any)
		return error_set(err, -ENOSPC, "the virtual machine's slots for disks are full");
	return error_set(err, -ENOTSUP, HV_NO_SLOTS);
}

int machine_plug(struct machine *m, const char *id, int fd, bool is_readonly, struct error *err)
{
	const struct virtio_block_options options = {
		.id = id,
		.fd = fd,
		.is_readonly = is_readonly,
	};
	struct slot *slot = NULL;
	int r;

	if (find_disk(m, id))
		return error_set(err, -EEXIST, "disk '%s' is there already", id);
	r = find_spare(m, &slot, err);
	if (r == 0)
		r = virtio_block_change(virtio_mmio_device(slot->window), &options, err);
	if (r == 0)
		snprintf(slot->disk_id, sizeof(slot->disk_id), "%s", id);
	return r;
}

int machine_unplug(struct machine *m, const char *id, struct error *err)
{
	const struct virtio_block_options empty = { .id = "", .fd = -1 };
	struct slot *slot = find_disk(m, id);

	if (!slot || !slot->is_spare)
		return error_set(err, -ENOENT, "disk '%s' was not plugged in", id);
	*slot->disk_id = '\0';
	return virtio_block_change(virtio_mmio_device(slot->window), &empty, err);
}

static bool is_disk(const struct virtio_device *dev)
{
	return dev->ops->id == VIRTIO_ID_BLOCK;
}

/* What serves files counts on its own thread: its numbers may be a moment old. */
static void measure(const struct slot *slot, unsigned int *nics, struct hv_device_metrics *ret)
{
	const struct virtio_device *dev = virtio_mmio_device(slot->window);
	const struct virtio_metrics *counted = &dev->metrics;

	*ret = (struct hv_device_metrics){
		.read_bytes = counted->read_bytes,
		.written_bytes = counted->written_bytes,
		.reads = counted->reads,
		.writes = counted->writes,
		.dropped = counted->dropped,
	};
	if (is_disk(dev))
		memcpy(ret->id, slot->disk_id, sizeof(ret->id));
	else if (dev->ops->id == VIRTIO_ID_NET)
		snprintf(ret->id, sizeof(ret->id), "%s%u", dev->ops->name, (*nics)++);
	else
		snprintf(ret->id, sizeof(ret->id), "%s", dev->ops->name);
}

void machine_measure(const struct machine *m, struct hv_metrics *ret)
{
	struct hv_metrics metrics = { .vcpus = m->vcpus_count, .memory_bytes = m->memory_bytes };
	unsigned int nics = 0;

	vcpus_exits(m->vcpus, metrics.exits);
	for (size_t i = 0; i < m->slots_count && metrics.devices_count < HV_DEVICES_MAX; i++) {
		const struct slot *slot = &m->slots[i];
		const struct virtio_device *dev = virtio_mmio_device(slot->window);

		if (is_disk(dev) && !*slot->disk_id)
			continue; /* a place for one */
		measure(slot, &nics, &metrics.devices[metrics.devices_count++]);
	}
	*ret = metrics;
}
