/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/image/image.h"
#include "agent/image/kconfig.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/* Everything that a guest needs but for its devices. */
#define PLAIN                                                                                      \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_PROC_FS=y\n"      \
	"CONFIG_SYSFS=y\nCONFIG_TMPFS=y\nCONFIG_MULTIUSER=y\nCONFIG_UNIX98_PTYS=y\n"               \
	"CONFIG_FUTEX=y\nCONFIG_EPOLL=y\nCONFIG_SIGNALFD=y\nCONFIG_TIMERFD=y\nCONFIG_EVENTFD=y\n"  \
	"CONFIG_FHANDLE=y\nCONFIG_NET=y\nCONFIG_UNIX=y\nCONFIG_NAMESPACES=y\nCONFIG_UTS_NS=y\n"    \
	"CONFIG_IPC_NS=y\nCONFIG_PID_NS=y\nCONFIG_NET_NS=y\nCONFIG_CGROUPS=y\nCONFIG_MEMCG=y\n"    \
	"CONFIG_CGROUP_PIDS=y\nCONFIG_CGROUP_SCHED=y\nCONFIG_FAIR_GROUP_SCHED=y\n"                 \
	"CONFIG_CFS_BANDWIDTH=y\nCONFIG_SECCOMP=y\nCONFIG_SECCOMP_FILTER=y\n"
#define VIRTIO_PCI                                                                                 \
	"CONFIG_PCI=y\nCONFIG_ACPI=y\nCONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_CONSOLE=m\n"              \
	"CONFIG_VIRTIO_FS=m\n"

static struct kconfig *parse(const char *text)
{
	struct kconfig *config = NULL;
	struct error err = ERROR_INIT;

	if (kconfig_parse("config", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static void an_expression_has_the_best_value_that_holds(void **state)
{
	struct kconfig *config = parse("# Linux\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n"
				       "CONFIG_D=\"y\"\nCONFIG_E=42\n\nCONFIG_F=y");

	assert_int_equal(kconfig_value(config, "A"), 'y');
	assert_int_equal(kconfig_value(config, "B"), 'm');
	assert_int_equal(kconfig_value(config, "C"), 'n');
	assert_int_equal(kconfig_value(config, "D"), 'n');
	assert_int_equal(kconfig_value(config, "E"), 'n');
	assert_int_equal(kconfig_value(config, "F"), 'y');
	assert_int_equal(kconfig_value(config, "A+B"), 'm');
	assert_int_equal(kconfig_value(config, "A+C"), 'n');
	assert_int_equal(kconfig_value(config, "C|B"), 'm');
	assert_int_equal(kconfig_value(config, "B+C|A"), 'y');
	kconfig_free(config);
}

static void a_text_that_sets_nothing_is_no_configuration(void **state)
{
	struct kconfig *config = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(kconfig_parse("config", "hello\n", 6, &config, &err), -EINVAL);
	assert_string_equal(err.msg, "kernel configuration 'config': sets nothing");
	assert_int_equal(kconfig_parse("config", "", 0, &config, &err), -EINVAL);
	assert_null(config);
}

static const struct kernel_lack *find_lack(const struct kernel_lacks *lacks, const char *what)
{
	for (size_t i = 0; i < lacks->count; i++)
		if (streq(lacks->list[i].what, what))
			return &lacks->list[i];
	fail_msg("nothing is said of %s", what);
	return NULL;
}

static void a_fit_kernel_misses_nothing(void **state)
{
	struct kconfig *config = parse(PLAIN VIRTIO_PCI);
	cleanup_kernel_lacks struct kernel_lacks lacks;

	kconfig_check(config, &lacks);
	assert_int_equal(lacks.required_count, 0);
	assert_string_equal(find_lack(&lacks, "overlay mounts")->cure, "set CONFIG_OVERLAY_FS=y");
	assert_string_equal(find_lack(&lacks, "disks")->cure,
			    "set CONFIG_VIRTIO_BLK=y, or CONFIG_SCSI_VIRTIO=y CONFIG_BLK_DEV_SD=y");
	kconfig_free(config);
}

static void what_is_missing_is_told_with_its_cure(void **state)
{
	struct kconfig *config = parse(PLAIN "CONFIG_VIRTIO_VSOCKETS=m\nCONFIG_9P_FS=y\n");
	cleanup_kernel_lacks struct kernel_lacks lacks;

	kconfig_check(config, &lacks);
	assert_int_equal(lacks.required_count, 2);
	assert_string_equal(lacks.list[0].what, "devices");
	assert_string_equal(lacks.list[0].otherwise, "the guest has none");
	assert_string_equal(lacks.list[0].cure, "set CONFIG_VIRTIO_PCI=y, or CONFIG_VIRTIO_MMIO=y");
	assert_string_equal(lacks.list[1].what, "files from the host");
	assert_string_equal(lacks.list[1].cure,
			    "set CONFIG_VIRTIO_FS=y, or CONFIG_NET_9P_VIRTIO=y");
	kconfig_free(config);
}

static void what_must_be_built_in_does_not_count_as_a_module(void **state)
{
	struct kconfig *config = parse("CONFIG_UNIX=m\nCONFIG_NET=y\n");
	cleanup_kernel_lacks struct kernel_lacks lacks;

	kconfig_check(config, &lacks);
	assert_string_equal(find_lack(&lacks, "sockets")->cure, "set CONFIG_UNIX=y");
	kconfig_free(config);
}

static void features_count_modules_only_when_they_can_be_loaded(void **state)
{
	struct kconfig *config = parse(VIRTIO_PCI "CONFIG_VIRTIO_MMIO=m\n"
						  "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y\n");
	struct guest_image image = { 0 };

	kconfig_describe(config, true, &image);
	assert_true(image.has_pci && image.has_virtiofs && image.has_acpi && image.has_acpi_mmio);
	assert_false(image.has_9p || image.has_vsock || image.has_mmio);
	kconfig_describe(config, false, &image);
	assert_true(image.has_acpi);
	assert_false(image.has_pci || image.has_virtiofs || image.has_acpi_mmio);
	kconfig_free(config);
}

static void only_what_is_a_module_is_wanted_as_one(void **state)
{
	struct kconfig *config = parse("CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=m\n"
				       "CONFIG_9P_FS=m\nCONFIG_NET_9P_VIRTIO=m\n");
	cleanup_strv char **wanted = image_wanted_modules(config);
	cleanup_free char *names = strv_join(wanted, " ");

	assert_string_equal(names, "virtio_console 9pnet_virtio 9p");
	kconfig_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_expression_has_the_best_value_that_holds),
		cmocka_unit_test(a_text_that_sets_nothing_is_no_configuration),
		cmocka_unit_test(a_fit_kernel_misses_nothing),
		cmocka_unit_test(what_is_missing_is_told_with_its_cure),
		cmocka_unit_test(what_must_be_built_in_does_not_count_as_a_module),
		cmocka_unit_test(features_count_modules_only_when_they_can_be_loaded),
		cmocka_unit_test(only_what_is_a_module_is_wanted_as_one),
	};

	return cmocka_run_group_tests_name("image-kconfig", tests, NULL, NULL);
}
