/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock-scene.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define WINDOW 200000 /* of the guest's sockets */

struct virtio_device *vsock_scene_device(struct vsock_scene *s)
{
	struct virtio_vsock_options options = { .guest_cid = VSOCK_CID, .path = s->path };
	struct virtio_device *dev = NULL;

	(void)unlink(s->path);
	options.listen_fd = unix_listen(s->path, 0600);
	assert_true(options.listen_fd >= 0);
	assert_int_equal(virtio_vsock_new(&options, &dev, NULL), 0);
	return dev;
}

void vsock_give_buffer(struct vsock_scene *s, uint64_t gpa)
{
	const struct driver_buffer buffer = { gpa, VSOCK_BUFFER_SIZE, true };

	s->buffers[driver_add(&s->d, VSOCK_TO_GUEST, &buffer, 1)] = gpa;
	driver_kick(&s->d, VSOCK_TO_GUEST);
}

int vsock_scene_make(void **state)
{
	char dir[] = "/tmp/moat-vsock-XXXXXX";
	struct vsock_scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	s->dir = xstrdup(mkdtemp(dir));
	s->path = xasprintf("%s/vsock", s->dir);
	driver_init(&s->d, vsock_scene_device(s));
	driver_start(&s->d, ~0ULL);
	for (int i = 0; i < 4; i++)
		vsock_give_buffer(s, driver_alloc(&s->d, VSOCK_BUFFER_SIZE));
	return 0;
}

int vsock_scene_drop(void **state)
{
	struct vsock_scene *s = *state;

	driver_done(&s->d);
	assert_int_equal(remove_tree_at(AT_FDCWD, s->dir), 0);
	free(s->dir);
	free(s->path);
	free(s);
	return 0;
}

void vsock_say_header(struct vsock_scene *s, const struct virtio_vsock_hdr *h, const void *data,
		      uint32_t len)
{
	const struct driver_buffer buffers[] = {
		{ driver_alloc(&s->d, sizeof(*h)), sizeof(*h), false },
		{ driver_alloc(&s->d, len ? len : 1), len, false },
	};

	memcpy(driver_at(&s->d, buffers[0].gpa), h, sizeof(*h));
	if (len)
		memcpy(driver_at(&s->d, buffers[1].gpa), data, len);
	driver_add(&s->d, VSOCK_FROM_GUEST, buffers, len ? 2 : 1);
	driver_kick(&s->d, VSOCK_FROM_GUEST);
	driver_turn(&s->d);
}

struct virtio_vsock_hdr vsock_header(uint32_t guest_port, uint32_t host_port, uint16_t op,
				     uint32_t flags, uint32_t len, uint32_t taken)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_CID),
		.dst_cid = htole64(2),
		.src_port = htole32(guest_port),
		.dst_port = htole32(host_port),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(WINDOW),
		.fwd_cnt = htole32(taken),
	};
}

void vsock_say(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port, uint16_t op,
	       uint32_t flags)
{
	const struct virtio_vsock_hdr h = vsock_header(guest_port, host_port, op, flags, 0, 0);

	vsock_say_header(s, &h, NULL, 0);
	assert_true(driver_take(&s->d, VSOCK_FROM_GUEST, NULL, NULL));
}

void vsock_say_data(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port,
		    const void *data, uint32_t len)
{
	const struct virtio_vsock_hdr h =
		vsock_header(guest_port, host_port, VIRTIO_VSOCK_OP_RW, 0, len, 0);

	vsock_say_header(s, &h, data, len);
	assert_true(driver_take(&s->d, VSOCK_FROM_GUEST, NULL, NULL));
}

bool vsock_hear(struct vsock_scene *s)
{
	uint16_t head;
	uint32_t len;
	const char *buffer;

	driver_turn(&s->d);
	if (!driver_take(&s->d, VSOCK_TO_GUEST, &head, &len))
		return false;
	buffer = driver_at(&s->d, s->buffers[head]);
	assert_in_range(len, sizeof(s->got), VSOCK_BUFFER_SIZE);
	memcpy(&s->got, buffer, sizeof(s->got));
	assert_int_equal(le64toh(s->got.src_cid), 2);
	assert_int_equal(le64toh(s->got.dst_cid), VSOCK_CID);
	assert_int_equal(le32toh(s->got.len), len - sizeof(s->got));
	memset(s->data, 0, sizeof(s->data));
	memcpy(s->data, buffer + sizeof(s->got), len - sizeof(s->got));
	vsock_give_buffer(s, s->buffers[head]);
	return true;
}

void vsock_expect(struct vsock_scene *s, uint16_t op)
{
	assert_true(vsock_hear(s));
	assert_int_equal(le16toh(s->got.op), op);
}

bool vsock_is_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

int vsock_greet(struct vsock_scene *s, const char *text)
{
	int fd = unix_connect(s->path);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	return fd;
}

uint32_t vsock_accept(struct vsock_scene *s, int fd)
{
	cleanup_free char *answer = NULL;
	char line[32] = "";
	uint32_t port;

	vsock_expect(s, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(le32toh(s->got.dst_port), VSOCK_PORT);
	port = le32toh(s->got.src_port);
	vsock_say(s, VSOCK_PORT, port, VIRTIO_VSOCK_OP_RESPONSE, 0);
	answer = xasprintf("OK %u\n", port);
	assert_int_equal(recv(fd, line, sizeof(line), MSG_DONTWAIT), strlen(answer));
	assert_string_equal(line, answer);
	return port;
}

uint32_t vsock_connect_guest(struct vsock_scene *s, int *ret_fd)
{
	cleanup_free char *greeting = xasprintf("CONNECT %d\n", VSOCK_PORT);

	*ret_fd = vsock_greet(s, greeting);
	return vsock_accept(s, *ret_fd);
}

int vsock_connect_host(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port)
{
	cleanup_free char *path = xasprintf("%s_%u", s->path, host_port);
	cleanup_fd int listener = unix_listen(path, 0600);
	int fd;

	assert_true(listener >= 0);
	vsock_say(s, guest_port, host_port, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_expect(s, VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

size_t vsock_say_all(struct vsock_scene *s, uint32_t port)
{
	char block[4096];
	size_t said = 0, room = VIRTIO_VSOCK_BUFFER;

	memset(block, 'y', sizeof(block));
	while (room >= sizeof(block)) {
		vsock_say_data(s, VSOCK_PORT, port, block, sizeof(block));
		said += sizeof(block);
		while (vsock_hear(s))
			assert_int_equal(le16toh(s->got.op), VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		room = VIRTIO_VSOCK_BUFFER - (said - le32toh(s->got.fwd_cnt));
	}
	return said;
}

size_t vsock_drain(struct vsock_scene *s, int fd)
{
	char block[4096];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0) {
		got += (size_t)n;
		driver_turn(&s->d);
	}
	return got;
}
