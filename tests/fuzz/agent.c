/* SPDX-License-Identifier: Apache-2.0 */
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The agent as it is in a guest, fed with what arrives on its channel: yamux frames, CONNECT lines,
 * ttRPC, requests. With the first byte's lowest bit the rest are the bytes of one RPC connection.
 *
 * The requests are carried out, so it must not be able to do anything: it is nobody, and may not
 * start processes.
 */
#define NOBODY 65534

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_setup(&(struct log_options){ .program = "fuzz", .level = LOG_LEVEL_ERROR, .fd = -1 });
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0))
		abort();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		abort();
	return 0;
}

/* Not while requests are carried out: libFuzzer and the sanitizers have threads of their own, and
 * the corpus may be where nobody can read it. */
static void allow_everything(bool is_allowed)
{
	uid_t real, effective, saved;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || getresuid(&real, &effective, &saved) < 0)
		abort();
	limit.rlim_cur = is_allowed ? limit.rlim_max : 0;
	if (setrlimit(RLIMIT_NPROC, &limit) < 0)
		abort();
	/* By the real one too, since root's processes are not counted. */
	if (saved == 0 &&
	    setresuid(is_allowed ? 0 : NOBODY, is_allowed ? 0 : NOBODY, (uid_t)-1) < 0)
		abort();
}

static void put_u32(uint8_t *out, size_t value)
{
	for (int i = 3; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

/* A stream to port 1024 and one data frame with @data in it. */
static void send_stream(int fd, const uint8_t *data, size_t size)
{
	static const uint8_t open_stream[] = { 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0 };
	static const char line[] = "CONNECT 1024\n";
	uint8_t header[12] = { 0, 0, 0, 0, 0, 0, 0, 1 };

	put_u32(header + 8, sizeof(line) - 1 + size);
	(void)!send(fd, open_stream, sizeof(open_stream), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)!send(fd, header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)!send(fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)!send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct agent_server_options options = { .is_guest = false };
	struct agent_server *server;
	struct error err = ERROR_INIT;
	const bool never = false;
	struct loop *loop;
	int pair[2];

	if (!size || loop_new(&loop) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	allow_everything(false);
	if (agent_server_new(loop, &options, &server, &err) < 0 ||
	    agent_server_listen_pipe(server, pair[0], &err) < 0)
		abort();
	if (data[0] & 1)
		send_stream(pair[1], data + 1, size - 1);
	else
		(void)!send(pair[1], data + 1, size - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)loop_run_until(loop, &never, 2);
	agent_server_free(server);
	allow_everything(true);
	close(pair[1]);
	loop_free(loop);
	return 0;
}
