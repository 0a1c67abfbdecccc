/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "hypervisor/builtin/virtio/rng.h"

static uint64_t ask(struct driver *d, uint32_t len)
{
	const struct driver_buffer buffer = { driver_alloc(d, len), len, true };

	driver_add(d, 0, &buffer, 1);
	driver_kick(d, 0);
	return buffer.gpa;
}

static void a_guest_gets_bytes_that_differ(void **state)
{
	struct driver d;
	uint64_t first, second;

	driver_init(&d, virtio_rng_new(NULL));
	driver_start(&d, ~0ULL);
	first = ask(&d, 32);
	assert_int_equal(driver_await(&d, 0), 32);
	second = ask(&d, 32);
	assert_int_equal(driver_await(&d, 0), 32);
	assert_memory_not_equal(driver_at(&d, first), driver_at(&d, second), 32);
	assert_int_equal(virtio_mmio_device(d.mmio)->metrics.read_bytes, 64);
	driver_done(&d);
}

static void a_large_request_gets_a_part(void **state)
{
	struct driver d;

	driver_init(&d, virtio_rng_new(NULL));
	driver_start(&d, ~0ULL);
	ask(&d, 1 << 20);
	assert_int_equal(driver_await(&d, 0), VIRTIO_RNG_MAX);
	driver_done(&d);
}

static void a_limit_holds_back_what_is_too_much(void **state)
{
	/* So little that no more comes within any test. */
	const struct rate_limit limit = { .per_second = 1, .burst = 64 };
	struct driver d;

	driver_init(&d, virtio_rng_new(&limit));
	driver_start(&d, ~0ULL);
	ask(&d, 64);
	assert_int_equal(driver_await(&d, 0), 64);
	ask(&d, 64);
	driver_turn(&d);
	assert_false(driver_take(&d, 0, NULL, NULL));
	assert_int_equal(virtio_mmio_device(d.mmio)->metrics.throttled, 1);
	/* Waiting for it does not survive a reset. */
	driver_reset(&d);
	driver_start(&d, 0);
	ask(&d, 64);
	assert_int_equal(driver_await(&d, 0), 64);
	driver_done(&d);
}

static void what_is_held_back_comes_in_time(void **state)
{
	const struct rate_limit limit = { .per_second = 4000, .burst = 1000 };
	struct driver d;
	uint32_t len = 0;

	driver_init(&d, virtio_rng_new(&limit));
	driver_start(&d, ~0ULL);
	ask(&d, 1000);
	ask(&d, 1000);
	assert_int_equal(driver_await(&d, 0), 1000);
	while (!driver_take(&d, 0, NULL, &len))
		driver_turn(&d);
	assert_int_equal(len, 1000);
	driver_done(&d);
}

static void a_chain_without_room_is_given_back(void **state)
{
	struct driver d;
	struct driver_buffer buffer;

	driver_init(&d, virtio_rng_new(NULL));
	driver_start(&d, ~0ULL);
	buffer = (struct driver_buffer){ driver_alloc(&d, 16), 16, false };
	driver_add(&d, 0, &buffer, 1);
	driver_kick(&d, 0);
	assert_int_equal(driver_await(&d, 0), 0);
	driver_done(&d);
}

static void many_requests_are_all_served(void **state)
{
	struct driver d;

	driver_init(&d, virtio_rng_new(NULL));
	driver_start(&d, ~0ULL);
	for (int i = 0; i < DRIVER_QUEUE_SIZE; i++)
		ask(&d, 8);
	for (int i = 0; i < DRIVER_QUEUE_SIZE; i++)
		assert_int_equal(driver_await(&d, 0), 8);
	driver_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_gets_bytes_that_differ),
		cmocka_unit_test(a_large_request_gets_a_part),
		cmocka_unit_test(a_limit_holds_back_what_is_too_much),
		cmocka_unit_test(what_is_held_back_comes_in_time),
		cmocka_unit_test(a_chain_without_room_is_given_back),
		cmocka_unit_test(many_requests_are_all_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
