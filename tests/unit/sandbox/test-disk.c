/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "hypervisor/hypervisor.h"
#include "lib/base/fd.h"
#include "lib/sandbox/disk.h"
#include "lib/sandbox/sandbox.h"

static char path[] = "/tmp/moat-test-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	return unlink(path);
}

static const struct hypervisor lax = { .name = "lax" };
static const struct hypervisor locking = { .name = "locking", .features = HV_FEATURE_LOCKS };

static struct sandbox_disk make_disk(bool is_readonly)
{
	return (struct sandbox_disk){ .id = "root", .host_path = path, .is_readonly = is_readonly };
}

static struct hv_disk lock_disk(bool is_readonly)
{
	const struct sandbox_disk disk = make_disk(is_readonly);
	struct hv_disk opened;

	assert_int_equal(disk_open(&disk, &lax, &opened, NULL), 0);
	return opened;
}

static void expect_refusal(bool is_readonly, const char *text)
{
	const struct sandbox_disk disk = make_disk(is_readonly);
	struct hv_disk opened;
	struct error err = ERROR_INIT;

	assert_int_equal(disk_open(&disk, &lax, &opened, &err), -EBUSY);
	assert_string_equal(err.msg, text);
	/* Who locks by itself finds out by itself. */
	assert_int_equal(disk_open(&disk, &locking, &opened, NULL), 0);
	close(opened.fd);
}

static void expect_success(bool is_readonly)
{
	close(lock_disk(is_readonly).fd);
}

#define WRITTEN "disk 'root': it is locked: another process writes to it"
#define USED "disk 'root': it is locked: another process uses it"

static void a_disk_has_one_writer_or_many_readers(void **state)
{
	struct hv_disk disk = lock_disk(false);
	int copy;

	expect_refusal(false, USED);
	expect_refusal(true, WRITTEN);
	copy = dup(disk.fd); /* as a VMM has one */
	close(disk.fd);
	expect_refusal(false, USED);
	close(copy);
	disk = lock_disk(true);
	expect_success(true);
	expect_refusal(false, USED);
	close(disk.fd);
	expect_success(false);
}

/* One byte for all that it does and all that nobody else may do, as block/file-posix.c has them. */
static int lock_as_qemu(bool is_writer)
{
	static const off_t reader[] = { 100, 201, 203 };
	static const off_t writer[] = { 100, 101, 201, 203 };
	const off_t *bytes = is_writer ? writer : reader;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < (is_writer ? ARRAY_SIZE(writer) : ARRAY_SIZE(reader)); i++) {
		struct flock lock = { .l_type = F_RDLCK, .l_start = bytes[i], .l_len = 1 };

		assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	}
	return fd;
}

/* What QEMU looks for before it writes, and before it reads, alone or with others. */
static bool would_qemu(int fd, off_t byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };

	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	return lock.l_type == F_UNLCK;
}

static void qemu_is_another_one(void **state)
{
	cleanup_fd int look = open(path, O_RDWR | O_CLOEXEC);
	struct hv_disk disk;
	int qemu = lock_as_qemu(true);

	expect_refusal(false, USED);
	expect_refusal(true, WRITTEN);
	close(qemu);
	qemu = lock_as_qemu(false);
	expect_refusal(false, USED);
	expect_success(true);
	close(qemu);

	disk = lock_disk(true);
	assert_true(would_qemu(look, 200) && would_qemu(look, 101) && would_qemu(look, 103));
	assert_false(would_qemu(look, 201));
	close(disk.fd);
	disk = lock_disk(false);
	assert_false(would_qemu(look, 200));
	assert_false(would_qemu(look, 101));
	close(disk.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_has_one_writer_or_many_readers),
		cmocka_unit_test(qemu_is_another_one),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
