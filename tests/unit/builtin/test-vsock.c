/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "vsock-scene.h"
#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static void a_guest_learns_of_its_cid(void **state)
{
	struct vsock_scene *s = *state;

	assert_int_equal(driver_read(&s->d, 0x100), VSOCK_CID);
	assert_int_equal(driver_read(&s->d, 0x104), 0);
}

static void a_host_connects_to_a_port_of_the_guest(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	char text[16] = "";

	assert_int_equal(write_all(fd, "ping", 4), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "ping");
	vsock_say_data(s, VSOCK_PORT, port, "pong", 4);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 4);
	assert_string_equal(text, "pong");
}

static void what_is_sent_behind_the_greeting_is_for_the_guest(void **state)
{
	struct vsock_scene *s = *state;
	int fd = vsock_greet(s, "connect 1024\nearly");

	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	assert_false(vsock_hear(s));
	vsock_say(s, VSOCK_PORT, le32toh(s->got.src_port), VIRTIO_VSOCK_OP_RESPONSE, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "early");
	close(fd);
}

static void a_greeting_may_come_in_pieces(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = vsock_greet(s, "CONN");

	assert_false(vsock_hear(s));
	assert_int_equal(write_all(fd, "ECT 1024", 8), 0);
	assert_false(vsock_hear(s));
	assert_int_equal(write_all(fd, "\n", 1), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
}

static void a_greeting_that_is_none_closes_the_connection(void **state)
{
	static const char *const wrong[] = {
		"CONNECT\n",	 "CONNECT x\n", "CONNECT 4294967296\n",
		"HELLO 1\n",	 "\n",		"CONNECT 00000000000000000000000001\n",
		"CONNECT 1 2\n",
	};
	struct vsock_scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cleanup_fd int fd = vsock_greet(s, wrong[i]);

		assert_false(vsock_hear(s));
		assert_true(vsock_is_closed(fd));
	}
}

static void a_port_that_nobody_listens_on_closes_the_connection(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = vsock_greet(s, "CONNECT 5\n");

	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	vsock_say(s, 5, le32toh(s->got.src_port), VIRTIO_VSOCK_OP_RST, 0);
	assert_true(vsock_is_closed(fd));
	assert_false(vsock_hear(s));
}

static void a_host_that_gives_up_while_it_connects_is_a_reset(void **state)
{
	struct vsock_scene *s = *state;
	int fd = vsock_greet(s, "CONNECT 5\n");

	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	close(fd);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
	vsock_say(s, 5, le32toh(s->got.src_port), VIRTIO_VSOCK_OP_RESPONSE, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void a_guest_connects_to_a_socket_of_the_host(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = vsock_connect_host(s, 99, 7);
	char text[16] = "";

	vsock_say_data(s, 99, 7, "hello", 5);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(write_all(fd, "welcome", 7), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32toh(s->got.src_port), 7);
	assert_int_equal(le32toh(s->got.dst_port), 99);
	assert_string_equal(s->data, "welcome");
}

static void a_port_without_a_socket_is_reset(void **state)
{
	struct vsock_scene *s = *state;

	vsock_say(s, 99, 8, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(le32toh(s->got.src_port), 8);
	assert_int_equal(le32toh(s->got.dst_port), 99);
}

static void a_listener_that_is_full_does_not_hold_anybody_up(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_free char *path = xasprintf("%s_9", s->path);
	cleanup_fd int listener = unix_listen(path, 0600);
	int resets = 0;

	assert_int_equal(listen(listener, 0), 0);
	for (uint32_t port = 0; port < 3; port++) {
		vsock_say(s, port, 9, VIRTIO_VSOCK_OP_REQUEST, 0);
		assert_true(vsock_hear(s));
		resets += le16toh(s->got.op) == VIRTIO_VSOCK_OP_RST;
	}
	assert_true(resets > 0);
}

static void a_host_may_end_what_it_sends_and_still_receive(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	char text[16] = "";

	assert_int_equal(write_all(fd, "last", 4), 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_say_data(s, VSOCK_PORT, port, "reply", 5);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 5);
	/* The guest ends as well: all is over. */
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_BOTH);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 0);
}

static void a_host_that_hangs_up_after_its_end_is_noticed(void **state)
{
	struct vsock_scene *s = *state;
	int fd = -1;

	vsock_connect_guest(s, &fd);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_false(vsock_hear(s));
	close(fd);
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
}

static void a_guest_may_end_what_it_sends_and_still_receive(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);

	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_true(vsock_is_closed(fd));
	assert_int_equal(write_all(fd, "late", 4), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "late");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_RST, 0);
	assert_false(vsock_hear(s));
}

static void a_guest_that_takes_no_more_stops_the_host(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);

	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPIPE);
	vsock_say_data(s, VSOCK_PORT, port, "x", 1);
	assert_int_equal(recv(fd, s->data, 1, MSG_DONTWAIT), 1);
}

static void a_closed_socket_is_the_end_of_both_directions(void **state)
{
	struct vsock_scene *s = *state;
	int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);

	assert_int_equal(write_all(fd, "last", 4), 0);
	close(fd);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "last");
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
	/* What the guest had sent by then is for nobody. */
	vsock_say_data(s, VSOCK_PORT, port, "x", 1);
	assert_false(vsock_hear(s));
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_RST, 0);
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void a_reset_closes_the_socket(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);

	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_RST, 0);
	assert_true(vsock_is_closed(fd));
	assert_false(vsock_hear(s));
}

static void the_host_sends_no_more_than_the_guest_has_room_for(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	struct virtio_vsock_hdr h =
		vsock_header(VSOCK_PORT, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0, 0);

	h.buf_alloc = htole32(10);
	vsock_say_header(s, &h, NULL, 0);
	assert_int_equal(write_all(fd, "0123456789abcdef", 16), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "0123456789");
	vsock_expect(s, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	assert_false(vsock_hear(s));
	h.fwd_cnt = htole32(4);
	vsock_say_header(s, &h, NULL, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "abcd");
	h.fwd_cnt = htole32(14);
	vsock_say_header(s, &h, NULL, 0);
	while (vsock_hear(s) && le16toh(s->got.op) != VIRTIO_VSOCK_OP_RW)
		;
	assert_string_equal(s->data, "ef");
}

static void a_guest_has_credit_for_what_nobody_reads(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	size_t said = vsock_say_all(s, port);

	assert_true(said > VIRTIO_VSOCK_BUFFER);
	assert_int_equal(vsock_drain(s, fd), said);
	vsock_expect(s, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	while (vsock_hear(s))
		;
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(le32toh(s->got.fwd_cnt), said);
}

static void what_the_guest_sent_before_it_closed_arrives(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1;
	uint32_t port = vsock_connect_guest(s, &fd);
	size_t said = vsock_say_all(s, port);

	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_BOTH);
	assert_false(vsock_hear(s));
	assert_int_equal(vsock_drain(s, fd), said);
	assert_true(vsock_is_closed(fd));
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

/* Hands a descriptor over, for the guest's port. Returns who waits for the answer. */
static int pass(struct vsock_scene *s, int fd)
{
	int client = vsock_greet(s, "passfd\n");
	cleanup_free char *port = xasprintf("%d", VSOCK_PORT);

	driver_turn(&s->d);
	assert_int_equal(send_fds(client, port, strlen(port), &fd, 1), (ssize_t)strlen(port));
	return client;
}

/* The same, up to the answer. Returns the host's port. */
static uint32_t pass_to_guest(struct vsock_scene *s, int fd)
{
	int client = pass(s, fd);
	uint32_t port = vsock_accept(s, client);

	assert_true(vsock_is_closed(client));
	close(client);
	return port;
}

static void a_socket_can_be_handed_over(void **state)
{
	struct vsock_scene *s = *state;
	char text[8] = "";
	uint32_t port;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	port = pass_to_guest(s, fds[0]);
	close(fds[0]);
	assert_int_equal(write_all(fds[1], "ping", 4), 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(s->data, "ping");
	vsock_say_data(s, VSOCK_PORT, port, "pong", 4);
	assert_int_equal(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), 4);
	close(fds[1]);
	vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
}

static void a_pipe_to_the_guest_is_one_direction(void **state)
{
	struct vsock_scene *s = *state;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write_all(fds[1], "all of it", 9), 0);
	close(fds[1]);
	(void)pass_to_guest(s, fds[0]);
	close(fds[0]);
	while (vsock_hear(s) && le16toh(s->got.op) != VIRTIO_VSOCK_OP_RW)
		assert_int_equal(le32toh(s->got.flags), VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_string_equal(s->data, "all of it");
	while (vsock_hear(s))
		assert_int_equal(le16toh(s->got.op), VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
}

static void a_pipe_from_the_guest_holds_it_back_and_ends_with_it(void **state)
{
	struct vsock_scene *s = *state;
	char block[4096];
	size_t said, got = 0;
	uint32_t port;
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	port = pass_to_guest(s, fds[1]);
	close(fds[1]);
	while (vsock_hear(s))
		assert_int_equal(le32toh(s->got.flags), VIRTIO_VSOCK_SHUTDOWN_SEND);
	said = vsock_say_all(s, port);
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_BOTH);
	while ((n = read(fds[0], block, sizeof(block))) > 0) {
		got += (size_t)n;
		driver_turn(&s->d);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, said);
	close(fds[0]);
}

static void a_pipe_that_nobody_reads_any_more_ends_the_stream(void **state)
{
	struct vsock_scene *s = *state;
	uint32_t port;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	port = pass_to_guest(s, fds[1]);
	close(fds[1]);
	close(fds[0]);
	vsock_say_data(s, VSOCK_PORT, port, "x", 1);
	while (vsock_hear(s))
		assert_int_equal(le16toh(s->got.op), VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32toh(s->got.flags), VSOCK_BOTH);
}

static void what_cannot_be_a_stream_is_not_taken(void **state)
{
	struct vsock_scene *s = *state;
	int fds[2], client;

	/* It would block. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	client = pass(s, fds[0]);
	assert_false(vsock_hear(s));
	assert_true(vsock_is_closed(client));
	close(client);
	close(fds[0]);
	close(fds[1]);
	/* There is none. */
	client = vsock_greet(s, "passfd\n");
	driver_turn(&s->d);
	assert_int_equal(write_all(client, "1024", 4), 0);
	assert_false(vsock_hear(s));
	assert_true(vsock_is_closed(client));
	close(client);
}

static void many_streams_do_not_mix(void **state)
{
	enum { MANY = 200 };
	struct vsock_scene *s = *state;
	uint32_t ports[MANY];
	int fds[MANY];
	char text[16];

	for (int i = 0; i < MANY; i++)
		ports[i] = vsock_connect_guest(s, &fds[i]);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "to %d", i);
		assert_int_equal(write_all(fds[i], text, strlen(text)), 0);
	}
	for (int i = 0; i < MANY; i++) {
		vsock_expect(s, VIRTIO_VSOCK_OP_RW);
		for (int k = 0; k < MANY; k++)
			if (ports[k] == le32toh(s->got.src_port))
				snprintf(text, sizeof(text), "to %d", k);
		assert_string_equal(s->data, text);
	}
	for (int i = 0; i < MANY; i++) {
		vsock_say_data(s, VSOCK_PORT, ports[i], &i, sizeof(i));
		memset(text, 0, sizeof(text));
		assert_int_equal(recv(fds[i], text, sizeof(text), MSG_DONTWAIT), sizeof(i));
		assert_memory_equal(text, &i, sizeof(i));
		close(fds[i]);
		vsock_expect(s, VIRTIO_VSOCK_OP_SHUTDOWN);
		vsock_say(s, VSOCK_PORT, ports[i], VIRTIO_VSOCK_OP_RST, 0);
	}
}

static void packets_wait_until_the_guest_has_room(void **state)
{
	struct vsock_scene *s = *state;
	int fds[6];
	int requests = 0;

	/* Four buffers, and six connections: none is given again here. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = vsock_greet(s, "CONNECT 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		driver_turn(&s->d);
	while (driver_take(&s->d, VSOCK_TO_GUEST, NULL, NULL))
		requests++;
	assert_int_equal(requests, 4);
	for (int i = 0; i < 4; i++)
		vsock_give_buffer(s, driver_alloc(&s->d, VSOCK_BUFFER_SIZE));
	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	assert_false(vsock_hear(s));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void a_reset_of_the_device_closes_all(void **state)
{
	struct vsock_scene *s = *state;
	cleanup_fd int fd = -1, asking = -1, waiting = -1;

	vsock_connect_guest(s, &fd);
	asking = vsock_greet(s, "CONNECT 9\n");
	waiting = vsock_greet(s, "CONN");
	driver_turn(&s->d);
	driver_reset(&s->d);
	assert_true(vsock_is_closed(fd));
	assert_true(vsock_is_closed(asking));
	assert_true(vsock_is_closed(waiting));
}

static void a_restored_guest_hears_that_connections_are_gone(void **state)
{
	struct vsock_scene *s = *state;
	const struct driver_buffer buffer = { driver_alloc(&s->d, 4), 4, true };
	cleanup_fd int fd = -1, other = -1;
	uint32_t port = vsock_connect_guest(s, &fd);

	*(uint32_t *)driver_at(&s->d, buffer.gpa) = UINT32_MAX;
	driver_move(&s->d, vsock_scene_device(s));
	driver_turn(&s->d);
	/* It has no place for that yet, and so nothing else comes. */
	other = vsock_greet(s, "CONNECT 9\n");
	assert_false(vsock_hear(s));
	driver_add(&s->d, VSOCK_EVENTS, &buffer, 1);
	driver_kick(&s->d, VSOCK_EVENTS);
	assert_int_equal(driver_await(&s->d, VSOCK_EVENTS), 4);
	assert_int_equal(*(uint32_t *)driver_at(&s->d, buffer.gpa),
			 VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	/* It would take a new one for one of those, until it has put the buffer back. */
	assert_false(vsock_hear(s));
	driver_add(&s->d, VSOCK_EVENTS, &buffer, 1);
	driver_kick(&s->d, VSOCK_EVENTS);
	/* Nor does it come from a port of theirs. */
	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(le32toh(s->got.src_port), port + 1);
	vsock_say_data(s, VSOCK_PORT, port, "x", 1);
	vsock_expect(s, VIRTIO_VSOCK_OP_RST);
}

static void a_vsock_needs_a_cid_and_a_listener(void **state)
{
	struct virtio_vsock_options options = { .guest_cid = 2, .listen_fd = -1 };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct virtio_device *dev = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(virtio_vsock_new(&options, &dev, &err), -EINVAL);
	assert_string_equal(err.msg, "make a vsock: no guest has the CID 2");
	options.guest_cid = 1ULL << 32;
	assert_int_equal(virtio_vsock_new(&options, &dev, NULL), -EINVAL);
	options = (struct virtio_vsock_options){ .guest_cid = 3, .listen_fd = fd };
	assert_int_equal(virtio_vsock_new(&options, &dev, &err), -EINVAL);
	assert_string_equal(err.msg, "make a vsock: its socket does not listen");
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, vsock_scene_make, vsock_scene_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_guest_learns_of_its_cid),
		IN_SCENE(a_host_connects_to_a_port_of_the_guest),
		IN_SCENE(what_is_sent_behind_the_greeting_is_for_the_guest),
		IN_SCENE(a_greeting_may_come_in_pieces),
		IN_SCENE(a_greeting_that_is_none_closes_the_connection),
		IN_SCENE(a_port_that_nobody_listens_on_closes_the_connection),
		IN_SCENE(a_host_that_gives_up_while_it_connects_is_a_reset),
		IN_SCENE(a_guest_connects_to_a_socket_of_the_host),
		IN_SCENE(a_port_without_a_socket_is_reset),
		IN_SCENE(a_listener_that_is_full_does_not_hold_anybody_up),
		IN_SCENE(a_host_may_end_what_it_sends_and_still_receive),
		IN_SCENE(a_host_that_hangs_up_after_its_end_is_noticed),
		IN_SCENE(a_guest_may_end_what_it_sends_and_still_receive),
		IN_SCENE(a_guest_that_takes_no_more_stops_the_host),
		IN_SCENE(a_closed_socket_is_the_end_of_both_directions),
		IN_SCENE(a_reset_closes_the_socket),
		IN_SCENE(the_host_sends_no_more_than_the_guest_has_room_for),
		IN_SCENE(a_guest_has_credit_for_what_nobody_reads),
		IN_SCENE(what_the_guest_sent_before_it_closed_arrives),
		IN_SCENE(a_socket_can_be_handed_over),
		IN_SCENE(a_pipe_to_the_guest_is_one_direction),
		IN_SCENE(a_pipe_from_the_guest_holds_it_back_and_ends_with_it),
		IN_SCENE(a_pipe_that_nobody_reads_any_more_ends_the_stream),
		IN_SCENE(what_cannot_be_a_stream_is_not_taken),
		IN_SCENE(many_streams_do_not_mix),
		IN_SCENE(packets_wait_until_the_guest_has_room),
		IN_SCENE(a_reset_of_the_device_closes_all),
		IN_SCENE(a_restored_guest_hears_that_connections_are_gone),
		cmocka_unit_test(a_vsock_needs_a_cid_and_a_listener),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* of pipes that are handed over */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
