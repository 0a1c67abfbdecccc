/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/bus.h"
#include "hypervisor/builtin/kvm.h"
#include "hypervisor/builtin/serial.h"
#include "hypervisor/builtin/vcpus.h"
#include "hypervisor/builtin/x86_64/boot.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/unit/hypervisor/tiny-kernel.h"

/* Guests of a few instructions, which any KVM can run, one that runs no Linux too. */

#define CODE_AT 0x100000
#define MEMORY_SIZE 0x200000
#define TIMEOUT_MS 20000

TINY_GUEST(prints, "mov $0x3f8, %dx\n mov $'h', %al\n out %al, %dx\n mov $'i', %al\n out %al, %dx\n"
		   "mov $0x602, %dx\n mov $1, %al\n out %al, %dx\n 1: jmp 1b");
TINY_GUEST(powers_off, "mov $0x600, %dx\n mov $0x34, %al\n out %al, %dx\n 1: jmp 1b");
TINY_GUEST(faults, "ud2");
/* Prints what it reads where nobody is: a port and an address. */
TINY_GUEST(looks_around, "mov $0x3f8, %dx\n in $0x80, %al\n out %al, %dx\n"
			 "mov 0xe0000000, %eax\n out %al, %dx\n ud2");
TINY_GUEST(works, "1: mov $'.', %al\n out %al, $0x80\n jmp 1b");

struct world {
	struct kvm kvm;
	void *memory;
	struct bus ports, mmio;
	struct arch_power_handler power;
	struct serial *serial;
	int console, serial_end, interrupt_fd;
	int end_fd, paused_fd;
	struct vcpus *vcpus;
	char reason[200];
};

static void tell(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void on_end(void *ctx, const char *reason)
{
	struct world *w = ctx;

	snprintf(w->reason, sizeof(w->reason), "%s", reason);
	tell(w->end_fd);
}

static void on_power(void *ctx, enum arch_power what)
{
	on_end(ctx, what == ARCH_POWER_OFF ? "off" : "reset");
}

static void on_paused(void *ctx)
{
	tell(((struct world *)ctx)->paused_fd);
}

static void read_port(void *ctx, uint64_t offset, void *data, size_t size)
{
	serial_read(ctx, offset, data, size);
}

static void write_port(void *ctx, uint64_t offset, const void *data, size_t size)
{
	serial_write(ctx, offset, data, size);
}

static void make_ports(struct world *w)
{
	struct bus_device device = { read_port, write_port, NULL };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	w->console = pair[0];
	w->serial_end = pair[1];
	w->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	device.ctx = w->serial = serial_new(w->serial_end, w->interrupt_fd);
	assert_int_equal(bus_add(&w->ports, ARCH_SERIAL_ADDRESS, SERIAL_REGISTERS, &device), 0);
	w->power = (struct arch_power_handler){ on_power, w };
	assert_int_equal(arch_add_power(&w->ports, &w->power), 0);
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct error err = ERROR_INIT;

	w->kvm = (struct kvm)KVM_INIT;
	*state = w;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return 0;
	w->end_fd = eventfd(0, EFD_CLOEXEC);
	w->paused_fd = eventfd(0, EFD_CLOEXEC);
	make_ports(w);
	w->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(w->memory != MAP_FAILED);
	if (kvm_open(&w->kvm, &err) < 0 || arch_make_chip(&w->kvm, &err) < 0 ||
	    kvm_add_memory(&w->kvm, 0, 0, MEMORY_SIZE, w->memory, &err) < 0) {
		print_message("%s\n", err.msg);
		kvm_close(&w->kvm);
	}
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	vcpus_free(w->vcpus);
	kvm_close(&w->kvm);
	if (w->memory) {
		munmap(w->memory, MEMORY_SIZE);
		serial_free(w->serial);
		close_fdp(&w->console);
		close_fdp(&w->serial_end);
		close_fdp(&w->interrupt_fd);
		close_fdp(&w->end_fd);
		close_fdp(&w->paused_fd);
	}
	free(w);
	return 0;
}

static void start(struct world *w, const char *code, const char *end, uint32_t count)
{
	const struct arch_entry entry = { .protocol = BOOT_PVH, .instruction = CODE_AT };
	const struct vcpus_options options = {
		.ports = &w->ports,
		.mmio = &w->mmio,
		.on_end = on_end,
		.on_paused = on_paused,
		.ctx = w,
	};
	struct error err = ERROR_INIT;

	if (w->kvm.vm < 0) {
		print_message("skipped: no /dev/kvm that makes virtual machines\n");
		skip();
	}
	memcpy((char *)w->memory + CODE_AT, code, (size_t)(end - code));
	if (vcpus_new(&w->kvm, count, &entry, &options, &w->vcpus, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(vcpus_start(w->vcpus, &err), 0);
	vcpus_resume(w->vcpus);
}

static void await(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
}

static void a_guest_prints_and_resets(void **state)
{
	struct world *w = *state;
	char text[3] = "";

	start(w, prints, prints_end, 1);
	await(w->end_fd);
	assert_string_equal(w->reason, "reset");
	assert_int_equal(read_exact(w->console, text, 2), 0);
	assert_string_equal(text, "hi");
}

static void a_guest_powers_off(void **state)
{
	struct world *w = *state;

	start(w, powers_off, powers_off_end, 1);
	await(w->end_fd);
	assert_string_equal(w->reason, "off");
}

static void a_guest_that_faults_beyond_rescue_has_reset_itself(void **state)
{
	struct world *w = *state;

	start(w, faults, faults_end, 1);
	await(w->end_fd);
	assert_string_equal(w->reason, "the guest reset itself");
}

static void where_nobody_is_a_guest_reads_ones(void **state)
{
	struct world *w = *state;
	uint64_t exits[HV_EXIT_COUNT];
	char bytes[2] = "";

	start(w, looks_around, looks_around_end, 1);
	await(w->end_fd);
	assert_int_equal(read_exact(w->console, bytes, 2), 0);
	assert_memory_equal(bytes, "\xff\xff", 2);
	vcpus_exits(w->vcpus, exits);
	assert_int_equal(exits[HV_EXIT_UNANSWERED], 2);
	assert_int_equal(exits[HV_EXIT_PORT], 3);
	assert_int_equal(exits[HV_EXIT_MMIO], 1);
}

static uint64_t port_exits(const struct world *w)
{
	uint64_t exits[HV_EXIT_COUNT];

	vcpus_exits(w->vcpus, exits);
	return exits[HV_EXIT_PORT];
}

static void await_work(const struct world *w)
{
	const uint64_t before = port_exits(w);

	for (int i = 0; i < TIMEOUT_MS && port_exits(w) == before; i++)
		(void)poll(NULL, 0, 1);
	assert_true(port_exits(w) > before);
}

static void a_guest_that_is_paused_does_nothing_until_it_is_resumed(void **state)
{
	struct world *w = *state;
	uint64_t paused;

	start(w, works, works_end, 2); /* the second waits in the kernel to be woken */
	for (int i = 0; i < 20; i++) {
		await_work(w);
		vcpus_pause(w->vcpus);
		await(w->paused_fd);
		paused = port_exits(w);
		(void)poll(NULL, 0, 5);
		assert_int_equal(port_exits(w), paused);
		vcpus_resume(w->vcpus);
	}
	await_work(w);
}

/* --- bus and serial port, without any guest ------------------------------------------------- */

static void devices_of_a_bus_do_not_overlap(void **state)
{
	const struct bus_device device = { read_port, write_port, NULL };
	struct bus bus = { .count = 0 };

	assert_int_equal(bus_add(&bus, 0x100, 0x10, &device), 0);
	assert_int_equal(bus_add(&bus, 0x10f, 1, &device), -EINVAL);
	assert_int_equal(bus_add(&bus, 0xf0, 0x11, &device), -EINVAL);
	assert_int_equal(bus_add(&bus, 0x110, 0, &device), -EINVAL);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 2, &device), -EINVAL);
	assert_int_equal(bus_add(&bus, 0x110, 1, &device), 0);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 1, &device), 0);
	while (bus.count < BUS_RANGES_MAX)
		assert_int_equal(bus_add(&bus, 0x1000 + bus.count, 1, &device), 0);
	assert_int_equal(bus_add(&bus, 0x2000, 1, &device), -ENOSPC);
}

static void an_access_over_a_devices_end_is_nobodys(void **state)
{
	const struct bus_device device = { NULL, NULL, NULL };
	struct bus bus = { .count = 0 };
	uint32_t value = 0;

	assert_int_equal(bus_add(&bus, 0x100, 0x10, &device), 0);
	assert_false(bus_read(&bus, 0x10e, &value, sizeof(value)));
	assert_int_equal(value, UINT32_MAX);
	assert_false(bus_write(&bus, 0xff, &value, sizeof(value)));
	assert_false(bus_write(&bus, 0x110, &value, 1));
}

static bool is_interrupted(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static uint8_t read_register(struct serial *serial, uint64_t offset)
{
	uint8_t value;

	serial_read(serial, offset, &value, sizeof(value));
	return value;
}

static void write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	serial_write(serial, offset, &value, sizeof(value));
}

static void a_serial_port_interrupts_when_there_is_room_for_more(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];
	struct serial *serial;
	char text[2] = "";

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	serial = serial_new(pair[1], fd);
	write_register(serial, 0, 'a');
	assert_false(is_interrupted(fd));
	write_register(serial, 1, 2);
	assert_true(is_interrupted(fd));
	assert_int_equal(read_register(serial, 2) & 0xf, 2);
	assert_int_equal(read_register(serial, 2) & 0xf, 1);
	write_register(serial, 0, 'b');
	assert_true(is_interrupted(fd));
	assert_int_equal(read_exact(pair[0], text, 2), 0);
	assert_memory_equal(text, "ab", 2);
	/* Where nobody reads any more, it goes on. */
	close(pair[0]);
	write_register(serial, 0, 'c');
	assert_int_equal(read_register(serial, 5), 0x60);
	serial_free(serial);
	close(pair[1]);
	close(fd);
}

static void a_serial_port_passes_a_drivers_test(void **state)
{
	struct serial *serial = serial_new(-1, -1);

	write_register(serial, 7, 0xa5);
	assert_int_equal(read_register(serial, 7), 0xa5);
	write_register(serial, 3, 0x80);
	write_register(serial, 0, 0x12);
	write_register(serial, 1, 0x34);
	assert_int_equal(read_register(serial, 0), 0x12);
	assert_int_equal(read_register(serial, 1), 0x34);
	write_register(serial, 3, 0x03);
	assert_int_equal(read_register(serial, 1), 0);
	write_register(serial, 4, 0x10 | 0x08 | 0x02);
	assert_int_equal(read_register(serial, 6) & 0xf0, 0x90);
	write_register(serial, 0, 'x'); /* in its loop: to nobody */
	assert_int_equal(read_register(serial, 9), 0xff);
	write_register(serial, 9, 0);
	serial_free(serial);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_prints_and_resets),
		TEST(a_guest_powers_off),
		TEST(a_guest_that_faults_beyond_rescue_has_reset_itself),
		TEST(where_nobody_is_a_guest_reads_ones),
		TEST(a_guest_that_is_paused_does_nothing_until_it_is_resumed),
		cmocka_unit_test(devices_of_a_bus_do_not_overlap),
		cmocka_unit_test(an_access_over_a_devices_end_is_nobodys),
		cmocka_unit_test(a_serial_port_interrupts_when_there_is_room_for_more),
		cmocka_unit_test(a_serial_port_passes_a_drivers_test),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
