/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/builtin/serial.h"
#include "hypervisor/builtin/state.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* A saved machine's stream, without any KVM. */

#define PAGE 4096
#define PAGES 8

static int make_file(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Two vcpus, a window, and memory of which the pages 1, 2 and 7 are something. */
static int make_stream(char *memory)
{
	cleanup_strbuf struct strbuf state = STRBUF_INIT;
	int fd = make_file();

	wire_add_varint(&state, STATE_MEMORY_BYTES, PAGES * PAGE);
	wire_add_bytes(&state, STATE_CHIP, "chip", 4);
	wire_add_bytes(&state, STATE_SERIAL, "", 0);
	wire_add_bytes(&state, STATE_VCPU, "first", 5);
	wire_add_bytes(&state, STATE_VCPU, "second", 6);
	wire_add_bytes(&state, STATE_WINDOW, "window", 6);
	memset(memory, 0, PAGES * PAGE);
	memory[PAGE] = memory[2 * PAGE + 100] = memory[8 * PAGE - 1] = 1;
	assert_int_equal(state_write(fd, true, &state, NULL), 0);
	assert_int_equal(state_write_memory(fd, memory, PAGES * PAGE, NULL), 0);
	return fd;
}

static int read_stream(int fd, char *memory, struct error *err)
{
	cleanup_free char *data = NULL;
	struct state s;
	size_t len;
	int r;

	memset(memory, 0, PAGES * PAGE);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = state_read(fd, true, &data, &len, err);
	if (r == 0)
		r = state_read_memory(fd, memory, PAGES * PAGE, err);
	if (r < 0)
		return r;
	assert_int_equal(state_parse(data, len, &s), 0);
	assert_int_equal(s.memory_bytes, PAGES * PAGE);
	assert_int_equal(s.vcpus_count, 2);
	assert_memory_equal(s.vcpus[1].data, "second", s.vcpus[1].len);
	assert_int_equal(s.windows_count, 1);
	return 0;
}

static off_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void a_stream_is_read_as_it_was_written_and_has_no_empty_pages(void **state)
{
	char memory[PAGES * PAGE], read_back[PAGES * PAGE];
	cleanup_fd int fd = make_stream(memory);
	struct error err = ERROR_INIT;

	assert_true(size_of(fd) < 4 * PAGE);
	if (read_stream(fd, read_back, &err) < 0)
		fail_msg("%s", err.msg);
	assert_memory_equal(read_back, memory, sizeof(memory));
}

static void a_stream_that_was_cut_off_anywhere_is_refused(void **state)
{
	char memory[PAGES * PAGE];
	cleanup_fd int fd = make_stream(memory);

	for (off_t size = size_of(fd) - 1; size >= 0; size--) {
		struct error err = ERROR_INIT;

		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(read_stream(fd, memory, &err), -EBADMSG);
		assert_string_equal(err.msg, "the saved machine ends before its end");
	}
}

/* Its memory has no sum: what is in a piece is the guest's. */
static void a_state_of_which_any_byte_was_changed_is_refused(void **state)
{
	char memory[PAGES * PAGE];
	cleanup_fd int fd = make_stream(memory);
	const off_t end = size_of(fd) - 3 * PAGE - 3 * 16;

	assert_true(end > 32);
	for (off_t at = 0; at < end; at++) {
		struct error err = ERROR_INIT;
		uint8_t byte, changed;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		changed = byte ^ 0x40;
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		assert_int_equal(read_stream(fd, memory, &err), -EBADMSG);
		assert_int_equal(strncmp(err.msg, "the saved machine ", 18), 0);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(read_stream(fd, memory, NULL), 0);
}

static void expect_no_memory(uint64_t offset, uint64_t size)
{
	const uint64_t piece[] = { offset, size };
	char memory[PAGES * PAGE];
	cleanup_fd int fd = make_file();
	struct error err = ERROR_INIT;

	assert_int_equal(write_all(fd, piece, sizeof(piece)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(state_read_memory(fd, memory, sizeof(memory), &err), -EBADMSG);
	assert_string_equal(err.msg, "the saved machine has memory where the machine has none");
}

static void memory_beyond_the_machines_is_refused(void **state)
{
	expect_no_memory(PAGES * PAGE, 1);
	expect_no_memory(0, PAGES * PAGE + 1);
	expect_no_memory(PAGE, UINT64_MAX);
	expect_no_memory(UINT64_MAX, 2);
}

static void fields_that_are_missing_or_too_many_are_refused(void **state)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct state s;

	assert_int_equal(state_parse("", 0, &s), -EBADMSG);
	wire_add_bytes(&text, STATE_CHIP, "chip", 4);
	assert_int_equal(state_parse(text.buf, text.len, &s), -EBADMSG);
	wire_add_bytes(&text, STATE_SERIAL, "", 0);
	assert_int_equal(state_parse(text.buf, text.len, &s), 0);
	for (size_t i = 0; i < ARCH_VIRTIO_MAX; i++)
		wire_add_bytes(&text, STATE_WINDOW, "", 0);
	assert_int_equal(state_parse(text.buf, text.len, &s), 0);
	wire_add_bytes(&text, STATE_WINDOW, "", 0);
	assert_int_equal(state_parse(text.buf, text.len, &s), -EBADMSG);
}

static void write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	serial_write(serial, offset, &value, sizeof(value));
}

static uint8_t read_register(struct serial *serial, uint64_t offset)
{
	uint8_t value;

	serial_read(serial, offset, &value, sizeof(value));
	return value;
}

static void a_serial_port_keeps_its_registers_and_an_interrupt_that_is_due(void **state)
{
	cleanup_fd int before = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cleanup_fd int after = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct serial *first = serial_new(-1, before), *second = serial_new(-1, after);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	eventfd_t count;

	write_register(first, 7, 0x5a);
	write_register(first, 3, 0x13);
	write_register(first, 1, 2);
	serial_save(first, &text);
	assert_int_equal(serial_restore(second, text.buf, text.len), 0);
	assert_int_equal(read_register(second, 7), 0x5a);
	assert_int_equal(read_register(second, 3), 0x13);
	assert_int_equal(eventfd_read(after, &count), 0);
	assert_int_equal(read_register(second, 2) & 0xf, 2);
	wire_add_varint(&text, 3, 256);
	assert_int_equal(serial_restore(second, text.buf, text.len), -EBADMSG);
	serial_free(first);
	serial_free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_read_as_it_was_written_and_has_no_empty_pages),
		cmocka_unit_test(a_stream_that_was_cut_off_anywhere_is_refused),
		cmocka_unit_test(a_state_of_which_any_byte_was_changed_is_refused),
		cmocka_unit_test(memory_beyond_the_machines_is_refused),
		cmocka_unit_test(fields_that_are_missing_or_too_many_are_refused),
		cmocka_unit_test(a_serial_port_keeps_its_registers_and_an_interrupt_that_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
