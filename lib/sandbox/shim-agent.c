/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/creation.h"
#include "lib/sandbox/pending.h"
#include "lib/sandbox/renewal.h"

/* The shim and the guest's agent meet. */

#define CALL_TIMEOUT_MS 60000
#define FIRST_PATIENCE_MS 100

const char *creation_agent_address(const struct creation *c)
{
	return creation_is_member(c) ? c->member.sandbox.agent_address
				     : channel_address(c->vm.channel);
}

/* A socket of the VMM's own refuses until the guest is up, all others wait. */
static int dial(const struct creation *c, int timeout_ms, int *ret_fd, struct error *err)
{
	if (!creation_is_member(c) && c->vm.channel_kind == HV_CHANNEL_HYBRID)
		return agent_await(c->loop, c->address, AGENT_PORT_RPC, timeout_ms, ret_fd, NULL,
				   err);
	return agent_dial(c->loop, c->address, AGENT_PORT_RPC, timeout_ms, ret_fd, NULL, err);
}

static int connect_agent(struct creation *c, int timeout_ms, struct error *err)
{
	int fd = c->vm.is_restored ? steal_fd(&c->vm.agent_fd) : -1, r = 0;

	if (fd < 0)
		r = dial(c, timeout_ms, &fd, err);
	if (r < 0)
		return r;
	c->ready_ns = timing_now_ns();
	r = agent_client_new(c->loop, fd, &c->client);
	return r < 0 ? error_sys(err, r, "use the connection") : 0;
}

static int try_agent(struct creation *c, int timeout_ms, struct error *err)
{
	const grpc_CheckRequest request = grpc_CheckRequest_init_zero;
	grpc_HealthCheckResponse response;
	int r = connect_agent(c, timeout_ms, err);

	if (r < 0)
		return r;
	r = agent_call(c->client, AGENT_CHECK, &request, &response, timeout_ms, err);
	if (r == 0)
		agent_response_release(AGENT_CHECK, &response);
	else
		agent_client_free(steal_ptr(&c->client));
	return r;
}

/* A guest that lost its connections hears of it when it goes on, and drops one with them that came
 * before that, of which nobody is told. */
static int connect_again(struct creation *c, int timeout_ms, struct error *err)
{
	const long long deadline = now_ms() + timeout_ms;
	int patience_ms = FIRST_PATIENCE_MS, r;

	do {
		r = try_agent(c, patience_ms, err);
		patience_ms *= 2;
	} while (r < 0 && !c->vm.has_ended && now_ms() + patience_ms < deadline);
	return r;
}

static bool has_hung_up(const struct creation *c)
{
	return creation_goes_on(c) && c->vm.driver->features & HV_FEATURE_SAVE_HANGS_UP;
}

/* Connecting waits for the guest to come up; the first call makes sure that it is an agent that
 * came up. */
int creation_meet_agent(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_CheckRequest request = grpc_CheckRequest_init_zero;
	const struct opt_u32 *timeout = &c->settings.vm.boot_timeout_s;
	int timeout_s = timeout->is_set ? (int)timeout->value : SETTINGS_DEFAULT_BOOT_TIMEOUT_S;
	int r;

	c->address = channel_local_address(creation_agent_address(c));
	r = (has_hung_up(c) ? connect_again : connect_agent)(c, timeout_s * 1000, err);
	if (r < 0)
		return r;
	c->process.client = c->client;
	r = agent_call_async(c->client, AGENT_CHECK, &request, CALL_TIMEOUT_MS, pending_answer,
			     &c->check, err);
	if (r == 0 && creation_goes_on(c))
		r = renewal_begin(c->client, &c->renewal, err);
	if (r < 0)
		agent_client_free(steal_ptr(&c->client));
	return r;
}

int creation_await_agent(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = pending_await(c->loop, &c->check, err);

	if (r == 0 && creation_goes_on(c))
		r = renewal_await(c->loop, &c->renewal, err);
	if (r == 0)
		log_info("the guest's agent answers");
	return r;
}

void creation_leave_agent(void *ctx)
{
	struct creation *c = ctx;

	agent_client_free(steal_ptr(&c->client));
}
