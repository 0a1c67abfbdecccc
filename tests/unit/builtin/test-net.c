/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "hypervisor/builtin/virtio/net.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { RECEIVE, SEND };

#define HEADER 12

struct scene {
	struct driver d;
	int fd; /* the other end */
};

static struct virtio_device *make_nic(int *ret_other_end, struct virtio_net_options options)
{
	struct virtio_device *dev = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	options.fd = fds[0];
	memcpy(options.mac, "\x02\x00\x00\x01\x02\x03", 6);
	assert_int_equal(virtio_net_new(&options, &dev, NULL), 0);
	*ret_other_end = fds[1];
	return dev;
}

static int make_with(void **state, struct virtio_net_options options, uint64_t features)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	driver_init(&s->d, make_nic(&s->fd, options));
	driver_start(&s->d, features);
	return 0;
}

static int make_scene(void **state)
{
	return make_with(state, (struct virtio_net_options){ .mtu = 1400 }, ~0ULL);
}

static int make_plain(void **state)
{
	return make_with(state, (struct virtio_net_options){ 0 },
			 ~(1ULL << VIRTIO_NET_F_MRG_RXBUF));
}

static int make_limited(void **state)
{
	const struct rate_limit limit = { .per_second = 1, .burst = 100 };

	return make_with(state, (struct virtio_net_options){ .received = limit, .sent = limit },
			 ~0ULL);
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

static uint64_t give_buffer(struct scene *s, uint32_t len)
{
	const struct driver_buffer buffer = { driver_alloc(&s->d, len), len, true };

	driver_add(&s->d, RECEIVE, &buffer, 1);
	driver_kick(&s->d, RECEIVE);
	return buffer.gpa;
}

/* A packet of so many bytes behind its header, all of them @c. */
static void arrive(struct scene *s, size_t len, char c)
{
	char *packet = xcalloc(1, HEADER + len);

	memset(packet + HEADER, c, len);
	assert_int_equal(send(s->fd, packet, HEADER + len, 0), HEADER + len);
	free(packet);
	driver_turn(&s->d);
}

static void send_packet(struct scene *s, uint32_t len, char c)
{
	const struct driver_buffer buffers[] = {
		{ driver_alloc(&s->d, HEADER), HEADER, false },
		{ driver_alloc(&s->d, len), len, false },
	};

	memset(driver_at(&s->d, buffers[1].gpa), c, len);
	driver_add(&s->d, SEND, buffers, 2);
	driver_kick(&s->d, SEND);
	driver_turn(&s->d);
}

static uint16_t number_of_buffers(struct scene *s, uint64_t gpa)
{
	const struct virtio_net_hdr_v1 *header = driver_at(&s->d, gpa);

	return le16toh(header->num_buffers);
}

static void a_driver_learns_of_address_and_mtu(void **state)
{
	struct scene *s = *state;
	uint8_t mac[6];
	uint16_t mtu;

	virtio_mmio_read(s->d.mmio, 0x100, mac, sizeof(mac));
	assert_memory_equal(mac, "\x02\x00\x00\x01\x02\x03", 6);
	virtio_mmio_read(s->d.mmio, 0x100 + offsetof(struct virtio_net_config, mtu), &mtu, 2);
	assert_int_equal(le16toh(mtu), 1400);
	assert_true(s->d.features >> VIRTIO_NET_F_MTU & 1);
	/* A socket can neither make checksums nor cut segments. */
	assert_false(s->d.features >> VIRTIO_NET_F_CSUM & 1);
}

static void packets_are_sent(void **state)
{
	struct scene *s = *state;
	char packet[200];

	send_packet(s, 100, 'p');
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_int_equal(recv(s->fd, packet, sizeof(packet), MSG_DONTWAIT), HEADER + 100);
	assert_int_equal(packet[HEADER], 'p');
	assert_int_equal(packet[HEADER + 99], 'p');
}

static void packets_that_cannot_be_are_dropped(void **state)
{
	struct scene *s = *state;
	char packet[200];

	send_packet(s, 13, 'p');
	send_packet(s, 70000, 'p');
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_int_equal(recv(s->fd, packet, sizeof(packet), MSG_DONTWAIT), -1);
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 2);
	/* Nor one for a guest. */
	give_buffer(s, 2000);
	assert_int_equal(send(s->fd, packet, 5, 0), 5);
	driver_turn(&s->d);
	assert_false(driver_take(&s->d, RECEIVE, NULL, NULL));
}

static void packets_are_received(void **state)
{
	struct scene *s = *state;
	uint64_t gpa = give_buffer(s, 2000);

	arrive(s, 60, 'q');
	assert_int_equal(driver_await(&s->d, RECEIVE), HEADER + 60);
	assert_int_equal(number_of_buffers(s, gpa), 1);
	assert_int_equal(*(char *)driver_at(&s->d, gpa + HEADER + 59), 'q');
}

static void a_packet_waits_for_room(void **state)
{
	struct scene *s = *state;
	uint64_t gpa;

	arrive(s, 60, '1');
	arrive(s, 70, '2');
	gpa = give_buffer(s, 2000);
	assert_int_equal(driver_await(&s->d, RECEIVE), HEADER + 60);
	assert_int_equal(*(char *)driver_at(&s->d, gpa + HEADER), '1');
	give_buffer(s, 2000);
	assert_int_equal(driver_await(&s->d, RECEIVE), HEADER + 70);
}

static void a_large_packet_takes_several_buffers_at_once(void **state)
{
	struct scene *s = *state;
	uint64_t gpa[3];
	uint32_t len;

	gpa[0] = give_buffer(s, 1000);
	gpa[1] = give_buffer(s, 1000);
	arrive(s, 2400, 'r');
	/* Not before all of it has room. */
	assert_false(driver_take(&s->d, RECEIVE, NULL, NULL));
	gpa[2] = give_buffer(s, 1000);
	assert_int_equal(driver_await(&s->d, RECEIVE), 1000);
	assert_true(driver_take(&s->d, RECEIVE, NULL, &len));
	assert_int_equal(len, 1000);
	assert_true(driver_take(&s->d, RECEIVE, NULL, &len));
	assert_int_equal(len, 412);
	assert_int_equal(number_of_buffers(s, gpa[0]), 3);
	assert_int_equal(*(char *)driver_at(&s->d, gpa[1]), 'r');
	assert_int_equal(*(char *)driver_at(&s->d, gpa[2] + 411), 'r');
	assert_int_equal(*(char *)driver_at(&s->d, gpa[2] + 412), 0);
}

static void a_packet_that_fits_into_no_buffer_is_dropped(void **state)
{
	struct scene *s = *state;
	uint64_t gpa = give_buffer(s, 100);

	arrive(s, 1000, 'x');
	arrive(s, 50, 'y');
	assert_int_equal(driver_await(&s->d, RECEIVE), HEADER + 50);
	assert_int_equal(*(char *)driver_at(&s->d, gpa + HEADER), 'y');
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 1);
}

static void a_full_other_side_holds_packets_back(void **state)
{
	struct scene *s = *state;
	char packet[200];
	int sent = 0, got = 0;

	do {
		send_packet(s, 100, 'p');
		sent++;
	} while (driver_take(&s->d, SEND, NULL, NULL));
	while (recv(s->fd, packet, sizeof(packet), MSG_DONTWAIT) > 0) {
		got++;
		driver_turn(&s->d);
	}
	assert_int_equal(got, sent);
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 0);
}

static void limits_hold_packets_back_in_both_directions(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 3; i++)
		give_buffer(s, 2000);
	arrive(s, 88, 'a');
	arrive(s, 88, 'b');
	assert_true(driver_take(&s->d, RECEIVE, NULL, NULL));
	assert_false(driver_take(&s->d, RECEIVE, NULL, NULL));
	send_packet(s, 88, 'a');
	send_packet(s, 88, 'b');
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_false(driver_take(&s->d, SEND, NULL, NULL));
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.throttled, 2);
}

static void an_other_side_that_is_gone_is_an_unplugged_cable(void **state)
{
	struct scene *s = *state;

	close(s->fd);
	s->fd = -1;
	give_buffer(s, 2000);
	send_packet(s, 100, 'p');
	assert_true(driver_take(&s->d, SEND, NULL, NULL));
	assert_false(driver_take(&s->d, RECEIVE, NULL, NULL));
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.dropped, 1);
}

static void a_tap_is_taken_with_offloads(void **state)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct virtio_net_options options = { .fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC) };
	struct virtio_device *dev = NULL;
	struct driver d;
	int header = 0;

	if (options.fd < 0 || ioctl(options.fd, TUNSETIFF, &request) < 0) {
		print_message("no tap can be made here: %s\n", strerror(errno));
		if (options.fd >= 0)
			close(options.fd);
		skip();
	}
	assert_int_equal(virtio_net_new(&options, &dev, NULL), 0);
	driver_init(&d, dev);
	driver_start(&d, ~0ULL);
	assert_true(d.features >> VIRTIO_NET_F_GUEST_TSO4 & 1);
	assert_int_equal(ioctl(options.fd, TUNGETVNETHDRSZ, &header), 0);
	assert_int_equal(header, HEADER);
	driver_done(&d);
}

static void what_carries_no_packets_is_refused(void **state)
{
	struct virtio_net_options options = { .fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
	struct virtio_device *dev = NULL;
	struct error err = ERROR_INIT;
	int stream;

	assert_int_equal(virtio_net_new(&options, &dev, &err), -EINVAL);
	assert_string_equal(err.msg, "make a network interface: neither a tap with IFF_VNET_HDR "
				     "nor a socket of packets");
	close(options.fd);
	stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	options.fd = stream;
	assert_int_equal(virtio_net_new(&options, &dev, NULL), -EINVAL);
	close(stream);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_driver_learns_of_address_and_mtu),
		IN_SCENE(packets_are_sent),
		IN_SCENE(packets_that_cannot_be_are_dropped),
		IN_SCENE(packets_are_received),
		IN_SCENE(a_packet_waits_for_room),
		IN_SCENE(a_large_packet_takes_several_buffers_at_once),
		cmocka_unit_test_setup_teardown(a_packet_that_fits_into_no_buffer_is_dropped,
						make_plain, drop_scene),
		IN_SCENE(a_full_other_side_holds_packets_back),
		cmocka_unit_test_setup_teardown(limits_hold_packets_back_in_both_directions,
						make_limited, drop_scene),
		IN_SCENE(an_other_side_that_is_gone_is_an_unplugged_cable),
		cmocka_unit_test(a_tap_is_taken_with_offloads),
		cmocka_unit_test(what_carries_no_packets_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
