/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The same operations as in control.c against the real QEMU, whose guest is the image of the build
 * or of $MOAT_GUEST; without one, or without QEMU, these tests are skipped.
 */
struct machine {
	char dir[32];
	char *control;
	struct guest_image guest;
	struct hv_vm vm;
	int console, channel, watch_fd;
	struct loop *loop;
	struct hv_watch *watch;
	char reason[100];
	bool has_ended;
	struct hv_config config;
};

static void on_reason(void *ctx, const char *reason)
{
	struct machine *m = ctx;

	snprintf(m->reason, sizeof(m->reason), "%s", reason);
}

static void on_end(void *ctx, const struct error *err)
{
	((struct machine *)ctx)->has_ended = true;
}

static void prepare(struct machine *m)
{
	struct error err = ERROR_INIT;

	*m = (struct machine){ 0 };
	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0) {
		print_message("skipped: no QEMU for this host's guests\n");
		skip();
	}
	if (guest_image_load(NULL, &m->guest, &err) < 0) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	strcpy(m->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	m->control = xasprintf("%s/qmp.sock", m->dir);
	m->config = (struct hv_config){
		.name = "test",
		.guest = &m->guest,
		.accel = HV_ACCEL_TCG,
		.memory_mib = 256,
		.vcpus = 1,
		.control_fd = unix_listen(m->control, 0600),
		.has_disk_slots = true,
	};
	assert_true(m->config.control_fd >= 0);
	assert_int_equal(loop_new(&m->loop), 0);
}

static int make_pair(int *ret_theirs)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_theirs = pair[1];
	return pair[0];
}

static void launch(struct machine *m)
{
	const struct hv_watch_handlers handlers = { on_reason, on_end, m };
	struct error err = ERROR_INIT;

	m->console = make_pair(&m->config.console_fd);
	m->channel = make_pair(&m->config.channel_fd);
	m->watch_fd = make_pair(&m->config.watch_fd);
	if (hypervisor_qemu.launch(&m->config, STDERR_FILENO, &m->vm, &err) < 0)
		fail_msg("%s", err.msg);
	close(m->config.console_fd);
	close(m->config.channel_fd);
	close(m->config.watch_fd);
	close(m->config.control_fd);
	assert_int_equal(hypervisor_qemu.watch(m->loop, m->watch_fd, &handlers, &m->watch, &err),
			 0);
}

static void finish(struct machine *m)
{
	hypervisor_qemu.unwatch(m->watch);
	hv_stop(&m->vm);
	close(m->console);
	close(m->channel);
	loop_free(m->loop);
	guest_image_done(&m->guest);
	assert_int_equal(remove_tree_at(AT_FDCWD, m->dir), 0);
	free(m->control);
}

#define DO(call)                                                                                   \
	do {                                                                                       \
		struct error err = ERROR_INIT;                                                     \
		if (hypervisor_qemu.call < 0)                                                      \
			fail_msg("%s", err.msg);                                                   \
	} while (0)

static void expect_state(struct machine *m, enum hv_state state)
{
	struct hv_status status;

	DO(query(m->control, &status, &err));
	assert_int_equal(status.state, state);
}

/* A disk in memory. */
static int make_disk(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	return fd;
}

/* QEMU insists that a descriptor is opened as the disk is used. */
static int open_for_reading(int fd)
{
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);
	int opened = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(opened >= 0);
	return opened;
}

static void a_vm_is_paused_fed_measured_and_ended(void **state)
{
	struct hv_metrics metrics;
	struct hv_status status;
	struct machine m;
	cleanup_fd int disk_fd = -1;
	struct hv_disk disk = { .id = "data" };

	prepare(&m);
	launch(&m);
	DO(query(m.control, &status, &err));
	print_message("machine: %s\n", status.machine);
	assert_int_equal(status.state, HV_STATE_RUNNING);
	assert_int_equal(status.memory_bytes, 256u << 20);
	DO(pause(m.control, &err));
	expect_state(&m, HV_STATE_PAUSED);
	DO(resume(m.control, &err));
	expect_state(&m, HV_STATE_RUNNING);

	disk.fd = disk_fd = make_disk();
	DO(plug(m.control, &disk, &err));
	DO(metrics(m.control, &metrics, &err));
	assert_int_equal(metrics.devices_count, 1);
	assert_string_equal(metrics.devices[0].id, "data");
	DO(unplug(m.control, "data", &err));
	DO(plug(m.control, &disk, &err));
	assert_int_equal(hypervisor_qemu.plug(m.control, &disk, NULL), -EIO);

	DO(quit(m.control, &err));
	(void)loop_run_until(m.loop, &m.has_ended, 10000);
	assert_true(m.has_ended);
	assert_string_equal(m.reason, "the VMM was told to end over its control socket");
	finish(&m);
}

static void a_vm_with_room_grows(void **state)
{
	struct hv_status status;
	struct machine m;

	prepare(&m);
	m.config.vcpus_max = 3;
	m.config.memory_max_mib = 1024;
	launch(&m);
	DO(resize(m.control, 2, 300, &err));
	DO(resize(m.control, 3, 600, &err));
	DO(resize(m.control, 1, 256, &err));
	DO(query(m.control, &status, &err));
	assert_int_equal(status.vcpus, 3);
	assert_int_equal(status.memory_bytes, 640u << 20);
	assert_true(status.features & HV_FEATURE_RESIZE_MEMORY);
	assert_int_equal(hypervisor_qemu.resize(m.control, 4, 0, NULL), -ERANGE);
	finish(&m);
}

static void a_vm_starts_with_disks_and_its_state_is_saved(void **state)
{
	cleanup_fd int fd = make_disk(), readonly_fd = open_for_reading(fd);
	cleanup_fd int file = memfd_create("state", MFD_CLOEXEC);
	struct hv_metrics metrics;
	cleanup_fd int second = make_disk();
	struct machine m;
	const struct hv_disk disks[] = {
		{ .id = "root", .fd = readonly_fd, .is_readonly = true },
		{ .id = "data", .fd = second },
	};

	prepare(&m);
	m.config.disks = disks;
	m.config.disks_count = 2;
	launch(&m);
	DO(metrics(m.control, &metrics, &err));
	assert_int_equal(metrics.devices_count, 2);
	DO(save(m.control, HV_SAVED_ALL, file, &err));
	assert_true(lseek(file, 0, SEEK_END) > 1 << 20);
	expect_state(&m, HV_STATE_PAUSED);
	finish(&m);
}

/* The agent's channel carries yamux, whose other end answers a ping by itself. */
static bool has_answered(struct machine *m)
{
	static const unsigned char pong[4] = { 0, 2, 0, 2 };
	unsigned char frame[12];

	while (poll(&(struct pollfd){ m->channel, POLLIN, 0 }, 1, 200) > 0) {
		assert_int_equal(read_exact(m->channel, frame, sizeof(frame)), 0);
		if (memcmp(frame, pong, sizeof(pong)) == 0)
			return true;
	}
	return false;
}

static void expect_agent(struct machine *m)
{
	static const unsigned char ping[12] = { 0, 2, 0, 1 };

	assert_int_equal(write_all(m->channel, ping, sizeof(ping)), 0);
	while (!has_answered(m)) {
		(void)loop_run_until(m->loop, &m->has_ended, 0);
		assert_false(m->has_ended);
	}
}

/* Goes on with what is in @state, and in @memory or NULL. */
static void restore(struct machine *m, enum hv_saved what, int state, struct hv_memory *memory)
{
	prepare(m);
	m->config.memory = memory;
	m->config.is_restored = true;
	launch(m);
	assert_int_equal(lseek(state, 0, SEEK_SET), 0);
	DO(restore(m->control, what, state, &err));
	expect_state(m, HV_STATE_RUNNING);
	expect_agent(m);
}

static void a_saved_vm_goes_on(void **state)
{
	cleanup_fd int file = memfd_create("state", MFD_CLOEXEC);
	struct machine m;

	prepare(&m);
	launch(&m);
	expect_agent(&m);
	DO(save(m.control, HV_SAVED_ALL, file, &err));
	finish(&m);
	restore(&m, HV_SAVED_ALL, file, NULL);
	finish(&m);
}

static uint64_t sum(int fd, size_t size)
{
	const uint64_t *words = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t hash = 0;

	assert_true(words != MAP_FAILED);
	for (size_t i = 0; i < size / sizeof(*words); i++)
		hash = hash * 31 + words[i];
	assert_int_equal(munmap((void *)words, size), 0);
	return hash;
}

static void two_vms_go_on_from_one_memory_that_neither_changes(void **state)
{
	const size_t size = 256u << 20;
	cleanup_fd int file = memfd_create("state", MFD_CLOEXEC);
	struct hv_memory memory = { .fd = memfd_create("memory", MFD_CLOEXEC) };
	struct machine m, other;
	uint64_t before;

	assert_int_equal(ftruncate(memory.fd, (off_t)size), 0);
	prepare(&m);
	m.config.memory = &memory;
	launch(&m);
	expect_agent(&m);
	DO(save(m.control, HV_SAVED_DEVICES, file, &err));
	finish(&m);
	assert_true(lseek(file, 0, SEEK_END) < 1 << 20);

	before = sum(memory.fd, size);
	memory.is_private = true;
	restore(&m, HV_SAVED_DEVICES, file, &memory);
	restore(&other, HV_SAVED_DEVICES, file, &memory);
	finish(&m);
	expect_agent(&other);
	finish(&other);
	assert_int_equal(sum(memory.fd, size), before);
	close(memory.fd);
}

static void what_is_no_state_ends_the_vm_that_waits_for_it(void **state)
{
	cleanup_fd int file = memfd_create("state", MFD_CLOEXEC);
	struct machine m;

	assert_int_equal(write_all(file, "not a state", 11), 0);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	prepare(&m);
	m.config.is_restored = true;
	launch(&m);
	assert_true(hypervisor_qemu.restore(m.control, HV_SAVED_ALL, file, NULL) < 0);
	(void)loop_run_until(m.loop, &m.has_ended, 10000);
	assert_true(m.has_ended);
	finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_is_paused_fed_measured_and_ended),
		cmocka_unit_test(a_vm_with_room_grows),
		cmocka_unit_test(a_vm_starts_with_disks_and_its_state_is_saved),
		cmocka_unit_test(a_saved_vm_goes_on),
		cmocka_unit_test(two_vms_go_on_from_one_memory_that_neither_changes),
		cmocka_unit_test(what_is_no_state_ends_the_vm_that_waits_for_it),
	};

	return cmocka_run_group_tests_name("hypervisor-live", tests, NULL, NULL);
}
