/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/image/kernel.h"
#include "hypervisor/hypervisor.h"
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
	assert_int_equal(kernel.arch, HV_ARCH_X86_64);
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

static void kernels_of_other_architectures_are_known_by_their_marks(void **state)
{
	static const struct {
		enum hv_arch arch;
		size_t offset;
		const char *magic;
	} images[] = {
		{ HV_ARCH_AARCH64, 56, "ARM\x64" },
		{ HV_ARCH_RISCV64, 56, "RSC\x05" },
		{ HV_ARCH_S390X, 0x10008, "S390EP" },
		/* ELF: class, byte order, and far behind them the machine, in that order */
		{ HV_ARCH_PPC64LE, 0, "\177ELF\2\1" },
		{ HV_ARCH_S390X, 0, "\177ELF\2\2" },
	};
	static const unsigned char machines[][2] = {
		[3] = { EM_PPC64, 0 },
		[4] = { 0, EM_S390 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		const size_t len = 0x10010;
		struct kernel_file kernel;
		char *data = xcalloc(1, len);

		memcpy(data + images[i].offset, images[i].magic, strlen(images[i].magic));
		if (i < ARRAY_SIZE(machines))
			memcpy(data + offsetof(Elf64_Ehdr, e_machine), machines[i], 2);
		assert_int_equal(kernel_file_parse("k", data, len, &kernel, NULL), 0);
		assert_int_equal(kernel.arch, images[i].arch);
		assert_false(kernel.is_elf);
		kernel_file_done(&kernel);
	}
}

static void what_cannot_boot_is_refused(void **state)
{
	size_t len;
	char *data = make_elf_kernel(1, NULL, &len);

	check_refused(data, len, "kernel 'k': an ELF file without a PVH entry (CONFIG_PVH)");
	data = make_elf_kernel(PVH_NOTE, NULL, &len);
	data[18] = EM_386;
	check_refused(data, len, "kernel 'k': an ELF file, but of no architecture that has guests");
	check_refused(xstrdup("#!/bin/sh\n"), 10,
		      "kernel 'k': neither an ELF file nor a kernel's image");
	check_refused(xstrdup(""), 0, "kernel 'k': neither an ELF file nor a kernel's image");
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
		cmocka_unit_test(kernels_of_other_architectures_are_known_by_their_marks),
		cmocka_unit_test(what_cannot_boot_is_refused),
		cmocka_unit_test(a_damaged_kernel_is_not_read_beyond_its_end),
	};

	return cmocka_run_group_tests_name("image-kernel", tests, NULL, NULL);
}
