/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/fd.h"
#include "lib/sandbox/image.h"

#define DISK_BYTES (64ll << 20)

static int make_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_disk_is_packed_without_its_holes(void **state)
{
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_fd int disk = make_file(), pack = make_file(), copy = -1;
	cleanup_free char *path = NULL;
	struct error err = ERROR_INIT;
	struct stat st;
	char buf[8] = "";

	assert_non_null(mkdtemp(dir));
	assert_int_equal(ftruncate(disk, DISK_BYTES), 0);
	assert_int_equal(pwrite(disk, "first", 5, 0), 5);
	assert_int_equal(pwrite(disk, "middle", 6, 5 << 20), 6);
	assert_int_equal(image_pack(disk, pack), 0);
	assert_int_equal(fstat(pack, &st), 0);
	assert_true(st.st_size < 1 << 20);

	assert_int_equal(lseek(pack, 0, SEEK_SET), 0);
	if (image_unpack(pack, dir, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	path = xasprintf("%s/" IMAGE_NAME, dir);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(copy, &st), 0);
	assert_int_equal(st.st_size, DISK_BYTES);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(pread(copy, buf, 5, 0), 5);
	assert_string_equal(buf, "first");
	assert_int_equal(pread(copy, buf, 6, 5 << 20), 6);
	assert_string_equal(buf, "middle");
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void what_is_no_packed_disk_is_refused(void **state)
{
	static const struct {
		uint64_t words[3];
		size_t size;
		int code;
	} cases[] = {
		{ { 0 }, 0, -EPIPE },
		{ { 0, 100 }, 16, -EPIPE },		/* ends within a piece */
		{ { 0, 8, 7 }, 24, -EPIPE },		/* has no end */
		{ { UINT64_MAX, 8, 7 }, 24, -EBADMSG }, /* is nowhere */
		{ { 0, UINT64_MAX }, 16, -EBADMSG },
		{ { UINT64_MAX, 0 }, 16, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char dir[] = "/tmp/moat-test-XXXXXX";
		cleanup_fd int pack = make_file();
		struct error err = ERROR_INIT;

		assert_non_null(mkdtemp(dir));
		assert_int_equal(write_all(pack, cases[i].words, cases[i].size), 0);
		assert_int_equal(lseek(pack, 0, SEEK_SET), 0);
		assert_int_equal(image_unpack(pack, dir, NULL, &err), cases[i].code);
		assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_packed_without_its_holes),
		cmocka_unit_test(what_is_no_packed_disk_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
