/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/console.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { INPUT, OUTPUT };

struct scene {
	struct driver d;
	int fd; /* the other end */
};

static struct virtio_device *make_console(int *ret_other_end)
{
	struct virtio_device *dev = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(virtio_console_new(fds[0], &dev, NULL), 0);
	*ret_other_end = fds[1];
	return dev;
}

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	driver_init(&s->d, make_console(&s->fd));
	driver_start(&s->d, ~0ULL);
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	driver_done(&s->d);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return 0;
}

static void print(struct scene *s, const void *data, uint32_t len)
{
	const struct driver_buffer buffer = { driver_alloc(&s->d, len), len, false };

	memcpy(driver_at(&s->d, buffer.gpa), data, len);
	driver_add(&s->d, OUTPUT, &buffer, 1);
	driver_kick(&s->d, OUTPUT);
}

static uint64_t give_room(struct scene *s, uint32_t len)
{
	const struct driver_buffer buffer = { driver_alloc(&s->d, len), len, true };

	driver_add(&s->d, INPUT, &buffer, 1);
	driver_kick(&s->d, INPUT);
	return buffer.gpa;
}

static void what_the_guest_prints_arrives(void **state)
{
	struct scene *s = *state;
	char text[16] = "";

	print(s, "hello ", 6);
	print(s, "world", 5);
	driver_await(&s->d, OUTPUT);
	driver_await(&s->d, OUTPUT);
	assert_int_equal(read(s->fd, text, sizeof(text)), 11);
	assert_string_equal(text, "hello world");
	assert_true(driver_interrupts(&s->d) > 0);
}

static void what_is_typed_arrives_where_there_is_room(void **state)
{
	struct scene *s = *state;
	uint64_t first = give_room(s, 4), second;

	assert_int_equal(write_all(s->fd, "abcdef", 6), 0);
	assert_int_equal(driver_await(&s->d, INPUT), 4);
	assert_memory_equal(driver_at(&s->d, first), "abcd", 4);
	driver_turn(&s->d);
	assert_false(driver_take(&s->d, INPUT, NULL, NULL));
	second = give_room(s, 16);
	assert_int_equal(driver_await(&s->d, INPUT), 2);
	assert_memory_equal(driver_at(&s->d, second), "ef", 2);
}

/* Prints until the socket is full. Returns how many bytes of 'x' were given to the device. */
static size_t fill(struct scene *s)
{
	char block[32768];
	size_t given = 0;

	memset(block, 'x', sizeof(block));
	do {
		print(s, block, sizeof(block));
		given += sizeof(block);
		driver_turn(&s->d);
	} while (driver_take(&s->d, OUTPUT, NULL, NULL));
	return given;
}

static size_t drain(struct scene *s)
{
	char block[32768];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(s->fd, block, sizeof(block), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(block[i], 'x');
		got += (size_t)n;
		driver_turn(&s->d);
	}
	return got;
}

static void a_full_socket_holds_output_back_and_nothing_else(void **state)
{
	struct scene *s = *state;
	size_t given = fill(s);
	uint64_t room = give_room(s, 16);

	assert_int_equal(write_all(s->fd, "in", 2), 0);
	assert_int_equal(driver_await(&s->d, INPUT), 2);
	assert_memory_equal(driver_at(&s->d, room), "in", 2);
	assert_false(driver_take(&s->d, OUTPUT, NULL, NULL));
	/* All of it arrives, once. */
	assert_int_equal(drain(s), given);
	assert_true(driver_take(&s->d, OUTPUT, NULL, NULL));
}

static void output_that_was_held_back_goes_on_after_a_move(void **state)
{
	struct scene *s = *state;
	size_t given = fill(s);
	int old = s->fd;
	size_t got;

	driver_move(&s->d, make_console(&s->fd));
	driver_turn(&s->d);
	got = drain(s);
	close(s->fd);
	s->fd = old;
	got += drain(s);
	assert_int_equal(got, given);
}

static void a_guest_prints_on_when_nobody_listens(void **state)
{
	struct scene *s = *state;

	close(s->fd);
	s->fd = -1;
	give_room(s, 16);
	print(s, "hello", 5);
	driver_await(&s->d, OUTPUT);
	print(s, "hello", 5);
	driver_await(&s->d, OUTPUT);
	assert_false(driver_take(&s->d, INPUT, NULL, NULL));
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 2);
}

static void input_that_ends_leaves_output_alone(void **state)
{
	struct scene *s = *state;
	char text[8] = "";

	give_room(s, 16);
	assert_int_equal(shutdown(s->fd, SHUT_WR), 0);
	driver_turn(&s->d);
	assert_false(driver_take(&s->d, INPUT, NULL, NULL));
	print(s, "hello", 5);
	driver_await(&s->d, OUTPUT);
	assert_int_equal(read(s->fd, text, sizeof(text)), 5);
}

static void a_reset_console_begins_anew(void **state)
{
	struct scene *s = *state;
	char text[8] = "";

	fill(s);
	driver_reset(&s->d);
	drain(s);
	driver_start(&s->d, ~0ULL);
	print(s, "hello", 5);
	driver_await(&s->d, OUTPUT);
	assert_int_equal(read(s->fd, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
}

static void odd_chains_are_given_back(void **state)
{
	struct scene *s = *state;
	const struct driver_buffer wrong_way = { driver_alloc(&s->d, 16), 16, true };
	const struct driver_buffer no_room = { wrong_way.gpa, 16, false };

	driver_add(&s->d, OUTPUT, &wrong_way, 1);
	driver_kick(&s->d, OUTPUT);
	assert_int_equal(driver_await(&s->d, OUTPUT), 0);
	driver_add(&s->d, INPUT, &no_room, 1);
	driver_kick(&s->d, INPUT);
	assert_int_equal(driver_await(&s->d, INPUT), 0);
}

static void a_console_needs_a_socket(void **state)
{
	cleanup_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct virtio_device *dev = NULL;

	assert_int_equal(virtio_console_new(fd, &dev, NULL), -ENOTSOCK);
	assert_null(dev);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(what_the_guest_prints_arrives),
		IN_SCENE(what_is_typed_arrives_where_there_is_room),
		IN_SCENE(a_full_socket_holds_output_back_and_nothing_else),
		IN_SCENE(output_that_was_held_back_goes_on_after_a_move),
		IN_SCENE(a_guest_prints_on_when_nobody_listens),
		IN_SCENE(input_that_ends_leaves_output_alone),
		IN_SCENE(a_reset_console_begins_anew),
		IN_SCENE(odd_chains_are_given_back),
		cmocka_unit_test(a_console_needs_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
