/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hypervisor/builtin/memory.h"

#define PAGE GUEST_MEMORY_ALIGN

static uint8_t pages[4][PAGE] __attribute__((aligned(GUEST_MEMORY_ALIGN)));

/* Two that touch, and one at the very end of what an address can say. */
static struct guest_memory make_memory(void)
{
	struct guest_memory mem = { 0 };

	memset(pages, 0, sizeof(pages));
	assert_int_equal(guest_memory_add(&mem, 4 * PAGE, PAGE, pages[2]), 0);
	assert_int_equal(guest_memory_add(&mem, 5 * PAGE, PAGE, pages[0]), 0);
	assert_int_equal(guest_memory_add(&mem, UINT64_MAX - 2 * PAGE + 1, PAGE, pages[1]), 0);
	return mem;
}

static void a_region_is_aligned_and_alone(void **state)
{
	struct guest_memory mem = make_memory();

	assert_int_equal(guest_memory_add(&mem, 8 * PAGE + 1, PAGE, pages[3]), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 8 * PAGE, PAGE - 1, pages[3]), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 8 * PAGE, PAGE, pages[3] + 8), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 8 * PAGE, 0, pages[3]), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 8 * PAGE, PAGE, NULL), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, UINT64_MAX - PAGE + 1, PAGE, pages[3]), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 3 * PAGE, 2 * PAGE, pages[3]), -EINVAL);
	assert_int_equal(guest_memory_add(&mem, 5 * PAGE, PAGE, pages[3]), -EINVAL);
	for (uint64_t gpa = 8 * PAGE; mem.count < GUEST_MEMORY_REGIONS_MAX; gpa += PAGE)
		assert_int_equal(guest_memory_add(&mem, gpa, PAGE, pages[3]), 0);
	assert_int_equal(guest_memory_add(&mem, 1024 * PAGE, PAGE, pages[3]), -ENOSPC);
}

static void a_pointer_lies_wholly_within_one_region(void **state)
{
	struct guest_memory mem = make_memory();

	assert_ptr_equal(guest_memory_at(&mem, 4 * PAGE, PAGE), pages[2]);
	assert_ptr_equal(guest_memory_at(&mem, 5 * PAGE - 1, 1), pages[2] + PAGE - 1);
	assert_ptr_equal(guest_memory_at(&mem, 5 * PAGE, 1), pages[0]);
	assert_null(guest_memory_at(&mem, 5 * PAGE - 1, 2));
	assert_null(guest_memory_at(&mem, 4 * PAGE - 1, 1));
	assert_null(guest_memory_at(&mem, 6 * PAGE, 1));
	assert_null(guest_memory_at(&mem, 4 * PAGE, 0));
}

static void lengths_that_wrap_around_are_outside(void **state)
{
	struct guest_memory mem = make_memory();
	uint64_t last = UINT64_MAX - PAGE;

	assert_ptr_equal(guest_memory_at(&mem, last, 1), pages[1] + PAGE - 1);
	assert_null(guest_memory_at(&mem, last, 2));
	assert_null(guest_memory_at(&mem, last, UINT64_MAX));
	assert_null(guest_memory_at(&mem, 4 * PAGE, UINT64_MAX));
	assert_null(guest_memory_at(&mem, UINT64_MAX, 1));
}

static void a_span_ends_with_its_region(void **state)
{
	struct guest_memory mem = make_memory();
	uint64_t len;

	assert_ptr_equal(guest_memory_span(&mem, 5 * PAGE - 10, 100, &len), pages[2] + PAGE - 10);
	assert_int_equal(len, 10);
	assert_ptr_equal(guest_memory_span(&mem, 5 * PAGE - 10, 5, &len), pages[2] + PAGE - 10);
	assert_int_equal(len, 5);
	assert_null(guest_memory_span(&mem, 7 * PAGE, 5, &len));
	assert_int_equal(len, 0);
}

static void copies_cross_a_border_and_no_hole(void **state)
{
	struct guest_memory mem = make_memory();
	char text[12] = "";

	assert_true(guest_memory_write(&mem, 5 * PAGE - 5, "hello world", 12));
	assert_memory_equal(pages[2] + PAGE - 5, "hello", 5);
	assert_string_equal((char *)pages[0], " world");
	assert_true(guest_memory_read(&mem, 5 * PAGE - 5, text, sizeof(text)));
	assert_string_equal(text, "hello world");
	assert_false(guest_memory_write(&mem, 6 * PAGE - 5, "hello world", 12));
	assert_false(guest_memory_read(&mem, 6 * PAGE - 5, text, sizeof(text)));
	assert_true(guest_memory_read(&mem, 100 * PAGE, text, 0));
}

static void words_are_little_endian_and_aligned(void **state)
{
	static const uint8_t bytes[] = { 8, 7, 6, 5, 4, 3, 2, 1 };
	struct guest_memory mem = make_memory();
	uint64_t word64 = 0;
	uint32_t word32 = 0;
	uint16_t word16 = 0;

	assert_true(guest_memory_write_u64(&mem, 4 * PAGE, 0x0102030405060708));
	assert_memory_equal(pages[2], bytes, sizeof(bytes));
	assert_true(guest_memory_read_u64(&mem, 4 * PAGE, &word64));
	assert_int_equal(word64, 0x0102030405060708);
	assert_true(guest_memory_read_u32(&mem, 4 * PAGE + 4, &word32));
	assert_int_equal(word32, 0x01020304);
	assert_true(guest_memory_read_u16(&mem, 4 * PAGE + 2, &word16));
	assert_int_equal(word16, 0x0506);
	assert_true(guest_memory_write_u32(&mem, 4 * PAGE, 0));
	assert_true(guest_memory_write_u16(&mem, 4 * PAGE + 4, 0));
	assert_true(guest_memory_read_u64(&mem, 4 * PAGE, &word64));
	assert_int_equal(word64, 0x0102000000000000);
	assert_false(guest_memory_read_u64(&mem, 4 * PAGE + 4, &word64));
	assert_false(guest_memory_write_u32(&mem, 4 * PAGE + 2, 0));
	assert_false(guest_memory_write_u16(&mem, 4 * PAGE + 1, 0));
	assert_false(guest_memory_read_u16(&mem, 6 * PAGE, &word16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_region_is_aligned_and_alone),
		cmocka_unit_test(a_pointer_lies_wholly_within_one_region),
		cmocka_unit_test(lengths_that_wrap_around_are_outside),
		cmocka_unit_test(a_span_ends_with_its_region),
		cmocka_unit_test(copies_cross_a_border_and_no_hole),
		cmocka_unit_test(words_are_little_endian_and_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
