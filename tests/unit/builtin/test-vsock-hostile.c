/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_vsock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "vsock-scene.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/str.h"

static void a_guest_that_sends_beyond_its_credit_is_reset(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	char block[VIRTIO_VSOCK_BUFFER / 2] = "";

	vsock_say_all(s, port);
	vsock_say_data(s, VSOCK_PORT, port, block, sizeof(block));
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void a_guest_that_provokes_resets_and_takes_none_has_to_wait(void **state)
{
	struct vsock_scene *s = *state;
	struct virtio_vsock_hdr h = vsock_header(1, 1, VIRTIO_VSOCK_OP_RW, 0, 0, 0);
	uint64_t before = s->d.next_gpa;
	int said = 0, resets = 0;

	do {
		s->d.next_gpa = before;
		vsock_say_header(s, &h, NULL, 0);
		said++;
		assert_true(said < 1000);
	} while (driver_take(&s->d, VSOCK_FROM_GUEST, NULL, NULL));
	assert_true(said > 200);
	/* All goes on as soon as it takes them. */
	while (vsock_hear(s))
		resets += le16toh(s->got.op) == VIRTIO_VSOCK_OP_RST;
	assert_true(driver_take(&s->d, VSOCK_FROM_GUEST, NULL, NULL));
	assert_int_equal(resets, said);
}

static void packets_that_are_not_ours_are_dropped(void **state)
{
	struct vsock_scene *s = *state;
	struct virtio_vsock_hdr h = vsock_header(1, 1, VIRTIO_VSOCK_OP_REQUEST, 0, 0, 0);

	h.src_cid = htole64(VSOCK_CID + 1);
	vsock_say_header(s, &h, NULL, 0);
	h = vsock_header(1, 1, VIRTIO_VSOCK_OP_REQUEST, 0, 0, 0);
	h.dst_cid = htole64(3);
	vsock_say_header(s, &h, NULL, 0);
	h = vsock_header(1, 1, VIRTIO_VSOCK_OP_RW, 0, UINT32_MAX, 0);
	vsock_say_header(s, &h, "x", 1);
	assert_false(vsock_hear(s));
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 3);
	/* Sockets of another type, and words that nobody knows, are answered. */
	h = vsock_header(1, 1, VIRTIO_VSOCK_OP_REQUEST, 0, 0, 0);
	h.type = htole16(VIRTIO_VSOCK_TYPE_SEQPACKET);
	vsock_say_header(s, &h, NULL, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(le16toh(s->got.type), VIRTIO_VSOCK_TYPE_SEQPACKET);
	vsock_say_header(s, &(struct virtio_vsock_hdr){ 0 }, NULL, 0);
	assert_false(vsock_hear(s));
	h = vsock_header(1, 1, 0xffff, 0, 0, 0);
	vsock_say_header(s, &h, NULL, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void words_that_do_not_fit_reset_the_stream(void **state)
{
	static const uint16_t wrong[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_REQUEST,
					  VIRTIO_VSOCK_OP_RESPONSE, 0xffff };
	struct vsock_scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cleanup_fd int fd = -1;
		uint32_t port = vsock_connect_guest(s, &fd);

		vsock_say(s, VSOCK_PORT, port, wrong[i], 0);
		vsock_expect(s, VIRTIO_VSOCK_OP_RST);
		assert_true(vsock_is_closed(fd));
	}
}

static void data_before_a_connection_or_after_its_end_reset_it(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = vsock_greet(s, "CONNECT 1024\n");
	cleanup_fd int other = -1;
	uint32_t port;

	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	vsock_say_data(s, VSOCK_PORT, le32toh(s->got.src_port), "x", 1);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
	assert_true(vsock_is_closed(fd));
	port = vsock_connect_guest(s, &other);
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_say_data(s, VSOCK_PORT, port, "x", 1);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void a_packet_without_a_header_needs_a_reset(void **state)
{
	struct vsock_scene *s = *state;
	const struct driver_buffer buffer = { driver_alloc(&s->d, 43), 43, false };
	cleanup_fd int fd = -1;

	vsock_connect_guest(s, &fd);
	driver_add(&s->d, VSOCK_FROM_GUEST, &buffer, 1);
	driver_kick(&s->d, VSOCK_FROM_GUEST);
	driver_turn(&s->d);
	assert_true(driver_status(&s->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_true(vsock_is_closed(fd));
}

static void a_buffer_without_room_needs_a_reset(void **state)
{
	struct vsock_scene *s = *state;
	const struct driver_buffer small = { driver_alloc(&s->d, 44), 44, true };
	int fds[5];

	/* It comes behind the four that have room. */
	driver_add(&s->d, VSOCK_TO_GUEST, &small, 1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = vsock_greet(s, "CONNECT 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		driver_turn(&s->d);
	assert_true(driver_status(&s->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, vsock_scene_make, vsock_scene_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_guest_that_sends_beyond_its_credit_is_reset),
		IN_SCENE(a_guest_that_provokes_resets_and_takes_none_has_to_wait),
		IN_SCENE(packets_that_are_not_ours_are_dropped),
		IN_SCENE(words_that_do_not_fit_reset_the_stream),
		IN_SCENE(data_before_a_connection_or_after_its_end_reset_it),
		IN_SCENE(a_packet_without_a_header_needs_a_reset),
		IN_SCENE(a_buffer_without_room_needs_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
