/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * A token bucket: so much at once, and so much a second from then on. Pure: who asks says what time
 * it is. A rate of 0 is no limit.
 */
struct rate_limit {
	uint64_t per_second;
	uint64_t burst; /* 0: as much as a second gives */
};

struct rate_bucket {
	struct rate_limit limit;
	int64_t tokens; /* below zero: what has passed already is still to be paid off */
	int64_t filled_ns;
};

void rate_bucket_init(struct rate_bucket *bucket, const struct rate_limit *limit, int64_t now_ns);
/* Whether @amount may pass now. One larger than the bucket may when that is full. */
bool rate_bucket_has(struct rate_bucket *bucket, uint64_t amount, int64_t now_ns);
void rate_bucket_take(struct rate_bucket *bucket, uint64_t amount);
/* Milliseconds from the last rate_bucket_has() until another one is worth while; at least 1. */
int rate_bucket_wait_ms(const struct rate_bucket *bucket, uint64_t amount);
