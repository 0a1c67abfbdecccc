/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 2000
#define PORTS_FIRST 1024
#define PORTS_COUNT 6

/* Whether somebody took the connection and kept it: one who does not want it closes it. */
static int is_taken(uint32_t cid, uint32_t port)
{
	const struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN | POLLRDHUP };
	int is_kept = fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		      (poll(&wait, 1, PATIENCE_MS) == 0 ||
		       !(wait.revents & (POLLRDHUP | POLLHUP | POLLERR)));

	if (fd >= 0)
		close(fd);
	return is_kept;
}

/* vsock-dial CID…: says which ports of an agent's answer there. */
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		uint32_t cid;

		if (sscanf(argv[i], "%u", &cid) != 1)
			return 1;
		for (uint32_t port = PORTS_FIRST; port < PORTS_FIRST + PORTS_COUNT; port++)
			if (is_taken(cid, port))
				printf("%u:%u answers\n", cid, port);
	}
	puts("dialled");
	return 0;
}
