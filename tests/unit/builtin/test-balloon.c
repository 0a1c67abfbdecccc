/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <linux/virtio_balloon.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/balloon.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/str.h"

enum { INFLATE, DEFLATE, REPORT_OF_OLD_LINUX, REPORT = 4 };

#define PAGE 4096
#define WANTED 0x100 /* offsets in the window */
#define ACTUAL 0x104

struct scene {
	struct driver d;
	uint64_t pages; /* 8 of them */
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	driver_init(&s->d, virtio_balloon_new());
	driver_start(&s->d, ~0ULL);
	s->pages = (driver_alloc(&s->d, 9 * PAGE) + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	memset(driver_at(&s->d, s->pages), 'x', 8 * PAGE);
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	driver_done(&s->d);
	free(s);
	return 0;
}

static void put(struct scene *s, unsigned int queue, const uint32_t *pfns, size_t count)
{
	const struct driver_buffer buffer = { driver_alloc(&s->d, count * 4), (uint32_t)count * 4,
					      false };
	uint32_t *at = driver_at(&s->d, buffer.gpa);

	for (size_t i = 0; i < count; i++)
		at[i] = htole32(pfns[i]);
	driver_add(&s->d, queue, &buffer, 1);
	driver_kick(&s->d, queue);
	driver_await(&s->d, queue);
}

/* Which of the pages still have what was in them, as letters. */
static void assert_kept(struct scene *s, const char *expected)
{
	char kept[9] = "";

	for (int i = 0; i < 8; i++) {
		const char *page = driver_at(&s->d, s->pages + (uint64_t)i * PAGE);

		kept[i] = *page ? *page : '-';
		assert_int_equal(page[0], page[PAGE - 1]);
	}
	assert_string_equal(kept, expected);
}

static void pages_in_the_balloon_are_given_back(void **state)
{
	struct scene *s = *state;
	uint32_t first = (uint32_t)(s->pages / PAGE);
	const uint32_t pfns[] = { first + 5, first + 4, first + 3, first, first + 7 };

	put(s, INFLATE, pfns, ARRAY_SIZE(pfns));
	assert_kept(s, "-xx---x-");
	/* They come back when they are touched. */
	put(s, DEFLATE, pfns, ARRAY_SIZE(pfns));
	memset(driver_at(&s->d, s->pages), 'y', PAGE);
	assert_kept(s, "yxx---x-");
}

static void pages_that_are_none_change_nothing(void **state)
{
	static const uint32_t pfns[] = { 0, UINT32_MAX, UINT32_MAX - 1, 1,
					 (DRIVER_GPA + DRIVER_MEMORY) / PAGE };
	struct scene *s = *state;

	put(s, INFLATE, pfns, ARRAY_SIZE(pfns));
	assert_kept(s, "xxxxxxxx");
}

static void report(struct scene *s, unsigned int queue, uint64_t gpa, uint32_t len)
{
	const struct driver_buffer buffer = { gpa, len, true };

	driver_add(&s->d, queue, &buffer, 1);
	driver_kick(&s->d, queue);
	driver_await(&s->d, queue);
}

static void reported_pages_are_given_back_whole_ones_only(void **state)
{
	struct scene *s = *state;

	report(s, REPORT, s->pages + 2 * PAGE, 2 * PAGE);
	assert_kept(s, "xx--xxxx");
	report(s, REPORT_OF_OLD_LINUX, s->pages + 4 * PAGE + 1, 2 * PAGE);
	assert_kept(s, "xx--x-xx");
	report(s, REPORT, s->pages + 7 * PAGE, PAGE - 1);
	assert_kept(s, "xx--x-xx");
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.written_bytes, 5 * PAGE - 1);
}

static void memory_of_a_file_leaves_the_file(void **state)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	struct scene *s = *state;
	void *shared;
	char c = 0;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	memset(shared, 'x', PAGE);
	assert_int_equal(guest_memory_add(&s->d.mem, 1ULL << 32, PAGE, shared), 0);
	put(s, INFLATE, (uint32_t[]){ (1ULL << 32) / PAGE }, 1);
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	assert_int_equal(c, 0);
	munmap(shared, PAGE);
	close(fd);
}

static void a_guest_hears_what_it_shall_do_without(void **state)
{
	struct scene *s = *state;
	struct virtio_device *dev = virtio_mmio_device(s->d.mmio);

	virtio_balloon_resize(dev, 3);
	assert_int_equal(driver_read(&s->d, WANTED), 3 * 256);
	assert_true(driver_interrupts(&s->d) > 0);
	driver_write(&s->d, ACTUAL, 512);
	driver_write(&s->d, WANTED, 0);
	assert_int_equal(virtio_balloon_actual(dev), 2 << 20);
	assert_int_equal(driver_read(&s->d, WANTED), 3 * 256);
	/* Both are so where the machine goes on. */
	dev = virtio_balloon_new();
	driver_move(&s->d, dev);
	assert_int_equal(virtio_balloon_actual(dev), 2 << 20);
	assert_int_equal(driver_read(&s->d, WANTED), 3 * 256);
	assert_int_equal(driver_read(&s->d, ACTUAL), 512);
	virtio_balloon_resize(dev, UINT32_MAX);
	assert_int_equal(driver_read(&s->d, WANTED), UINT32_MAX);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(pages_in_the_balloon_are_given_back),
		IN_SCENE(pages_that_are_none_change_nothing),
		IN_SCENE(reported_pages_are_given_back_whole_ones_only),
		IN_SCENE(memory_of_a_file_leaves_the_file),
		IN_SCENE(a_guest_hears_what_it_shall_do_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
