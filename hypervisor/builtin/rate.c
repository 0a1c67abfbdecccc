/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/rate.h"

#define NS_PER_SECOND 1000000000LL
#define RATE_MAX ((uint64_t)1 << 60)
#define WAIT_MAX_MS 1000

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void rate_bucket_init(struct rate_bucket *bucket, const struct rate_limit *limit, int64_t now_ns)
{
	*bucket = (struct rate_bucket){ .filled_ns = now_ns };
	bucket->limit.per_second = smaller(limit->per_second, RATE_MAX);
	bucket->limit.burst = smaller(limit->burst ? limit->burst : limit->per_second, RATE_MAX);
	bucket->tokens = (int64_t)bucket->limit.burst;
}

static void fill(struct rate_bucket *b, int64_t now_ns)
{
	__int128 rate = b->limit.per_second;
	__int128 gained = rate * (now_ns - b->filled_ns) / NS_PER_SECOND;

	if (gained <= 0)
		return;
	if (b->tokens + gained >= (__int128)b->limit.burst) {
		b->tokens = (int64_t)b->limit.burst;
		b->filled_ns = now_ns;
		return;
	}
	b->tokens += (int64_t)gained;
	/* What is not yet a whole token counts the next time. */
	b->filled_ns += (int64_t)(gained * NS_PER_SECOND / rate);
}

bool rate_bucket_has(struct rate_bucket *b, uint64_t amount, int64_t now_ns)
{
	if (!b->limit.per_second)
		return true;
	fill(b, now_ns);
	return b->tokens >= (int64_t)smaller(amount, b->limit.burst);
}

void rate_bucket_take(struct rate_bucket *b, uint64_t amount)
{
	if (b->limit.per_second)
		b->tokens -= (int64_t)smaller(amount, RATE_MAX);
}

int rate_bucket_wait_ms(const struct rate_bucket *b, uint64_t amount)
{
	__int128 missing = (__int128)smaller(amount, b->limit.burst) - b->tokens;
	__int128 ms = b->limit.per_second ? missing * 1000 / b->limit.per_second + 1 : 1;

	if (ms < 1)
		return 1;
	return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}
