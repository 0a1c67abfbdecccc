/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/renewal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "agent/client/client.h"

#define SEED_BYTES 64
#define CALL_TIMEOUT_MS 60000

int renewal_begin(struct agent_client *client, struct renewal *renewal, struct error *err)
{
	unsigned char seed[SEED_BYTES];
	const grpc_ReseedRandomDevRequest reseed = { .data = { seed, sizeof(seed) } };
	grpc_SetGuestDateTimeRequest clock = { 0 };
	struct timespec now;
	int r;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed) ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0)
		return error_sys(err, errno, "renew the guest");
	r = agent_call_async(client, AGENT_RESEED_RANDOM_DEV, &reseed, CALL_TIMEOUT_MS,
			     pending_answer, &renewal->seed, err);
	explicit_bzero(seed, sizeof(seed));
	if (r < 0)
		return r;
	clock.sec = now.tv_sec;
	clock.usec = now.tv_nsec / 1000;
	return agent_call_async(client, AGENT_SET_GUEST_DATE_TIME, &clock, CALL_TIMEOUT_MS,
				pending_answer, &renewal->clock, err);
}

int renewal_await(struct loop *loop, const struct renewal *renewal, struct error *err)
{
	int r = pending_await(loop, &renewal->seed, err);

	return r < 0 ? r : pending_await(loop, &renewal->clock, err);
}
