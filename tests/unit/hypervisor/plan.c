/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hypervisor/qemu/qemu-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

static const struct guest_image minimal = {
	.kernel = (char *)"/g/kernel",
	.initrd = (char *)"/g/initramfs",
	.release = (char *)"6.12-moat",
	.is_elf = true,
	.has_9p = true,
	.has_virtiofs = true,
	.has_vsock = true,
	.has_mmio = true,
	.has_pci = true,
	.has_acpi = true,
};
static const struct guest_image distribution = {
	.kernel = (char *)"/g/kernel",
	.initrd = (char *)"/g/initramfs",
	.release = (char *)"6.1-cloud",
	.has_virtiofs = true,
	.has_vsock = true,
	.has_pci = true,
	.has_acpi = true,
};

static struct hv_config make_config(const struct guest_image *guest)
{
	return (struct hv_config){
		.name = "web",
		.guest = guest,
		.accel = HV_ACCEL_TCG,
		.memory_mib = 256,
		.vcpus = 1,
		.tsc_khz = 2300000,
		.share = HV_SHARE_9P,
		.share_path = "/run/moat/web/shared",
		.share_tag = "moat",
		.virtiofs_fd = 13,
		.channel = HV_CHANNEL_SERIAL,
		.channel_fd = 12,
		.guest_cid = 77,
		.qmp_fd = 10,
		.console_fd = 11,
	};
}

static void check_for(enum hv_arch arch, const struct hv_config *config, const char *golden)
{
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (qemu_plan_for(arch, config, &argv, &err) < 0)
		fail_msg("%s", err.msg);
	text = strv_join(argv, "\n");
	assert_string_equal(text, golden);
}

static void check(const struct hv_config *config, const char *golden)
{
	check_for(HV_ARCH_X86_64, config, golden);
}

static void check_refused(const struct hv_config *config, int code, const char *text)
{
	struct error err = ERROR_INIT;
	char **argv = NULL;

	assert_int_equal(qemu_plan_for(HV_ARCH_X86_64, config, &argv, &err), code);
	assert_null(argv);
	assert_string_equal(err.msg, text);
}

#define LIMITS                                                                                     \
	"-nodefaults\n-no-user-config\n-display\nnone\n-no-reboot\n-sandbox\n"                     \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny\n"
#define IMAGE "-kernel\n/g/kernel\n-initrd\n/g/initramfs\n-append\n"
#define PARAMS "console=ttyS0 quiet panic=-1 reboot=t noreplace-smp cgroup_no_v1=all agent.channel="
#define CONTROL                                                                                    \
	"-chardev\nsocket,id=qmp,fd=10\n-mon\nchardev=qmp,mode=control\n"                          \
	"-chardev\nsocket,id=console,fd=11\n-serial\nchardev:console\n"
#define AGENT                                                                                      \
	"-chardev\nsocket,id=agent,fd=12\n"                                                        \
	"-device\nvirtserialport,bus=serial.0,nr=1,chardev=agent,name=agent"
#define FSDEV                                                                                      \
	"\n-fsdev\nlocal,id=share,path=/run/moat/web/shared,security_model=passthrough,"           \
	"multidevs=remap\n"
#define Q35 "q35,usb=off,sata=off,smbus=off,smm=off,vmport=off"

static void one_emulated_cpu_gets_microvm_without_acpi(void **state)
{
	struct hv_config config = make_config(&minimal);

	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\nmicrovm,acpi=off\n-accel\ntcg,thread=multi\n"
	      "-cpu\nmax\n-m\n256M\n-smp\n1\n" LIMITS IMAGE
	      "pci=off tsc_early_khz=2300000 " PARAMS "serial:agent\n" CONTROL
	      "-device\nvirtio-rng-device\n"
	      "-device\nvirtio-serial-device,id=serial,max_ports=4\n" AGENT FSDEV
	      "-device\nvirtio-9p-device,fsdev=share,mount_tag=moat");
}

static void several_emulated_cpus_get_microvm_with_acpi_and_the_tsc_rate(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.vcpus = 2;
	config.share = HV_SHARE_NONE;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\nmicrovm,acpi=on\n-accel\ntcg,thread=multi\n"
	      "-cpu\nmax\n-m\n256M\n-smp\n2\n" LIMITS IMAGE "pci=off tsc_early_khz=2300000 " PARAMS
	      "serial:agent\n" CONTROL "-device\nvirtio-rng-device\n"
	      "-device\nvirtio-serial-device,id=serial,max_ports=4\n" AGENT);
}

static void several_emulated_cpus_without_a_tsc_rate_get_q35(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.vcpus = 2;
	config.tsc_khz = 0;
	check(&config, "qemu-system-x86_64\n-name\nweb\n-M\n" Q35 "\n-accel\ntcg,thread=multi\n"
		       "-cpu\nmax\n-m\n256M\n-smp\n2\n" LIMITS IMAGE PARAMS "serial:agent\n" CONTROL
		       "-device\nvirtio-rng-pci\n"
		       "-device\nvirtio-serial-pci,id=serial,max_ports=4\n" AGENT FSDEV
		       "-device\nvirtio-9p-pci,fsdev=share,mount_tag=moat");
}

static void kvm_with_vsock_gets_microvm_and_no_tsc_rate(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.accel = HV_ACCEL_KVM;
	config.vcpus = 4;
	config.channel = HV_CHANNEL_VSOCK;
	config.program = "/opt/qemu";
	check(&config, "/opt/qemu\n-name\nweb\n-M\nmicrovm,acpi=on\n-accel\nkvm\n"
		       "-cpu\nhost\n-m\n256M\n-smp\n4\n" LIMITS IMAGE "pci=off " PARAMS
		       "vsock\n" CONTROL "-device\nvirtio-rng-device\n"
		       "-device\nvhost-vsock-device,guest-cid=77,vhostfd=12" FSDEV
		       "-device\nvirtio-9p-device,fsdev=share,mount_tag=moat");
}

static void virtiofs_gets_q35_and_shared_memory(void **state)
{
	struct hv_config config = make_config(&distribution);

	config.share = HV_SHARE_VIRTIOFS;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\n" Q35 ",memory-backend=ram\n-accel\n"
	      "tcg,thread=multi\n-cpu\nmax\n-m\n256M\n-smp\n1\n"
	      "-object\nmemory-backend-memfd,id=ram,size=256M,share=on\n" LIMITS IMAGE PARAMS
	      "serial:agent\n" CONTROL "-device\nvirtio-rng-pci\n"
	      "-device\nvirtio-serial-pci,id=serial,max_ports=4\n" AGENT
	      "\n-chardev\nsocket,id=share,fd=13\n"
	      "-device\nvhost-user-fs-pci,chardev=share,tag=moat,queue-size=1024");
	config.guest = &minimal;
	config.channel = HV_CHANNEL_VSOCK;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\n" Q35 ",memory-backend=ram\n-accel\n"
	      "tcg,thread=multi\n-cpu\nmax\n-m\n256M\n-smp\n1\n"
	      "-object\nmemory-backend-memfd,id=ram,size=256M,share=on\n" LIMITS IMAGE PARAMS
	      "vsock\n" CONTROL "-device\nvirtio-rng-pci\n"
	      "-device\nvhost-vsock-pci,guest-cid=77,vhostfd=12"
	      "\n-chardev\nsocket,id=share,fd=13\n"
	      "-device\nvhost-user-fs-pci,chardev=share,tag=moat,queue-size=1024");
}

static void aarch64_gets_virt(void **state)
{
	struct hv_config config = make_config(&distribution);

	config.share = HV_SHARE_NONE;
	check_for(
		HV_ARCH_AARCH64, &config,
		"qemu-system-aarch64\n-name\nweb\n-M\nvirt,gic-version=max,usb=off\n-accel\n"
		"tcg,thread=multi\n-cpu\ncortex-a57\n-m\n256M\n-smp\n1\n" LIMITS IMAGE
		"console=ttyAMA0 quiet panic=-1 cgroup_no_v1=all agent.channel=serial:agent\n" CONTROL
		"-device\nvirtio-rng-pci\n"
		"-device\nvirtio-serial-pci,id=serial,max_ports=4\n" AGENT);
}

static void commas_in_names_do_not_become_options(void **state)
{
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL;

	config.name = "a,process=b";
	config.share_path = "/srv/x,readonly=on";
	assert_int_equal(qemu_plan_for(HV_ARCH_X86_64, &config, &argv, NULL), 0);
	assert_true(strv_has(argv, "a,,process=b"));
	assert_true(strv_has(argv, "local,id=share,path=/srv/x,,readonly=on,"
				   "security_model=passthrough,multidevs=remap"));
}

static void the_callers_words_come_last(void **state)
{
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL;
	cleanup_free char *line = NULL;

	config.kernel_params = "agent.log=debug console=hvc0";
	config.program_args = (char *const[]){ (char *)"-d", (char *)"int", NULL };
	line = hv_kernel_command_line_for(HV_ARCH_X86_64, &config);
	assert_string_equal(line, PARAMS "serial:agent agent.log=debug console=hvc0");
	assert_int_equal(qemu_plan_for(HV_ARCH_X86_64, &config, &argv, NULL), 0);
	assert_string_equal(argv[strv_len(argv) - 1], "int");
	assert_string_equal(argv[strv_len(argv) - 2], "-d");
}

static void what_the_guest_kernel_lacks_is_refused(void **state)
{
	struct guest_image bare = distribution;
	struct hv_config config = make_config(&distribution);

	check_refused(&config, -ENOTSUP, "guest kernel '6.1-cloud': no 9p");
	bare.has_vsock = bare.has_virtiofs = false;
	config.guest = &bare;
	config.share = HV_SHARE_VIRTIOFS;
	check_refused(&config, -ENOTSUP, "guest kernel '6.1-cloud': no virtiofs over PCI");
	config.share = HV_SHARE_NONE;
	config.channel = HV_CHANNEL_VSOCK;
	check_refused(&config, -ENOTSUP, "guest kernel '6.1-cloud': no vsock");
	config.channel = HV_CHANNEL_SERIAL;
	bare.has_pci = false;
	check_refused(&config, -ENOTSUP,
		      "guest kernel '6.1-cloud': has neither PCI nor what microvm needs");
}

static void sizes_that_cannot_work_are_refused(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.memory_mib = 63;
	check_refused(&config, -EINVAL, "guest memory: 63 MiB is less than 64");
	config.memory_mib = 64;
	config.vcpus = 0;
	check_refused(&config, -EINVAL, "vcpus: 0 is not between 1 and 255");
	config.vcpus = 256;
	check_refused(&config, -EINVAL, "vcpus: 256 is not between 1 and 255");
	config.vcpus = 1;
	config.accel = HV_ACCEL_AUTO;
	check_refused(&config, -EINVAL, "accelerator: not chosen yet");
}

static void only_descriptors_of_the_plan_are_inherited(void **state)
{
	struct hv_config config = make_config(&minimal);
	int fds[QEMU_MAX_FDS];

	assert_int_equal(qemu_planned_fds(&config, fds), 3);
	config.share = HV_SHARE_VIRTIOFS;
	assert_int_equal(qemu_planned_fds(&config, fds), 4);
	assert_int_equal(fds[3], 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_emulated_cpu_gets_microvm_without_acpi),
		cmocka_unit_test(several_emulated_cpus_get_microvm_with_acpi_and_the_tsc_rate),
		cmocka_unit_test(several_emulated_cpus_without_a_tsc_rate_get_q35),
		cmocka_unit_test(kvm_with_vsock_gets_microvm_and_no_tsc_rate),
		cmocka_unit_test(virtiofs_gets_q35_and_shared_memory),
		cmocka_unit_test(aarch64_gets_virt),
		cmocka_unit_test(commas_in_names_do_not_become_options),
		cmocka_unit_test(the_callers_words_come_last),
		cmocka_unit_test(what_the_guest_kernel_lacks_is_refused),
		cmocka_unit_test(sizes_that_cannot_work_are_refused),
		cmocka_unit_test(only_descriptors_of_the_plan_are_inherited),
	};

	return cmocka_run_group_tests_name("hypervisor-plan", tests, NULL, NULL);
}
