/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/block.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/str.h"

#define SECTOR 512
#define SECTORS 64
#define CAPACITY 0x100 /* offset of that in the window */

struct scene {
	struct driver d;
	int fd; /* the disk's content; the device has a duplicate */
};

static struct virtio_device *make_disk(int fd, struct virtio_block_options options)
{
	struct virtio_device *dev = NULL;

	options.id = "moat-disk-0";
	options.fd = dup(fd);
	assert_int_equal(virtio_block_new(&options, &dev, NULL), 0);
	return dev;
}

static void make_with(struct scene *s, struct virtio_block_options options)
{
	char content[SECTOR];

	s->fd = memfd_create("disk", MFD_CLOEXEC);
	for (int i = 0; i < SECTORS; i++) {
		memset(content, 'A' + i % 26, sizeof(content));
		assert_int_equal(pwrite(s->fd, content, SECTOR, i * SECTOR), SECTOR);
	}
	driver_init(&s->d, make_disk(s->fd, options));
	driver_start(&s->d, ~0ULL);
}

static int make_scene(void **state)
{
	*state = xcalloc(1, sizeof(struct scene));
	make_with(*state, (struct virtio_block_options){ 0 });
	return 0;
}

static int make_readonly(void **state)
{
	*state = xcalloc(1, sizeof(struct scene));
	make_with(*state, (struct virtio_block_options){ .is_readonly = true });
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	driver_done(&s->d);
	close(s->fd);
	free(s);
	return 0;
}

/* A request in three buffers, as Linux makes them. */
static uint64_t ask(struct scene *s, uint32_t type, uint64_t sector, uint64_t data, uint32_t len)
{
	const struct virtio_blk_outhdr header = { htole32(type), 0, htole64(sector) };
	bool is_read = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	const struct driver_buffer buffers[] = {
		{ driver_alloc(&s->d, sizeof(header)), sizeof(header), false },
		{ data, len, is_read },
		{ driver_alloc(&s->d, 1), 1, true },
	};

	memcpy(driver_at(&s->d, buffers[0].gpa), &header, sizeof(header));
	*(uint8_t *)driver_at(&s->d, buffers[2].gpa) = 0xff;
	driver_add_indirect(&s->d, 0, buffers, ARRAY_SIZE(buffers));
	driver_kick(&s->d, 0);
	return buffers[2].gpa;
}

/* The status that a request gets. */
static uint8_t await(struct scene *s, uint64_t status)
{
	driver_await(&s->d, 0);
	return *(uint8_t *)driver_at(&s->d, status);
}

static uint8_t request(struct scene *s, uint32_t type, uint64_t sector, uint64_t data, uint32_t len)
{
	return await(s, ask(s, type, sector, data, len));
}

static void a_driver_learns_of_the_size(void **state)
{
	struct scene *s = *state;

	assert_int_equal(driver_read(&s->d, CAPACITY), SECTORS);
	assert_true(s->d.features >> VIRTIO_BLK_F_FLUSH & 1);
	assert_false(s->d.features >> VIRTIO_BLK_F_RO & 1);
}

static void sectors_are_read(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, 2 * SECTOR);
	uint64_t status = ask(s, VIRTIO_BLK_T_IN, 1, data, 2 * SECTOR);

	assert_int_equal(driver_await(&s->d, 0), 2 * SECTOR + 1);
	assert_int_equal(*(uint8_t *)driver_at(&s->d, status), VIRTIO_BLK_S_OK);
	assert_int_equal(*(char *)driver_at(&s->d, data), 'B');
	assert_int_equal(*(char *)driver_at(&s->d, data + SECTOR), 'C');
	assert_int_equal(virtio_mmio_device(s->d.mmio)->metrics.read_bytes, 2 * SECTOR);
}

static void sectors_are_written(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, SECTOR);
	char content[SECTOR];

	memset(driver_at(&s->d, data), '!', SECTOR);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, 3, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(s, VIRTIO_BLK_T_FLUSH, 0, data, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(s->fd, content, SECTOR, 3 * SECTOR), SECTOR);
	assert_memory_equal(content, driver_at(&s->d, data), SECTOR);
	assert_int_equal(pread(s->fd, content, SECTOR, 4 * SECTOR), SECTOR);
	assert_int_equal(content[0], 'E');
}

static void what_lies_outside_is_an_error(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, 2 * SECTOR);
	struct stat st;

	assert_int_equal(request(s, VIRTIO_BLK_T_IN, SECTORS, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, SECTORS - 1, data, 2 * SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, UINT64_MAX, data, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, UINT64_MAX / SECTOR + 2, data, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 0, data, SECTOR + 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(fstat(s->fd, &st), 0);
	assert_int_equal(st.st_size, SECTORS * SECTOR);
}

static void a_file_that_was_cut_off_is_an_error(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, SECTOR);

	assert_int_equal(ftruncate(s->fd, SECTOR), 0);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 5, data, SECTOR), VIRTIO_BLK_S_IOERR);
}

static void a_readonly_disk_is_not_written(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, SECTOR);
	char content;

	assert_true(s->d.features >> VIRTIO_BLK_F_RO & 1);
	assert_false(s->d.features >> VIRTIO_BLK_F_DISCARD & 1);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	memset(driver_at(&s->d, data), 0, 16);
	*(uint32_t *)driver_at(&s->d, data + 8) = htole32(1);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, data, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_FLUSH, 0, data, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(s->fd, &content, 1, 0), 1);
	assert_int_equal(content, 'A');
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 0, data, SECTOR), VIRTIO_BLK_S_OK);
}

static void the_serial_number_is_the_id(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, VIRTIO_BLK_ID_BYTES);

	assert_int_equal(request(s, VIRTIO_BLK_T_GET_ID, 0, data, VIRTIO_BLK_ID_BYTES),
			 VIRTIO_BLK_S_OK);
	assert_string_equal(driver_at(&s->d, data), "moat-disk-0");
}

static void what_it_does_not_know_is_unsupported(void **state)
{
	struct scene *s = *state;
	uint64_t data = driver_alloc(&s->d, SECTOR);

	assert_int_equal(request(s, 10, 0, data, SECTOR), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(s, 0xffff, 0, data, SECTOR), VIRTIO_BLK_S_UNSUPP);
}

static uint64_t put_range(struct scene *s, uint64_t sector, uint32_t count, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = { htole64(sector), htole32(count),
							       htole32(flags) };
	uint64_t data = driver_alloc(&s->d, sizeof(range));

	memcpy(driver_at(&s->d, data), &range, sizeof(range));
	return data;
}

static char first_byte(struct scene *s, uint64_t sector)
{
	char content = -1;

	assert_int_equal(pread(s->fd, &content, 1, (off_t)(sector * SECTOR)), 1);
	return content;
}

static void ranges_are_zeroed(void **state)
{
	struct scene *s = *state;
	uint64_t data = put_range(s, 8, 8, 0);

	assert_int_equal(request(s, VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16), VIRTIO_BLK_S_OK);
	assert_int_equal(first_byte(s, 7), 'H');
	assert_int_equal(first_byte(s, 8), 0);
	assert_int_equal(first_byte(s, 15), 0);
	assert_int_equal(first_byte(s, 16), 'Q');
	data = put_range(s, 16, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	assert_int_equal(request(s, VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16), VIRTIO_BLK_S_OK);
	assert_int_equal(first_byte(s, 16), 0);
}

static void discarded_ranges_are_given_back_to_the_host(void **state)
{
	struct scene *s = *state;
	struct stat before, after;

	assert_true(s->d.features >> VIRTIO_BLK_F_DISCARD & 1);
	assert_int_equal(fstat(s->fd, &before), 0);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, put_range(s, 0, SECTORS, 0), 16),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(s->fd, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(after.st_size, before.st_size);
}

static void ranges_that_are_wrong_change_nothing(void **state)
{
	struct scene *s = *state;
	uint64_t large = driver_alloc(&s->d, 17 * 16);

	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, put_range(s, SECTORS, 1, 0), 16),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, put_range(s, UINT64_MAX, 2, 0), 16),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_WRITE_ZEROES, 0, put_range(s, 1, UINT32_MAX, 0),
				 16),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, put_range(s, 0, 1, 1), 16),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(s, VIRTIO_BLK_T_WRITE_ZEROES, 0, put_range(s, 0, 1, 2), 16),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, large, 15), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, large, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_DISCARD, 0, large, 17 * 16), VIRTIO_BLK_S_IOERR);
	for (uint64_t i = 0; i < SECTORS; i++)
		assert_int_equal(first_byte(s, i), 'A' + (char)(i % 26));
}

static void a_request_without_an_end_needs_a_reset(void **state)
{
	struct scene *s = *state;
	const struct driver_buffer header = { driver_alloc(&s->d, 16), 16, false };

	driver_add(&s->d, 0, &header, 1);
	driver_kick(&s->d, 0);
	driver_turn(&s->d);
	assert_true(driver_status(&s->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_reset(&s->d);
	driver_start(&s->d, ~0ULL);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 0, driver_alloc(&s->d, SECTOR), SECTOR),
			 VIRTIO_BLK_S_OK);
}

static void a_header_and_a_status_may_be_in_pieces(void **state)
{
	struct scene *s = *state;
	const struct virtio_blk_outhdr header = { htole32(VIRTIO_BLK_T_IN), 0, htole64(2) };
	uint64_t head = driver_alloc(&s->d, sizeof(header)), data = driver_alloc(&s->d, SECTOR + 1);
	const struct driver_buffer buffers[] = {
		{ head, 5, false },
		{ head + 5, 11, false },
		{ data, 100, true },
		{ data + 100, SECTOR + 1 - 100, true },
	};

	memcpy(driver_at(&s->d, head), &header, sizeof(header));
	memset(driver_at(&s->d, data), 0xff, SECTOR + 1);
	driver_add(&s->d, 0, buffers, ARRAY_SIZE(buffers));
	driver_kick(&s->d, 0);
	assert_int_equal(driver_await(&s->d, 0), SECTOR + 1);
	assert_int_equal(*(char *)driver_at(&s->d, data + SECTOR - 1), 'C');
	assert_int_equal(*(uint8_t *)driver_at(&s->d, data + SECTOR), VIRTIO_BLK_S_OK);
}

static void a_disk_that_grows_is_told(void **state)
{
	struct scene *s = *state;
	struct virtio_device *dev = virtio_mmio_device(s->d.mmio);
	uint64_t data = driver_alloc(&s->d, SECTOR);
	const struct virtio_block_options other = {
		.id = "other",
		.fd = memfd_create("other", MFD_CLOEXEC),
		.is_readonly = true,
	};
	const struct virtio_block_options none = { .id = "", .fd = -1 };

	assert_int_equal(ftruncate(s->fd, 2 * SECTORS * SECTOR), 0);
	assert_int_equal(virtio_block_change(dev, NULL, NULL), 0);
	assert_int_equal(driver_read(&s->d, CAPACITY), 2 * SECTORS);
	assert_true(driver_interrupts(&s->d) > 0);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, SECTORS, data, SECTOR), VIRTIO_BLK_S_OK);
	/* Another file in its place. */
	assert_int_equal(pwrite(other.fd, "other", 5, 0), 5);
	assert_int_equal(ftruncate(other.fd, SECTOR), 0);
	assert_int_equal(virtio_block_change(dev, &other, NULL), 0);
	assert_int_equal(driver_read(&s->d, CAPACITY), 1);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 0, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(&s->d, data), "other", 5);
	assert_int_equal(request(s, VIRTIO_BLK_T_GET_ID, 0, data, VIRTIO_BLK_ID_BYTES),
			 VIRTIO_BLK_S_OK);
	assert_string_equal(driver_at(&s->d, data), "other");
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	/* And none. */
	assert_int_equal(virtio_block_change(dev, &none, NULL), 0);
	assert_int_equal(driver_read(&s->d, CAPACITY), 0);
	assert_int_equal(request(s, VIRTIO_BLK_T_IN, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(s, VIRTIO_BLK_T_GET_ID, 0, data, VIRTIO_BLK_ID_BYTES),
			 VIRTIO_BLK_S_OK);
	assert_string_equal(driver_at(&s->d, data), "");
}

static void limits_hold_requests_back(void **state)
{
	struct scene s = { 0 };
	struct virtio_block_options options = { .requests = { .per_second = 1, .burst = 2 } };
	uint64_t data, last;

	make_with(&s, options);
	data = driver_alloc(&s.d, SECTOR);
	assert_int_equal(request(&s, VIRTIO_BLK_T_IN, 0, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(&s, VIRTIO_BLK_T_IN, 0, data, SECTOR), VIRTIO_BLK_S_OK);
	last = ask(&s, VIRTIO_BLK_T_IN, 1, data, SECTOR);
	driver_turn(&s.d);
	assert_int_equal(virtio_mmio_device(s.d.mmio)->metrics.throttled, 1);
	/* Not so where the machine goes on. */
	driver_move(&s.d, make_disk(s.fd, (struct virtio_block_options){ 0 }));
	assert_int_equal(await(&s, last), VIRTIO_BLK_S_OK);
	assert_int_equal(*(char *)driver_at(&s.d, data), 'B');
	driver_done(&s.d);
	close(s.fd);
}

static void a_pipe_is_no_disk(void **state)
{
	struct virtio_block_options options = { .id = "x" };
	struct virtio_device *dev = NULL;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	options.fd = fds[0];
	assert_int_equal(virtio_block_new(&options, &dev, NULL), -ESPIPE);
	close(fds[0]);
	close(fds[1]);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_driver_learns_of_the_size),
		IN_SCENE(sectors_are_read),
		IN_SCENE(sectors_are_written),
		IN_SCENE(what_lies_outside_is_an_error),
		IN_SCENE(a_file_that_was_cut_off_is_an_error),
		cmocka_unit_test_setup_teardown(a_readonly_disk_is_not_written, make_readonly,
						drop_scene),
		IN_SCENE(the_serial_number_is_the_id),
		IN_SCENE(what_it_does_not_know_is_unsupported),
		IN_SCENE(ranges_are_zeroed),
		IN_SCENE(discarded_ranges_are_given_back_to_the_host),
		IN_SCENE(ranges_that_are_wrong_change_nothing),
		IN_SCENE(a_request_without_an_end_needs_a_reset),
		IN_SCENE(a_header_and_a_status_may_be_in_pieces),
		IN_SCENE(a_disk_that_grows_is_told),
		cmocka_unit_test(limits_hold_requests_back),
		cmocka_unit_test(a_pipe_is_no_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
