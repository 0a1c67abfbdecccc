/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * What a guest says to a host that has asked it everything there is: bytes for the line that a
 * connection begins with, and then for its answers. Each call ends exactly once.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_reply(void *ctx, const void *response, const struct error *err)
{
	bool *is_answered = ctx;

	if (*is_answered || !response == !err)
		abort();
	if (err && (!err->code || strpbrk(err->msg, "\033\n\r\t\177")))
		abort(); /* it goes to a terminal */
	*is_answered = true;
}

static void ask_everything(struct agent_client *client, bool answered[AGENT_METHOD_COUNT])
{
	for (int i = 0; i < AGENT_METHOD_COUNT; i++) {
		cleanup_free void *request = xcalloc(1, agent_methods[i].request_size);

		if (agent_call_async(client, (enum agent_method)i, request, -1, on_reply,
				     &answered[i], NULL) < 0)
			abort();
	}
}

static void try_answers(struct loop *loop, int fd)
{
	bool answered[AGENT_METHOD_COUNT] = { false };
	const bool never = false;
	struct agent_client *client;

	if (agent_client_new(loop, fd, &client) < 0)
		abort();
	ask_everything(client, answered);
	(void)loop_run_until(loop, &never, 1);
	agent_client_free(client);
	for (size_t i = 0; i < AGENT_METHOD_COUNT; i++)
		if (!answered[i])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	struct loop *loop;
	uint32_t port;
	int pair[2];

	if (!size || loop_new(&loop) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	/* Larger ones than the socket takes are no use here. */
	(void)!send(pair[1], data + 1, size - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(pair[1], SHUT_WR);
	if (!(data[0] & 1) || agent_handshake(loop, pair[0], AGENT_PORT_RPC, 10, &port, &err) == 0)
		try_answers(loop, pair[0]);
	else if (!err.code || strpbrk(err.msg, "\033\n\r\t\177"))
		abort();
	else
		close(pair[0]);
	close(pair[1]);
	loop_free(loop);
	return 0;
}
