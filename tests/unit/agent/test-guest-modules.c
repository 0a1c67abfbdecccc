/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/server/guest-modules.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static char dir[] = "/tmp/moat-test-XXXXXX";

static void put(const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		abort();
}

static int set_up(void **state)
{
	strcpy(dir, "/tmp/moat-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	put("modules.dep", "virtio:\nvirtio_pci: virtio core\n9p: 9pnet netfs\n9pnet:\n"
			   "crc32c_intel:\ncrc32c_generic:\nloop_a: loop_b\nloop_b: loop_a\n");
	put("modules.alias", "pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\nfs-9p 9p\n"
			     "crypto-crc32c crc32c_intel\ncrypto-crc32c crc32c_generic\nbad\n");
	return 0;
}

static int tear_down(void **state)
{
	return remove_tree_at(AT_FDCWD, dir);
}

static struct guest_modules *open_modules(void)
{
	struct guest_modules *m = NULL;

	assert_int_equal(guest_modules_open(dir, &m), 0);
	return m;
}

static void a_request_of_the_kernel_finds_its_modules_in_order(void **state)
{
	static const struct {
		const char *wanted, *order;
	} cases[] = {
		{ "pci:v00001AF4d00001043sv00001AF4sd00001100bc07sc80i00", "virtio virtio_pci" },
		{ "virtio-pci", "virtio virtio_pci" }, /* a name */
		{ "virtio_pci", "virtio virtio_pci" },
		{ "fs-9p", "9pnet 9p" },
		{ "crypto-crc32c", "crc32c_intel crc32c_generic" },
		{ "loop-a", "loop_b loop_a" }, /* ends */
		{ "fs-ext4", "" },
		{ "virtio_pc", "" },
		{ "core", "" }, /* built in */
		{ "", "" },
	};
	struct guest_modules *m = open_modules();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strv char **order = guest_modules_resolve(m, cases[i].wanted);
		cleanup_free char *text = order ? strv_join(order, " ") : xstrdup("");

		assert_string_equal(text, cases[i].order);
	}
	guest_modules_free(m);
}

static void a_module_without_its_file_was_loaded_before(void **state)
{
	struct guest_modules *m = open_modules();
	struct error err = ERROR_INIT;

	assert_int_equal(guest_modules_load(m, "fs-9p", "a=1", &err), 0);
	assert_int_equal(guest_modules_load(m, "fs-ext4", NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "no module for 'fs-ext4'");
	guest_modules_free(m);
}

static void what_is_no_module_is_told_and_stays(void **state)
{
	cleanup_free char *path = xasprintf("%s/9p.ko", dir);
	struct guest_modules *m = open_modules();
	struct error err = ERROR_INIT;

	put("9p.ko", "text");
	assert_true(guest_modules_load(m, "fs-9p", "a=1", &err) < 0);
	assert_non_null(strstr(err.msg, "load module '9p': "));
	assert_int_equal(access(path, F_OK), 0);
	guest_modules_free(m);
}

static void devices_that_have_no_module_are_no_error(void **state)
{
	cleanup_free char *sysfs = xasprintf("%s/sys", dir);
	cleanup_free char *command =
		xasprintf("mkdir -p %s/bus/pci/devices/0 %s/bus/virtio/devices/v0 %s/bus/x && "
			  "echo pci:v00001AF4d1 >%s/bus/pci/devices/0/modalias && "
			  ": >%s/bus/virtio/devices/v0/modalias",
			  sysfs, sysfs, sysfs, sysfs, sysfs);
	struct guest_modules *m = open_modules();

	assert_int_equal(system(command), 0);
	guest_modules_load_at_boot(m, sysfs);
	guest_modules_load_at_boot(m, "/nonexistent");
	guest_modules_free(m);
}

static void a_directory_without_lists_has_no_modules(void **state)
{
	struct guest_modules *m;

	assert_int_equal(guest_modules_open("/nonexistent", &m), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_request_of_the_kernel_finds_its_modules_in_order),
		TEST(a_module_without_its_file_was_loaded_before),
		TEST(what_is_no_module_is_told_and_stays),
		TEST(devices_that_have_no_module_are_no_error),
		cmocka_unit_test(a_directory_without_lists_has_no_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
