/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static int parse(const char *text, struct guest_image *ret, struct error *err)
{
	*err = (struct error)ERROR_INIT;
	return guest_image_parse("/g", "guest.json", text, strlen(text), ret, err);
}

static void check_refused(const char *text, const char *reason)
{
	struct guest_image image;
	struct error err;

	assert_int_equal(parse(text, &image, &err), -EINVAL);
	assert_string_equal(err.msg, reason);
}

static void a_manifest_names_files_beside_it(void **state)
{
	struct guest_image image;
	struct error err;

	assert_int_equal(parse("{\"kernel\": \"kernel\", \"initrd\": \"/boot/i\", \"9p\": true,"
			       " \"release\": \"6.1\", \"later\": [1]}",
			       &image, &err),
			 0);
	assert_string_equal(image.kernel, "/g/kernel");
	assert_string_equal(image.initrd, "/boot/i");
	assert_string_equal(image.release, "6.1");
	assert_true(image.has_9p);
	assert_false(image.has_pci);
	guest_image_done(&image);
}

static void a_broken_manifest_is_refused_with_its_place(void **state)
{
	check_refused("{}", "guest.json: kernel: missing");
	check_refused("{\"kernel\": \"\"}", "guest.json: kernel: missing");
	check_refused("{\"kernel\": \"k\"}", "guest.json: initrd: missing");
	check_refused("{\n\"9p\": 1}", "guest.json:2: 9p: not true or false: 1");
	check_refused("{\"kernel\": []}", "guest.json:1: kernel: not a string: an array");
}

static void what_is_written_is_read_back(void **state)
{
	const struct guest_image wanted = {
		.kernel = (char *)"kernel",
		.initrd = (char *)"initramfs",
		.release = (char *)"6.12",
		.is_elf = true,
		.has_mmio = true,
		.has_acpi = true,
	};
	cleanup_free char *text = guest_image_format(&wanted);
	struct guest_image image;
	struct error err;

	assert_int_equal(parse(text, &image, &err), 0);
	assert_string_equal(image.initrd, "/g/initramfs");
	assert_true(image.is_elf && image.has_mmio && image.has_acpi);
	assert_false(image.has_9p || image.has_virtiofs || image.has_vsock || image.has_pci);
	guest_image_done(&image);
}

static void a_missing_image_says_where_it_was_looked_for(void **state)
{
	struct guest_image image;
	struct error err = ERROR_INIT;

	assert_int_equal(guest_image_load("/nonexistent/guest", &image, &err), -ENOENT);
	assert_string_equal(err.msg, "no guest image in '/nonexistent/guest'");
	assert_non_null(error_hint(&err));
	assert_int_equal(setenv("MOAT_GUEST", "/nonexistent/env", 1), 0);
	assert_int_equal(guest_image_load(NULL, &image, &err), -ENOENT);
	assert_string_equal(err.msg, "no guest image in '/nonexistent/env'");
	unsetenv("MOAT_GUEST");
}

static void a_manifest_without_its_kernel_is_refused(void **state)
{
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_free char *wanted = NULL;
	cleanup_fd int dirfd = -1;
	struct guest_image image;
	struct error err = ERROR_INIT;
	static const char text[] = "{\"kernel\": \"kernel\", \"initrd\": \"initramfs\"}";

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(write_atomic_at(dirfd, "guest.json", text, strlen(text), 0644), 0);
	assert_int_equal(guest_image_load(dir, &image, &err), -ENOENT);
	wanted = xasprintf("guest image: open '%s/kernel': No such file or directory", dir);
	assert_string_equal(err.msg, wanted);
	assert_int_equal(write_atomic_at(dirfd, "kernel", "", 0, 0644), 0);
	assert_int_equal(write_atomic_at(dirfd, "initramfs", "", 0, 0644), 0);
	assert_int_equal(guest_image_load(dir, &image, &err), 0);
	assert_string_equal(image.release, "unknown");
	guest_image_done(&image);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void put_image(const char *dir, const char *arch)
{
	cleanup_free char *text =
		xasprintf("{\"kernel\": \"kernel\", \"initrd\": \"kernel\"%s%s%s}",
			  arch ? ", \"arch\": \"" : "", arch ? arch : "", arch ? "\"" : "");
	cleanup_fd int dirfd = -1;

	assert_int_equal(mkdir(dir, 0755), 0);
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(write_atomic_at(dirfd, "guest.json", text, strlen(text), 0644), 0);
	assert_int_equal(write_atomic_at(dirfd, "kernel", "", 0, 0644), 0);
}

static void check_found(const char *dir, enum hv_arch arch, const char *wanted_dir)
{
	cleanup_free char *kernel = xasprintf("%s/kernel", wanted_dir);
	struct guest_image image;
	struct error err = ERROR_INIT;

	if (guest_image_load_for(dir, arch, &image, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(image.kernel, kernel);
	assert_true(arch == HV_ARCH_COUNT || image.arch == (int)arch);
	guest_image_done(&image);
}

static void check_none(const char *dir, enum hv_arch arch, int code, const char *text)
{
	struct guest_image image;
	struct error err = ERROR_INIT;

	assert_int_equal(guest_image_load_for(dir, arch, &image, &err), code);
	assert_string_equal(err.msg, text);
}

static void an_image_for_another_processor_is_beside_the_usual_one(void **state)
{
	const enum hv_arch host = hv_host_arch();
	const enum hv_arch other = host == HV_ARCH_S390X ? HV_ARCH_AARCH64 : HV_ARCH_S390X;
	const char *word = names_get(&hv_arch_names, other);
	char top[] = "/tmp/moat-test-XXXXXX";
	cleanup_free char *dir = NULL, *beside = NULL, *text = NULL, *wrong = NULL, *none = NULL;

	assert_non_null(mkdtemp(top));
	dir = xasprintf("%s/guest", top);
	beside = xasprintf("%s-%s", dir, word);
	put_image(dir, NULL);
	check_found(dir, HV_ARCH_COUNT, dir);
	check_found(dir, host, dir);
	text = xasprintf("a guest of %s: no guest image in '%s'", word, beside);
	check_none(dir, other, -ENOENT, text);
	put_image(beside, word);
	check_found(dir, other, beside);
	check_found(beside, other, beside);
	check_found(beside, HV_ARCH_COUNT, beside);
	assert_int_equal(remove_tree_at(AT_FDCWD, beside), 0);
	put_image(beside, NULL);
	wrong = xasprintf("guest image '%s': is not of %s", beside, word);
	check_none(dir, other, -EINVAL, wrong);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
	none = xasprintf("no guest image in '%s'", dir);
	check_none(dir, host, -ENOENT, none);
	assert_int_equal(remove_tree_at(AT_FDCWD, top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_names_files_beside_it),
		cmocka_unit_test(a_broken_manifest_is_refused_with_its_place),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_missing_image_says_where_it_was_looked_for),
		cmocka_unit_test(a_manifest_without_its_kernel_is_refused),
		cmocka_unit_test(an_image_for_another_processor_is_beside_the_usual_one),
	};

	return cmocka_run_group_tests_name("hypervisor-guest", tests, NULL, NULL);
}
