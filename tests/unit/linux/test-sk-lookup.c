/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/linux/netdev.h"
#include "lib/linux/sk-lookup.h"

#define NOT_HERE 2

/* In a child with a network of its own, where a failed check is the number of its line. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ & 255);                                                     \
	} while (0)

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -errno;
}

static void check_in_network(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int link, conn;

	CHECK(netns >= 0 && listener >= 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(listener, 8) == 0);
	CHECK(connect_to(80) == -ECONNREFUSED);
	link = sk_lookup_loopback(netns, listener);
	if (link == -EPERM || link == -ENOSYS || link == -EINVAL)
		_exit(NOT_HERE);
	CHECK(link >= 0);
	for (uint16_t port = 80; port < 10000; port = (uint16_t)(port * 5)) {
		CHECK(connect_to(port) >= 0);
		conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		CHECK(conn >= 0);
		CHECK(getsockname(conn, (struct sockaddr *)&address, &len) == 0);
		CHECK(ntohs(address.sin_port) == port);
	}
	close(link);
	CHECK(connect_to(81) == -ECONNREFUSED);
}

static void a_socket_gets_the_connections_to_every_port(void **state)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNET) == 0);
		CHECK(netdev_up("lo") == 0);
		check_in_network();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE) {
		print_message("skipped: this kernel has no such programs, or not for us\n");
		skip();
	}
	if (status)
		fail_msg("check in line %d failed", WEXITSTATUS(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_gets_the_connections_to_every_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
