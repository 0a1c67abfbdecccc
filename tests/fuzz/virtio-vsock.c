/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/fd.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CID 3
#define PORT 7 /* of a service of the host's */
#define PEERS 4

static char dir[] = "/tmp/moat-fuzz-XXXXXX";
static char path[sizeof(dir) + 8];
static int service = -1;
static int peers[PEERS] = { -1, -1, -1, -1 };

static void remove_dir(void)
{
	(void)remove_tree_at(AT_FDCWD, dir);
}

/* Once a process. */
static void prepare(void)
{
	char service_path[sizeof(path) + 8];

	if (service >= 0)
		return;
	(void)signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir) || atexit(remove_dir) != 0)
		abort();
	snprintf(path, sizeof(path), "%s/v", dir);
	snprintf(service_path, sizeof(service_path), "%s_%d", path, PORT);
	service = unix_listen(service_path, 0600);
	if (service < 0 || set_nonblock(service, true) < 0)
		abort();
}

static void set_peer(unsigned int i, int fd)
{
	if (peers[i] >= 0)
		close(peers[i]);
	peers[i] = fd;
}

static void end(void)
{
	int fd;

	for (unsigned int i = 0; i < PEERS; i++)
		set_peer(i, -1);
	while ((fd = accept(service, NULL, NULL)) >= 0)
		close(fd);
}

static struct virtio_device *make(void)
{
	struct virtio_vsock_options options = { .guest_cid = CID, .path = path };
	struct virtio_device *dev;

	(void)unlink(path);
	options.listen_fd = unix_listen(path, 0600);
	if (options.listen_fd < 0 || virtio_vsock_new(&options, &dev, NULL) < 0)
		abort();
	return dev;
}

static void greet(unsigned int i, uint8_t port)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "CONNECT %u\n", port);

	set_peer(i, unix_connect_nonblock(path));
	(void)!send(peers[i], line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A socket, or one end of a pipe, of which we keep the other. */
static void hand_over(unsigned int i, bool is_writer)
{
	int fds[2], client = unix_connect_nonblock(path);

	(void)!send(client, "passfd\n", 7, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (client < 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	(void)send_fds(client, "5", 1, &fds[is_writer], 1);
	close(fds[is_writer]);
	set_peer(i, fds[!is_writer]);
	close(client);
}

static void act(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len)
{
	unsigned int i = what / 9 % PEERS;
	char drain[65536];

	switch (what % 9) {
	case 0:
		set_peer(i, unix_connect_nonblock(path));
		break;
	case 1:
		greet(i, len ? data[0] : 0);
		break;
	case 2:
		set_peer(i, accept4(service, NULL, NULL, SOCK_NONBLOCK));
		break;
	case 3:
		(void)shutdown(peers[i], SHUT_WR);
		break;
	case 4:
		set_peer(i, -1);
		break;
	case 5:
		(void)!read(peers[i], drain, sizeof(drain));
		break;
	case 6:
		hand_over(i, len && (data[0] & 1));
		break;
	default:
		(void)!write(peers[i], data, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make, .act = act, .end = end };

	prepare();
	hostile_run(&device, data, size);
	return 0;
}
