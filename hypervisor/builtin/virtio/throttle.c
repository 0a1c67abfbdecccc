/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/throttle.h"

#include <time.h>

#include "hypervisor/builtin/virtio/device.h"
#include "lib/base/loop.h"

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void throttle_init(struct throttle *t, struct virtio_device *dev, unsigned int queue,
		   const struct rate_limit *bytes, const struct rate_limit *requests)
{
	static const struct rate_limit none;

	*t = (struct throttle){ .dev = dev, .queue = queue };
	rate_bucket_init(&t->bytes, bytes ? bytes : &none, now_ns());
	rate_bucket_init(&t->requests, requests ? requests : &none, now_ns());
}

static void on_timer(void *ctx)
{
	struct throttle *t = ctx;

	t->timer = NULL;
	virtio_device_again(t->dev, t->queue);
}

bool throttle_pass(struct throttle *t, uint64_t bytes)
{
	int64_t now = now_ns();
	int wait_ms = 0;

	if (!rate_bucket_has(&t->bytes, bytes, now))
		wait_ms = rate_bucket_wait_ms(&t->bytes, bytes);
	else if (!rate_bucket_has(&t->requests, 1, now))
		wait_ms = rate_bucket_wait_ms(&t->requests, 1);
	if (wait_ms) {
		t->dev->metrics.throttled++;
		if (!t->timer)
			t->timer = loop_add_timer(t->dev->loop, wait_ms, on_timer, t);
		return false;
	}
	rate_bucket_take(&t->bytes, bytes);
	rate_bucket_take(&t->requests, 1);
	return true;
}

bool throttle_is_waiting(const struct throttle *t)
{
	return t->timer;
}

void throttle_stop(struct throttle *t)
{
	loop_remove(t->timer);
	t->timer = NULL;
}
