/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/image/image.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "tests/unit/image/files.h"

#define CONFIG                                                                                     \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_PROC_FS=y\n"      \
	"CONFIG_SYSFS=y\nCONFIG_TMPFS=y\nCONFIG_MULTIUSER=y\nCONFIG_UNIX98_PTYS=y\n"               \
	"CONFIG_FUTEX=y\nCONFIG_EPOLL=y\nCONFIG_SIGNALFD=y\nCONFIG_TIMERFD=y\nCONFIG_EVENTFD=y\n"  \
	"CONFIG_FHANDLE=y\nCONFIG_NET=y\nCONFIG_UNIX=y\nCONFIG_NAMESPACES=y\nCONFIG_UTS_NS=y\n"    \
	"CONFIG_IPC_NS=y\nCONFIG_PID_NS=y\nCONFIG_NET_NS=y\nCONFIG_CGROUPS=y\nCONFIG_MEMCG=y\n"    \
	"CONFIG_CGROUP_PIDS=y\nCONFIG_CGROUP_SCHED=y\nCONFIG_FAIR_GROUP_SCHED=y\n"                 \
	"CONFIG_CFS_BANDWIDTH=y\nCONFIG_SECCOMP=y\nCONFIG_SECCOMP_FILTER=y\nCONFIG_PCI=y\n"        \
	"CONFIG_VIRTIO_CONSOLE=y\nCONFIG_VIRTIO_FS=y\n"

static char dir[] = "/tmp/moat-test-XXXXXX";

static int set_up(void **state)
{
	strcpy(dir, "/tmp/moat-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	return remove_tree_at(AT_FDCWD, dir);
}

struct paths {
	char *kernel, *agent, *output;
};

static struct paths make_paths(const char *kernel)
{
	return (struct paths){
		.kernel = xasprintf("%s/%s", dir, kernel),
		.agent = xasprintf("%s/agent", dir),
		.output = xasprintf("%s/out/guest", dir),
	};
}

static void free_paths(struct paths *p)
{
	free(p->kernel);
	free(p->agent);
	free(p->output);
}

/* A distribution's package, unpacked: kernel, configuration and modules found by their places. */
static void put_package(void)
{
	size_t len;
	cleanup_free char *kernel = make_bzimage("6.1.0-test", &len);

	put_file(dir, "boot/vmlinuz-6.1.0-test", kernel, len);
	put_text(dir, "boot/config-6.1.0-test", CONFIG "CONFIG_VIRTIO_PCI=m\n");
	put_text(dir, "lib/modules/6.1.0-test/modules.order",
		 "kernel/virtio_pci.ko\nkernel/virtio.ko\n");
	put_module(dir, "lib/modules/6.1.0-test/kernel/virtio_pci.ko", "virtio");
	put_module(dir, "lib/modules/6.1.0-test/kernel/virtio.ko", "");
	put_agent(dir, EM_X86_64);
}

static char *read_output(const struct paths *p, const char *name, size_t *ret_len)
{
	cleanup_free char *path = xasprintf("%s/%s", p->output, name);
	char *data = NULL;

	assert_int_equal(read_file_at(AT_FDCWD, path, 1 << 20, &data, ret_len), 0);
	return data;
}

static void an_unpacked_package_becomes_a_guest(void **state)
{
	struct paths p = make_paths("boot/vmlinuz-6.1.0-test");
	const struct image_request request = { .kernel = p.kernel,
					       .agent = p.agent,
					       .output = p.output };
	cleanup_free char *first = NULL, *second = NULL;
	struct guest_image image;
	struct error err = ERROR_INIT;
	size_t len, len2;

	put_package();
	if (image_build(&request, &err) < 0)
		fail_msg("%s", err.msg);
	if (guest_image_load(p.output, &image, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(image.release, "6.1.0-test");
	assert_true(image.has_pci && image.has_virtiofs);
	assert_false(image.is_elf || image.has_mmio || image.has_9p);
	guest_image_done(&image);

	first = read_output(&p, "initramfs", &len);
	assert_non_null(memmem(first, len, "virtio:\nvirtio_pci: virtio\n", 27));
	assert_int_equal(image_build(&request, &err), 0);
	second = read_output(&p, "initramfs", &len2);
	assert_int_equal(len, len2);
	assert_memory_equal(first, second, len);
	free_paths(&p);
}

static void a_kernel_that_carries_its_configuration_needs_nothing_else(void **state)
{
	struct paths p = make_paths("vmlinux");
	const struct image_request request = { .kernel = p.kernel,
					       .agent = p.agent,
					       .output = p.output };
	struct guest_image image;
	struct error err = ERROR_INIT;
	size_t len;
	cleanup_free char *kernel = make_elf_kernel(18, CONFIG "CONFIG_VIRTIO_PCI=y\n", &len);

	put_file(dir, "vmlinux", kernel, len);
	put_agent(dir, EM_X86_64);
	if (image_build(&request, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(guest_image_load(p.output, &image, &err), 0);
	assert_true(image.is_elf && image.has_pci);
	assert_string_equal(image.release, "6.9.1-test");
	guest_image_done(&image);
	free_paths(&p);
}

static void check_refused(const struct image_request *request, int code, const char *piece)
{
	struct error err = ERROR_INIT;

	assert_int_equal(image_build(request, &err), code);
	if (!strstr(err.msg, piece))
		fail_msg("'%s' does not say '%s'", err.msg, piece);
	assert_int_equal(access(request->output, F_OK), -1);
}

static void what_does_not_fit_is_refused_and_nothing_is_written(void **state)
{
	struct paths p = make_paths("boot/vmlinuz-6.1.0-test");
	struct image_request request = { .kernel = p.kernel, .agent = p.agent, .output = p.output };
	cleanup_free char *modules = xasprintf("%s/boot", dir);

	put_package();
	put_text(dir, "agent", "#!/bin/sh\n");
	check_refused(&request, -ENOEXEC, "/agent': not a program");
	request.modules = modules;
	check_refused(&request, -ENOENT, "neither modules.dep nor modules.order");
	request.modules = NULL;
	request.extra_modules = (char *const[]){ (char *)"z-fs", NULL };
	check_refused(&request, -ENOENT, "module 'z_fs': not in '");
	put_text(dir, "boot/config-6.1.0-test", "CONFIG_PROC_FS=y\n");
	check_refused(&request, -ENOTSUP, "/dev: set CONFIG_DEVTMPFS=y; ");
	request.config = "/nonexistent/config";
	check_refused(&request, -ENOENT, "read '/nonexistent/config'");
	request.config = NULL;
	request.release = "7";
	put_text(dir, "boot/vmlinuz-6.1.0-test", "MZ");
	check_refused(&request, -ENOEXEC, "neither an ELF file nor a kernel's image");
	free_paths(&p);
}

static void a_kernel_without_a_configuration_asks_for_it(void **state)
{
	struct paths p = make_paths("bzImage");
	const struct image_request request = { .kernel = p.kernel,
					       .agent = p.agent,
					       .output = p.output };
	size_t len;
	cleanup_free char *kernel = make_bzimage("6.1", &len);

	put_file(dir, "bzImage", kernel, len);
	check_refused(&request, -ENOENT, "name it with --kernel-config");
	free_paths(&p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_unpacked_package_becomes_a_guest),
		TEST(a_kernel_that_carries_its_configuration_needs_nothing_else),
		TEST(what_does_not_fit_is_refused_and_nothing_is_written),
		TEST(a_kernel_without_a_configuration_asks_for_it),
	};

	return cmocka_run_group_tests_name("image-build", tests, NULL, NULL);
}
