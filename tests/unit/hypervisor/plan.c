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
	.arch = HV_ARCH_X86_64,
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
	.arch = HV_ARCH_X86_64,
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
		.watch_fd = 10,
		.control_fd = 14,
		.console_fd = 11,
	};
}

static const struct hv_disk disks[] = {
	{ .id = "root", .fd = 20, .is_readonly = true },
	{ .id = "data", .fd = 21, .is_device = true },
};

static int plan_for(enum hv_arch arch, const struct hv_config *config, char ***ret_argv,
		    struct error *err)
{
	struct guest_image guest = *config->guest;
	struct hv_config its = *config;

	guest.arch = (int)arch;
	its.guest = &guest;
	return qemu_plan(&its, ret_argv, err);
}

static void check_for(enum hv_arch arch, const struct hv_config *config, const char *golden)
{
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (plan_for(arch, config, &argv, &err) < 0)
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

	assert_int_equal(plan_for(HV_ARCH_X86_64, config, &argv, &err), code);
	assert_null(argv);
	assert_string_equal(err.msg, text);
}

#define LIMITS                                                                                     \
	"-nodefaults\n-no-user-config\n-display\nnone\n-no-reboot\n-sandbox\n"                     \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny\n"
#define IMAGE "-kernel\n/g/kernel\n-initrd\n/g/initramfs\n-append\n"
#define PARAMS                                                                                     \
	"console=ttyS0 quiet panic=-1 reboot=t noreplace-smp no_timer_check cgroup_no_v1=all "     \
	"agent.channel="
#define CONTROL                                                                                    \
	"-chardev\nsocket,id=watch,fd=10\n-mon\nchardev=watch,mode=control\n"                      \
	"-chardev\nsocket,id=control,fd=14,server=on,wait=off\n-mon\n"                             \
	"chardev=control,mode=control\n"                                                           \
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
	      "qemu-system-x86_64\n-name\nweb\n-M\nmicrovm,acpi=off\n-accel\ntcg,thread=multi,tb-size=256\n"
	      "-cpu\nmax\n-m\n256M\n-smp\n1\n" LIMITS IMAGE "pci=off tsc_early_khz=2300000 " PARAMS
	      "serial:agent\n" CONTROL "-device\nvirtio-rng-device\n"
	      "-device\nvirtio-serial-device,id=serial,max_ports=2\n" AGENT FSDEV
	      "-device\nvirtio-9p-device,fsdev=share,mount_tag=moat");
}

static void several_emulated_cpus_get_microvm_with_acpi_and_the_tsc_rate(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.vcpus = 2;
	config.share = HV_SHARE_NONE;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\nmicrovm,acpi=on\n-accel\ntcg,thread=multi,tb-size=256\n"
	      "-cpu\nmax\n-m\n256M\n-smp\n2\n" LIMITS IMAGE "pci=off tsc_early_khz=2300000 " PARAMS
	      "serial:agent\n" CONTROL "-device\nvirtio-rng-device\n"
	      "-device\nvirtio-serial-device,id=serial,max_ports=2\n" AGENT);
}

static void several_emulated_cpus_without_a_tsc_rate_get_q35(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.vcpus = 2;
	config.tsc_khz = 0;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\n" Q35 "\n-accel\ntcg,thread=multi,tb-size=256\n"
	      "-cpu\nmax\n-m\n256M\n-smp\n2\n" LIMITS IMAGE PARAMS "serial:agent\n" CONTROL
	      "-device\nvirtio-rng-pci\n"
	      "-device\nvirtio-serial-pci,id=serial,max_ports=2\n" AGENT FSDEV
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
	      "tcg,thread=multi,tb-size=256\n-cpu\nmax\n-m\n256M\n"
	      "-object\nmemory-backend-memfd,id=ram,size=256M,share=on\n-smp\n1\n" LIMITS IMAGE
		      PARAMS "serial:agent\n" CONTROL "-device\nvirtio-rng-pci\n"
	      "-device\nvirtio-serial-pci,id=serial,max_ports=2\n" AGENT
	      "\n-chardev\nsocket,id=share,fd=13\n"
	      "-device\nvhost-user-fs-pci,chardev=share,tag=moat,queue-size=1024");
	config.guest = &minimal;
	config.channel = HV_CHANNEL_VSOCK;
	check(&config,
	      "qemu-system-x86_64\n-name\nweb\n-M\n" Q35 ",memory-backend=ram\n-accel\n"
	      "tcg,thread=multi,tb-size=256\n-cpu\nmax\n-m\n256M\n"
	      "-object\nmemory-backend-memfd,id=ram,size=256M,share=on\n-smp\n1\n" LIMITS IMAGE
		      PARAMS "vsock\n" CONTROL "-device\nvirtio-rng-pci\n"
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
		"tcg,thread=multi,tb-size=256\n-cpu\ncortex-a57\n-m\n256M\n-smp\n1\n" LIMITS IMAGE
		"console=ttyAMA0 quiet panic=-1 cgroup_no_v1=all agent.channel=serial:agent\n" CONTROL
		"-device\nvirtio-rng-pci\n"
		"-device\nvirtio-serial-pci,id=serial,max_ports=2\n" AGENT);
}

static void check_other(enum hv_arch arch, const char *golden)
{
	struct hv_config config = make_config(&distribution);

	config.share = HV_SHARE_NONE;
	check_for(arch, &config, golden);
}

static void riscv64_gets_virt(void **state)
{
	check_other(
		HV_ARCH_RISCV64,
		"qemu-system-riscv64\n-name\nweb\n-M\nvirt,usb=off\n-accel\n"
		"tcg,thread=multi,tb-size=256\n-cpu\nrv64\n-m\n256M\n-smp\n1\n" LIMITS IMAGE
		"console=ttyS0 quiet panic=-1 cgroup_no_v1=all agent.channel=serial:agent\n" CONTROL
		"-device\nvirtio-rng-pci\n"
		"-device\nvirtio-serial-pci,id=serial,max_ports=2\n" AGENT);
}

static void ppc64le_gets_pseries(void **state)
{
	check_other(
		HV_ARCH_PPC64LE,
		"qemu-system-ppc64\n-name\nweb\n-M\n"
		"pseries,usb=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,"
		"cap-large-decr=off,cap-ccf-assist=off\n-accel\n"
		"tcg,thread=multi,tb-size=256\n-cpu\npower9\n-m\n256M\n-smp\n1\n" LIMITS IMAGE
		"console=hvc0 quiet panic=-1 cgroup_no_v1=all agent.channel=serial:agent\n" CONTROL
		"-device\nvirtio-rng-pci\n"
		"-device\nvirtio-serial-pci,id=serial,max_ports=2\n" AGENT);
}

static void s390x_gets_channel_devices_and_no_pci(void **state)
{
	struct guest_image guest = distribution;
	struct hv_config config = make_config(&guest);

	guest.has_pci = false;
	config.share = HV_SHARE_VIRTIOFS;
	config.channel = HV_CHANNEL_VSOCK;
	config.disks = disks;
	config.disks_count = 1;
	check_for(HV_ARCH_S390X, &config,
		  "qemu-system-s390x\n-name\nweb\n-M\ns390-ccw-virtio,memory-backend=ram\n-accel\n"
		  "tcg,thread=multi,tb-size=256\n-cpu\nmax\n-m\n256M\n"
		  "-object\nmemory-backend-memfd,id=ram,size=256M,share=on\n-smp\n1\n" LIMITS IMAGE
		  "console=ttysclp0 quiet panic=-1 cgroup_no_v1=all agent.channel=vsock\n" CONTROL
		  "-device\nvirtio-rng-ccw\n"
		  "-device\nvhost-vsock-ccw,guest-cid=77,vhostfd=12\n"
		  "-chardev\nsocket,id=share,fd=13\n"
		  "-device\nvhost-user-fs-ccw,chardev=share,tag=moat,queue-size=1024\n"
		  "-add-fd\nfd=20,set=1\n-blockdev\ndriver=raw,node-name=root,read-only=on,"
		  "file.driver=file,file.filename=/dev/fdset/1\n"
		  "-device\nvirtio-blk-ccw,drive=root,serial=root");
}

/* The end of the command line, from @word on. */
static void check_end(enum hv_arch arch, const struct hv_config *config, const char *word,
		      const char *golden)
{
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (plan_for(arch, config, &argv, &err) < 0)
		fail_msg("%s", err.msg);
	text = strv_join(argv, "\n");
	assert_non_null(strstr(text, word));
	assert_string_equal(strstr(text, word), golden);
}

static void check_disks(const struct hv_config *config, const char *golden)
{
	check_end(HV_ARCH_X86_64, config, "-add-fd", golden);
}

static const struct hv_nic nics[] = {
	{ .fd = 30, .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 0xab } },
	{ .fd = 31, .vhost_fd = 32, .mac = { 2, 0, 0, 0, 0, 0xcd } },
};

static void network_interfaces_are_taps_by_descriptor(void **state)
{
	struct hv_config config = make_config(&distribution);

	config.share = HV_SHARE_NONE;
	config.nics = nics;
	config.nics_count = 2;
	check_end(HV_ARCH_X86_64, &config, "-netdev",
		  "-netdev\ntap,id=net0,fd=30\n"
		  "-device\nvirtio-net-pci,netdev=net0,mac=02:00:00:00:00:ab,romfile=\n"
		  "-netdev\ntap,id=net1,fd=31,vhost=on,vhostfd=32\n"
		  "-device\nvirtio-net-pci,netdev=net1,mac=02:00:00:00:00:cd,romfile=");
	config.nics_count = 1;
	check_end(HV_ARCH_S390X, &config, "-netdev",
		  "-netdev\ntap,id=net0,fd=30\n"
		  "-device\nvirtio-net-ccw,netdev=net0,mac=02:00:00:00:00:ab");
	config.guest = &minimal;
	check_end(HV_ARCH_X86_64, &config, "-netdev",
		  "-netdev\ntap,id=net0,fd=30\n"
		  "-device\nvirtio-net-device,netdev=net0,mac=02:00:00:00:00:ab");
}

static void more_network_interfaces_than_there_are_slots_are_refused(void **state)
{
	struct hv_config config = make_config(&minimal);

	config.nics_count = HV_NICS_MAX + 1;
	check_refused(&config, -ERANGE, "network interfaces: 9 are more than 8");
}

#define ROOT                                                                                       \
	"-add-fd\nfd=20,set=1\n-blockdev\ndriver=raw,node-name=root,read-only=on,"                 \
	"file.driver=file,file.filename=/dev/fdset/1\n"
#define DATA                                                                                       \
	"-add-fd\nfd=21,set=2\n-blockdev\ndriver=raw,node-name=data,read-only=off,"                \
	"file.driver=host_device,file.filename=/dev/fdset/2\n"

static void disks_are_passed_by_descriptor_in_the_guests_order(void **state)
{
	struct hv_config config = make_config(&distribution);

	config.share = HV_SHARE_NONE;
	config.disks = disks;
	config.disks_count = 2;
	config.has_disk_slots = true;
	check_disks(&config, ROOT "-device\nvirtio-blk-pci,drive=root,serial=root\n" DATA
				  "-device\nvirtio-blk-pci,drive=data,serial=data\n"
				  "-device\nvirtio-scsi-pci,id=scsi");
	config.guest = &minimal;
	check_disks(&config, DATA "-device\nvirtio-blk-device,drive=data,serial=data\n" ROOT
				  "-device\nvirtio-blk-device,drive=root,serial=root\n"
				  "-device\nvirtio-scsi-device,id=scsi");
}

static void disks_that_cannot_be_named_are_refused(void **state)
{
	static const char *const bad[] = { "", "1st", "a,b", "a_b", "abcdefghijklmnopqrstu" };
	struct hv_config config = make_config(&minimal);
	struct hv_disk many[HV_DISKS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct hv_disk disk = { .id = bad[i], .fd = 20 };
		cleanup_free char *text = xasprintf("disk '%s': not an id", bad[i]);

		config.disks = &disk;
		config.disks_count = 1;
		check_refused(&config, -EINVAL, text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = disks[0];
	config.disks = many;
	config.disks_count = ARRAY_SIZE(many);
	check_refused(&config, -ERANGE, "disks: 9 are more than 8");
}

static void room_to_grow_takes_a_machine_that_can(void **state)
{
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct guest_image no_pci = minimal;

	config.vcpus_max = 4;
	config.memory_max_mib = 1024;
	assert_int_equal(qemu_plan(&config, &argv, NULL), 0);
	text = strv_join(argv, "\n");
	assert_non_null(strstr(text, "-M\n" Q35 "\n"));
	assert_non_null(strstr(text, "-m\n256M,slots=16,maxmem=1024M\n-smp\n1,maxcpus=4\n"));
	no_pci.has_pci = false;
	config.guest = &no_pci;
	check_refused(&config, -ENOTSUP,
		      "guest kernel '6.12-moat': serves no machine that can be resized");
}

static void memory_is_given_back_but_not_that_of_a_file(void **state)
{
	const struct hv_memory memory = { .fd = 9, .is_private = true };
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL, **of_file = NULL;

	config.gives_memory_back = true;
	assert_int_equal(qemu_plan(&config, &argv, NULL), 0);
	assert_true(strv_has(argv, "virtio-balloon-device,free-page-reporting=on"));
	config.memory = &memory;
	assert_int_equal(qemu_plan(&config, &of_file, NULL), 0);
	assert_false(strv_has(of_file, "virtio-balloon-device,free-page-reporting=on"));
}

static void huge_pages_and_preallocation_are_the_memorys(void **state)
{
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL;

	config.has_hugepages = config.is_preallocated = true;
	assert_int_equal(qemu_plan(&config, &argv, NULL), 0);
	assert_true(strv_has(argv, "microvm,acpi=off,memory-backend=ram"));
	assert_true(strv_has(
		argv, "memory-backend-memfd,id=ram,size=256M,share=on,hugetlb=on,prealloc=on"));
}

static void memory_can_be_a_file_and_a_state_the_start(void **state)
{
	struct hv_memory memory = { .fd = 30 };
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **first = NULL, **second = NULL;
	int fds[QEMU_MAX_FDS];
	size_t count;

	config.memory = &memory;
	assert_int_equal(qemu_plan(&config, &first, NULL), 0);
	assert_true(strv_has(first, "microvm,acpi=off,memory-backend=ram"));
	assert_true(strv_has(
		first, "memory-backend-file,id=ram,size=256M,mem-path=/proc/self/fd/30,share=on"));
	assert_false(strv_has(first, "-incoming"));
	count = qemu_planned_fds(&config, fds);
	assert_int_equal(fds[count - 1], 30);

	memory.is_private = config.is_restored = true;
	assert_int_equal(qemu_plan(&config, &second, NULL), 0);
	assert_true(strv_has(
		second,
		"memory-backend-file,id=ram,size=256M,mem-path=/proc/self/fd/30,share=off"));
	assert_true(strv_has(second, "defer"));
	assert_false(strv_has(second, "-kernel"));
	config.has_hugepages = true;
	check_refused(&config, -ENOTSUP,
		      "guest memory: a file is neither of huge pages nor virtiofsd's");
}

static void a_running_machine_is_known_by_its_type(void **state)
{
	assert_false(qemu_machine_features("microvm-machine") & HV_FEATURE_RESIZE_VCPUS);
	assert_true(qemu_machine_features("microvm-machine") & HV_FEATURE_PAUSE);
	assert_true(qemu_machine_features("pc-q35-7.2-machine") & HV_FEATURE_RESIZE_MEMORY);
	assert_true(qemu_machine_features("pseries-7.2-machine") & HV_FEATURE_RESIZE_VCPUS);
	assert_false(qemu_machine_features("s390-ccw-virtio-7.2-machine") &
		     HV_FEATURE_RESIZE_MEMORY);
	assert_int_equal(qemu_machine_features("pc-i440fx-7.2-machine"), 0);
}

static void commas_in_names_do_not_become_options(void **state)
{
	struct hv_config config = make_config(&minimal);
	cleanup_strv char **argv = NULL;

	config.name = "a,process=b";
	config.share_path = "/srv/x,readonly=on";
	assert_int_equal(qemu_plan(&config, &argv, NULL), 0);
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
	line = hv_kernel_command_line(&config);
	assert_string_equal(line, PARAMS "serial:agent agent.log=debug console=hvc0");
	assert_int_equal(qemu_plan(&config, &argv, NULL), 0);
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

	assert_int_equal(qemu_planned_fds(&config, fds), 4);
	assert_int_equal(fds[3], 14);
	config.control_fd = -1;
	assert_int_equal(qemu_planned_fds(&config, fds), 3);
	config.share = HV_SHARE_VIRTIOFS;
	assert_int_equal(qemu_planned_fds(&config, fds), 4);
	assert_int_equal(fds[3], 13);
	config.disks = disks;
	config.disks_count = 2;
	assert_int_equal(qemu_planned_fds(&config, fds), 6);
	assert_int_equal(fds[5], 21);
	config.nics = nics;
	config.nics_count = 2;
	assert_int_equal(qemu_planned_fds(&config, fds), 9);
	assert_int_equal(fds[6], 30);
	assert_int_equal(fds[8], 32);
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
		cmocka_unit_test(riscv64_gets_virt),
		cmocka_unit_test(ppc64le_gets_pseries),
		cmocka_unit_test(s390x_gets_channel_devices_and_no_pci),
		cmocka_unit_test(disks_are_passed_by_descriptor_in_the_guests_order),
		cmocka_unit_test(disks_that_cannot_be_named_are_refused),
		cmocka_unit_test(network_interfaces_are_taps_by_descriptor),
		cmocka_unit_test(more_network_interfaces_than_there_are_slots_are_refused),
		cmocka_unit_test(room_to_grow_takes_a_machine_that_can),
		cmocka_unit_test(memory_is_given_back_but_not_that_of_a_file),
		cmocka_unit_test(huge_pages_and_preallocation_are_the_memorys),
		cmocka_unit_test(memory_can_be_a_file_and_a_state_the_start),
		cmocka_unit_test(a_running_machine_is_known_by_its_type),
		cmocka_unit_test(commas_in_names_do_not_become_options),
		cmocka_unit_test(the_callers_words_come_last),
		cmocka_unit_test(what_the_guest_kernel_lacks_is_refused),
		cmocka_unit_test(sizes_that_cannot_work_are_refused),
		cmocka_unit_test(only_descriptors_of_the_plan_are_inherited),
	};

	return cmocka_run_group_tests_name("hypervisor-plan", tests, NULL, NULL);
}
