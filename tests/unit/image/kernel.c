/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/image/kernel.h"
#include "lib/base/error.h"
#include "tests/unit/image/files.h"

#define PVH_NOTE 18

static void check_refused(char *data, size_t len, const char *reason)
{
	struct kernel_file kernel;
	struct error err = ERROR_INIT;

	assert_int_equal(kernel_file_parse("k", data, len, &kernel, &err), -ENOEXEC);
	assert_string_equal(err.msg, reason);
}

static void an_elf_kernel_tells_its_release_and_configuration(void **state)
{
	struct kernel_file kernel;
	size_t len;
	char *data = make_elf_kernel(PVH_NOTE, "CONFIG_A=y\n", &len);

	assert_int_equal(kernel_file_parse("k", data, len, &kernel, NULL), 0);
	assert_true(kernel.is_elf);
	assert_string_equal(kernel.release, "6.9.1-test");
	assert_string_equal(kernel.config, "CONFIG_A=y\n");
	kernel_file_done(&kernel);
}

static void a_bzimage_tells_its_release(void **state)
{
	struct kernel_file kernel;
	size_t len;
	char *data = make_bzimage("6.1.0-9-amd64 (builder) #1", &len);

	assert_int_equal(kernel_file_parse("k", data, len, &kernel, NULL), 0);
	assert_false(kernel.is_elf);
	assert_string_equal(kernel.release, "6.1.0-9-amd64");
	assert_null(kernel.config);
	kernel_file_done(&kernel);
}

static void what_cannot_boot_is_refused(void **state)
{
	size_t len;
	char *data = make_elf_kernel(1, NULL, &len);

	check_refused(data, len, "kernel 'k': an ELF file without a PVH entry (CONFIG_PVH)");
	data = make_elf_kernel(PVH_NOTE, NULL, &len);
	data[18] = EM_386;
	check_refused(data, len, "kernel 'k': an ELF file, but not for x86_64");
	check_refused(xstrdup("#!/bin/sh\n"), 10, "kernel 'k': neither an ELF file nor a bzImage");
	check_refused(xstrdup(""), 0, "kernel 'k': neither an ELF file nor a bzImage");
}

static void a_damaged_kernel_is_not_read_beyond_its_end(void **state)
{
	size_t len;
	cleanup_free char *whole = make_elf_kernel(PVH_NOTE, "CONFIG_A=y\n", &len);

	/* Each prefix on its own heap block, for the address sanitizer. */
	for (size_t part = 0; part < len; part++) {
		char *data = xmemdup(whole, part + !part);
		struct kernel_file kernel;

		if (kernel_file_parse("k", data, part, &kernel, NULL) == 0)
			kernel_file_done(&kernel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_elf_kernel_tells_its_release_and_configuration),
		cmocka_unit_test(a_bzimage_tells_its_release),
		cmocka_unit_test(what_cannot_boot_is_refused),
		cmocka_unit_test(a_damaged_kernel_is_not_read_beyond_its_end),
	};

	return cmocka_run_group_tests_name("image-kernel", tests, NULL, NULL);
}
