/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* A host in a directory of the test's, with a program of each driver's that has one. */
static char root[] = "/tmp/test-select-XXXXXX";
static struct guest_image guest;
static struct kvm_fitness kvm;
static struct hv_needs needs;

static const char *const programs[] = { "qemu-system-x86_64", "qemu-system-aarch64",
					"cloud-hypervisor", "firecracker" };

static char *program_path(const char *name)
{
	return xasprintf("%s/usr/bin/%s", root, name);
}

static void put_program(const char *name)
{
	cleanup_free char *path = program_path(name);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0755), 0);
}

static void drop_program(const char *name)
{
	cleanup_free char *path = program_path(name);

	assert_int_equal(unlink(path), 0);
}

static int set_up(void **state)
{
	cleanup_free char *bin = xasprintf("%s/usr/bin", root);

	assert_int_equal(mkdir_parents(bin, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		put_program(programs[i]);
	guest = (struct guest_image){
		.kernel = (char *)"/kernel",
		.initrd = (char *)"/initramfs",
		.release = (char *)"6.12",
		.arch = (int)hv_host_arch(),
		.is_elf = true,
		.has_9p = true,
		.has_virtiofs = true,
		.has_vsock = true,
		.has_pci = true,
		.has_acpi = true,
		.has_mmio = true,
		.has_acpi_mmio = true,
	};
	kvm = (struct kvm_fitness){ .is_fit = true };
	needs = (struct hv_needs){
		.guest = &guest, .share = HV_SHARE_COUNT, .kvm = &kvm, .root = root
	};
	return 0;
}

static int clean_up(void **state)
{
	return remove_tree_at(AT_FDCWD, root);
}

/* @why: a part of what is said of those before it. */
static void expect(const char *name, const char *why)
{
	const struct hypervisor *driver = NULL;
	cleanup_free char *reasons = NULL;
	struct error err = ERROR_INIT;

	if (hypervisor_select(&needs, &driver, &reasons, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(driver->name, name);
	if (!*why)
		assert_string_equal(reasons, "");
	else if (!strstr(reasons, why))
		fail_msg("not '%s' but '%s'", why, reasons);
}

static void expect_none(const char *why)
{
	const struct hypervisor *driver;
	struct error err = ERROR_INIT;

	assert_int_equal(hypervisor_select(&needs, &driver, NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "hypervisor 'auto': builtin: "));
	if (!strstr(err.msg, why))
		fail_msg("not '%s' but '%s'", why, err.msg);
}

static void files_are_shared_where_nothing_else_is_said(void **state)
{
	expect("builtin", "");
	guest.has_virtiofs = false;
	expect("qemu", "builtin: shares no files with guest kernel '6.12'");
	guest.has_9p = false;
	expect_none("qemu: shares no files with guest kernel '6.12'");
}

static void without_a_share_the_smallest_is_the_best(void **state)
{
	needs.share = HV_SHARE_NONE;
	expect("builtin", "");
	needs.features = HV_FEATURE_PLUG;
	expect("builtin", "");
	needs.features = HV_FEATURE_MEMORY_FILE;
	expect("builtin", "");
	needs.share = HV_SHARE_9P;
	expect("qemu", "builtin: hypervisor 'builtin': no 9p");
}

static void what_a_driver_cannot_do_makes_it_the_next_ones(void **state)
{
	static const struct {
		unsigned int feature;
		const char *why;
	} cases[] = {
		{ HV_FEATURE_RESIZE_MEMORY, "builtin: hypervisor 'builtin': no room for memory" },
		{ HV_FEATURE_RESIZE_VCPUS, "builtin: hypervisor 'builtin': no room for vcpus" },
	};

	needs.share = HV_SHARE_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		needs.features = cases[i].feature;
		expect("qemu", cases[i].why);
	}
}

static void what_shares_files_has_no_template(void **state)
{
	needs.features = HV_FEATURE_MEMORY_FILE;
	expect("qemu", "builtin: the built-in VMM does not go on from a machine that shares files");
}

static void a_guest_kernel_is_not_for_every_machine(void **state)
{
	needs.share = HV_SHARE_NONE;
	guest.has_acpi_mmio = guest.has_mmio = false;
	expect("qemu", "builtin: guest kernel '6.12': no virtio-mmio by ACPI");
	drop_program("qemu-system-x86_64");
	expect("cloud-hypervisor", "qemu: find 'qemu-system-x86_64'");
	drop_program("cloud-hypervisor");
	expect_none("firecracker: guest kernel '6.12': no virtio-mmio");
}

static void without_kvm_one_that_emulates(void **state)
{
	kvm = (struct kvm_fitness){ .reason = "no /dev/kvm" };
	needs.share = HV_SHARE_NONE;
	expect("qemu", "builtin: needs KVM (no /dev/kvm)");
	needs.accel = HV_ACCEL_KVM;
	expect_none("qemu: needs KVM (no /dev/kvm); cloud-hypervisor: needs KVM");
	kvm.is_fit = true;
	needs.accel = HV_ACCEL_TCG;
	expect("qemu", "builtin: no software emulation");
}

static void another_processor_is_emulated(void **state)
{
	needs.share = HV_SHARE_NONE;
	guest.arch = HV_ARCH_AARCH64;
	expect("qemu", "builtin: no guests of aarch64");
	drop_program("qemu-system-aarch64");
	expect_none("qemu: find 'qemu-system-aarch64'");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_shared_where_nothing_else_is_said),
		TEST(without_a_share_the_smallest_is_the_best),
		TEST(what_a_driver_cannot_do_makes_it_the_next_ones),
		TEST(what_shares_files_has_no_template),
		TEST(a_guest_kernel_is_not_for_every_machine),
		TEST(without_kvm_one_that_emulates),
		TEST(another_processor_is_emulated),
	};

	if (hv_host_arch() != HV_ARCH_X86_64) {
		puts("skipped: the best are of x86_64");
		return 77;
	}
	if (!mkdtemp(root))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
