/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/check/check.h"
#include "lib/check/toml.h"
#include "lib/settings/settings.h"

/* A host in a directory of the test's, which starts as one that lacks nothing. */
static char root[] = "/tmp/test-check-XXXXXX";
static char *image;
static struct settings settings;
static struct error settings_error;
static struct check_host host;
static struct check_report report;

static void put(const char *path, const char *text, mode_t mode)
{
	cleanup_free char *whole = xasprintf("%s%s", root, path);
	cleanup_free char *dir = xstrdup(whole);
	cleanup_fd int fd = -1;

	*strrchr(dir, '/') = '\0';
	assert_int_equal(mkdir_parents(dir, 0755), 0);
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void drop(const char *path)
{
	cleanup_free char *whole = xasprintf("%s%s", root, path);

	assert_int_equal(unlink(whole), 0);
}

static void put_kernel(void)
{
	static const char *const namespaces[] = { "mnt", "pid",	 "net",	   "ipc",
						  "uts", "user", "cgroup", "time" };

	put("/etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n", 0644);
	put("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n", 0644);
	put("/proc/sys/kernel/seccomp/actions_avail", "kill\n", 0644);
	put("/proc/sys/user/max_user_namespaces", "15000\n", 0644);
	put("/proc/cpuinfo", "flags\t\t: fpu vme svm lm\n", 0644);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		cleanup_free char *path = xasprintf("/proc/self/ns/%s", namespaces[i]);

		put(path, "", 0644);
	}
	put("/proc/self/mountinfo",
	    "30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", 0644);
	put("/proc/self/cgroup", "0::/user.slice\n", 0644);
	put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n", 0644);
	put("/sys/kernel/security/lsm", "lockdown,capability,apparmor\n", 0644);
	put("/sys/module/apparmor/parameters/enabled", "Y\n", 0644);
}

static void put_machine(void)
{
	put("/dev/kvm", "", 0666);
	put("/dev/vhost-vsock", "", 0666);
	put("/dev/vhost-net", "", 0666);
	put("/dev/net/tun", "", 0666);
	put("/usr/bin/qemu-system-x86_64", "", 0755);
	put("/usr/bin/qemu-kvm", "", 0755); /* on other processors */
	put("/usr/lib/qemu/virtiofsd", "", 0755);
	put("/usr/libexec/moat/moat-shim", "", 0755);
	put("/usr/bin/moat", "", 0755);
	put("/image/kernel", "", 0644);
	put("/image/initramfs", "", 0644);
	put("/image/guest.json",
	    "{\"kernel\": \"kernel\", \"initrd\": \"initramfs\", \"release\": \"6.12\", "
	    "\"virtiofs\": true}",
	    0644);
}

static int set_up(void **state)
{
	strcpy(root + strlen(root) - 6, "XXXXXX");
	assert_non_null(mkdtemp(root));
	unsetenv("MOAT_ACCEL");
	unsetenv("MOAT_SHARE");
	unsetenv("MOAT_HYPERVISOR");
	unsetenv("MOAT_GUEST");
	put_kernel();
	put_machine();
	settings_init(&settings);
	image = xasprintf("%s/image", root);
	host = (struct check_host){
		.root = root,
		.program = "/usr/bin/moat",
		.shim = "/usr/libexec/moat/moat-shim",
		.image = image,
		.wants_vm = true,
		.user = "ada",
		.settings = &settings,
	};
	return 0;
}

static int tear_down(void **state)
{
	check_report_done(&report);
	settings_done(&settings);
	free(image);
	return remove_tree_at(AT_FDCWD, root);
}

static void look(void)
{
	check_report_done(&report);
	check_host_run(&host, &report);
}

static const struct check_finding *find(const char *field, const char *subject)
{
	for (size_t i = 0; i < report.count; i++)
		if (streq(report.findings[i].field, field) &&
		    streq(report.findings[i].subject, subject))
			return &report.findings[i];
	fail_msg("nothing is said of %s, %s", field, subject);
	return NULL;
}

/* Looks, and what is said of @subject is this. @cure: NULL: none. */
static void expect(const char *field, const char *subject, enum check_verdict verdict,
		   const char *text, const char *cure)
{
	const struct check_finding *finding;

	look();
	finding = find(field, subject);
	if (finding->verdict != verdict || !strstr(finding->text, text) ||
	    !finding->cure != !cure || (cure && !strstr(finding->cure, cure)))
		fail_msg("%s %s: %s: %s (%s)", field, subject,
			 names_get(&check_verdict_names, finding->verdict), finding->text,
			 finding->cure ? finding->cure : "no cure");
}

static void a_host_that_lacks_nothing_is_told_so(void **state)
{
	look();
	for (size_t i = 0; i < report.count; i++)
		if (report.findings[i].verdict != CHECK_OK)
			fail_msg("%s %s: %s", report.findings[i].field, report.findings[i].subject,
				 report.findings[i].text);
	assert_int_equal(report.counts[CHECK_OK], report.count);
}

static void no_qemu(void **state)
{
	drop("/usr/bin/qemu-system-x86_64");
	drop("/usr/bin/qemu-kvm");
	expect("machine", "QEMU", CHECK_MISSING, "find 'qemu-system-",
	       "apt-get install qemu-system-x86");
	put("/etc/os-release", "ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", 0644);
	expect("machine", "QEMU", CHECK_MISSING, "find 'qemu-system-", "dnf install qemu-kvm");
	put("/etc/os-release", "ID=other\n", 0644);
	expect("machine", "QEMU", CHECK_MISSING, "find 'qemu-system-", "install QEMU");
	/* Containers that want none do without. */
	host.wants_vm = false;
	expect("machine", "QEMU", CHECK_WARNING, "find 'qemu-system-", "install QEMU");
}

static void another_hypervisor(void **state)
{
	expect("machine", "hypervisor", CHECK_OK, "qemu, which can do most", NULL);
	put("/usr/bin/firecracker", "", 0755);
	expect("machine", "hypervisor", CHECK_OK, "; by vm.hypervisor: firecracker", NULL);
	settings.vm.hypervisor = xstrdup("cloud-hypervisor");
	expect("machine", "hypervisor", CHECK_MISSING, "find 'cloud-hypervisor'",
	       "install cloud-hypervisor in /usr/bin");
	put("/usr/bin/cloud-hypervisor", "", 0755);
	expect("machine", "hypervisor", CHECK_OK, "/usr/bin/cloud-hypervisor, by moat.json", NULL);
	/* It emulates nothing. */
	drop("/dev/kvm");
	expect("devices", "KVM", CHECK_MISSING, "no /dev/kvm, and 'kvm' is asked for", "");
	assert_int_equal(setenv("MOAT_HYPERVISOR", "bhyve", 1), 0);
	expect("machine", "hypervisor", CHECK_MISSING, "no such hypervisor: 'bhyve'", "name one");
}

static void a_choice_by_itself(void **state)
{
	settings.vm.hypervisor = xstrdup("auto");
	put("/image/guest.json",
	    "{\"kernel\": \"kernel\", \"initrd\": \"initramfs\", \"release\": \"6.12\", "
	    "\"virtiofs\": true, \"pci\": true, \"vsock\": true}",
	    0644);
	expect("machine", "hypervisor", CHECK_OK, "auto: qemu (builtin: ", NULL);
	put("/usr/bin/cloud-hypervisor", "", 0755);
	drop("/dev/kvm");
	expect("machine", "hypervisor", CHECK_OK, "builtin: needs KVM (no /dev/kvm)), by moat.json",
	       NULL);
	settings.vm.accelerator = names_find(&settings_accelerator_names, "kvm");
	expect("machine", "hypervisor", CHECK_MISSING, "cloud-hypervisor: needs KVM (no /dev/kvm)",
	       "apt-get install qemu-system-x86");
}

static void no_kernel_image(void **state)
{
	drop("/image/kernel");
	expect("guest", "image", CHECK_MISSING, "/image/kernel': No such file",
	       "moat-image build --output ");
	drop("/image/guest.json");
	expect("guest", "image", CHECK_MISSING, "no guest image in", "moat-image build --output ");
}

static void kvm_that_is_not_there_or_not_ours(void **state)
{
	drop("/dev/kvm");
	expect("devices", "KVM", CHECK_WARNING, "no /dev/kvm: virtual machines are emulated",
	       "modprobe kvm_amd");
	put("/proc/cpuinfo", "flags\t\t: fpu vme vmx lm\n", 0644);
	expect("devices", "KVM", CHECK_WARNING, "no /dev/kvm", "modprobe kvm_intel");
	put("/proc/cpuinfo", "flags\t\t: fpu vme lm\n", 0644);
	expect("devices", "KVM", CHECK_WARNING, "no /dev/kvm", "in the firmware");
	settings.vm.accelerator = names_find(&settings_accelerator_names, "kvm");
	expect("devices", "KVM", CHECK_MISSING, "no /dev/kvm, and 'kvm' is asked for",
	       "in the firmware");
}

static void a_configuration_that_is_wrong(void **state)
{
	error_set(&settings_error, -EINVAL, "/etc/moat/moat.json:3: vm.vcpus: must not be 0");
	host.settings_error = &settings_error;
	expect("moat", "configuration", CHECK_MISSING, "moat.json:3: vm.vcpus: must not be 0",
	       "correct the file");
	host.settings_error = NULL;
	strv_push(&settings.warnings, xstrdup("/etc/moat/moat.json:2: vm.cpus: unknown key"));
	expect("moat", "configuration", CHECK_WARNING, "vm.cpus: unknown key", "moat.json(5)");
}

static void no_virtiofsd_matters_where_the_guest_has_no_9p(void **state)
{
	drop("/usr/lib/qemu/virtiofsd");
	expect("machine", "virtiofsd", CHECK_MISSING, "by which the guest gets its files",
	       "apt-get install qemu-system-common");
	put("/image/guest.json",
	    "{\"kernel\": \"kernel\", \"initrd\": \"initramfs\", \"9p\": true}", 0644);
	expect("machine", "virtiofsd", CHECK_WARNING, "guests get their files by 9p", "apt-get");
	settings.vm.share = names_find(&settings_share_names, "virtiofs");
	expect("machine", "virtiofsd", CHECK_MISSING, "by which the guest", "apt-get");
}

static void devices_that_are_absent_have_their_module_named(void **state)
{
	drop("/dev/vhost-vsock");
	drop("/dev/vhost-net");
	drop("/dev/net/tun");
	expect("devices", "vsock", CHECK_WARNING, "by a serial port", "modprobe vhost_vsock");
	expect("devices", "vhost-net", CHECK_WARNING, "slower", "modprobe vhost_net");
	expect("devices", "tun", CHECK_WARNING, "with a network cannot start", "modprobe tun");
}

static void an_old_or_poor_kernel(void **state)
{
	put("/proc/sys/kernel/osrelease", "4.19.0\n", 0644);
	expect("kernel", "release", CHECK_MISSING, "Linux 4.19.0 is too old", "boot Linux 5.10");
	drop("/proc/sys/kernel/seccomp/actions_avail");
	expect("kernel", "seccomp", CHECK_MISSING, "no filters", "CONFIG_SECCOMP_FILTER");
	drop("/proc/self/ns/time");
	expect("namespaces", "kinds", CHECK_WARNING, "time namespaces", "CONFIG_TIME_NS");
	drop("/proc/self/ns/user");
	expect("namespaces", "kinds", CHECK_MISSING, "lacks: user, time", "CONFIG_NAMESPACES");
}

static void cgroups_of_each_kind(void **state)
{
	expect("cgroups", "version", CHECK_OK, "v2", NULL);
	put("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n", 0644);
	expect("cgroups", "controllers", CHECK_WARNING, "no limits of: memory",
	       "cgroup_enable=memory");
	put("/proc/self/mountinfo",
	    "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", 0644);
	expect("cgroups", "controllers", CHECK_OK, "cpu, memory, pids", NULL);
	expect("cgroups", "version", CHECK_OK, "v1", NULL);
	put("/proc/self/mountinfo", "", 0644);
	expect("cgroups", "version", CHECK_MISSING, "no cgroup file system", "mount -t cgroup2");
}

static void what_a_user_lacks_is_no_loss_to_root(void **state)
{
	put("/proc/sys/kernel/unprivileged_userns_clone", "0\n", 0644);
	expect("namespaces", "users", CHECK_WARNING, "unprivileged_userns_clone is 0",
	       "sysctl kernel.unprivileged_userns_clone=1");
	host.is_rootless = true;
	expect("namespaces", "users", CHECK_MISSING, "unprivileged_userns_clone is 0", "sysctl");
	expect("namespaces", "ids", CHECK_WARNING, "give 'ada' no ids", "usermod --add-subuids");
	put("/etc/subuid", "bob:1:2\nadam:1:2\nada:100000:65536\n", 0644);
	put("/etc/subgid", "ada:100000:65536\n", 0644);
	expect("namespaces", "ids", CHECK_WARNING, "no newuidmap", "apt-get install uidmap");
	put("/usr/bin/newuidmap", "", 0755);
	put("/usr/bin/newgidmap", "", 0755);
	expect("namespaces", "ids", CHECK_OK, "more ids for 'ada'", NULL);
}

static void podman_knows_moat_by_any_of_its_files(void **state)
{
	put("/usr/bin/podman", "", 0755);
	expect("engines", "podman", CHECK_WARNING, "does not know",
	       "'moat = [\"/usr/bin/moat\"]' to /etc/containers/containers.conf.d");
	put("/etc/containers/containers.conf", "[engine]\nruntime = \"crun\"\n", 0644);
	put("/etc/containers/containers.conf.d/50-moat.conf",
	    "[engine.runtimes]\nmoat-native = [\"/usr/bin/n\"]\nmoat = [\n  \"/opt/moat\",\n]\n",
	    0644);
	expect("engines", "podman", CHECK_WARNING, "is '/opt/moat', which is no program",
	       "/usr/bin/moat");
	put("/opt/moat", "", 0755);
	expect("engines", "podman", CHECK_OK, "is /opt/moat", NULL);
}

static void crio_needs_its_infra_container_too(void **state)
{
	put("/usr/bin/crio", "", 0755);
	put("/etc/crio/crio.conf.d/50-moat.conf",
	    "[crio.runtime.runtimes.moat]\nruntime_path = \"/usr/bin/moat\"\n", 0644);
	expect("engines", "CRI-O", CHECK_OK, "/usr/bin/moat", NULL);
	expect("engines", "CRI-O's pods", CHECK_WARNING, "ends with its first container",
	       "drop_infra_ctr = false");
	put("/etc/crio/crio.conf", "[crio.runtime]\ndrop_infra_ctr = false # for moat\n", 0644);
	expect("engines", "CRI-O's pods", CHECK_OK, "drop_infra_ctr", NULL);
}

static void containerd_counts_what_it_imports(void **state)
{
	put("/usr/bin/containerd", "", 0755);
	put("/etc/containerd/conf.d/50-moat.toml",
	    "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.moat.options]\n"
	    "BinaryName = \"/usr/bin/moat\"\n",
	    0644);
	expect("engines", "containerd", CHECK_WARNING, "does not know", "config.toml");
	put("/etc/containerd/config.toml", "imports = [\"/etc/containerd/conf.d/*.toml\"]\n", 0644);
	expect("engines", "containerd", CHECK_OK, "/usr/bin/moat", NULL);
}

static void docker_reads_json(void **state)
{
	put("/usr/bin/dockerd", "", 0755);
	put("/etc/docker/daemon.json", "{\"runtimes\": {\"runsc\": {\"path\": \"/r\"}}}", 0644);
	expect("engines", "Docker", CHECK_WARNING, "does not know", "daemon.json");
	put("/etc/docker/daemon.json", "{\"runtimes\": {\"moat\": {\"path\": \"/usr/bin/moat\"}}}",
	    0644);
	expect("engines", "Docker", CHECK_OK, "/usr/bin/moat", NULL);
}

static void control_characters_of_files_do_not_reach_the_report(void **state)
{
	put("/sys/kernel/security/lsm", "apparmor\033[2J", 0644);
	expect("security", "modules", CHECK_OK, "apparmor?[2J", NULL);
}

static void check_toml(const char *text, const char *table, const char *key, const char *wanted)
{
	cleanup_free char *found = toml_find(text, table, key);

	if (!streq_null(found, wanted))
		fail_msg("%s of %s: %s", key, table, found ? found : "nothing");
}

static void toml_is_read_as_far_as_it_is_needed(void **state)
{
	check_toml("a = 1 # one\n", "", "a", "1");
	check_toml("[t]\na = 'x y'\n", "", "a", NULL);
	check_toml("[t]\n\ta='x y'\n", "t", "a", "x y");
	check_toml("[t]\n\"a\" = \"x\"\n", "t", "a", "x");
	check_toml("[o.\"p.q\".t] # c\na = [ \"x\", \"y\" ]\n", "q.t", "a", "x");
	check_toml("[not]\na = 1\n", "t", "a", NULL);
	check_toml("[t]\n#a = 1\nab = 2", "t", "a", NULL);
	check_toml("[t]\na = \"open", "t", "a", "open");
	check_toml("[", "t", "a", NULL);
	check_toml("", "t", "a", NULL);
}

#define ON_A_HOST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_HOST(a_host_that_lacks_nothing_is_told_so),
		ON_A_HOST(no_qemu),
		ON_A_HOST(another_hypervisor),
		ON_A_HOST(a_choice_by_itself),
		ON_A_HOST(no_kernel_image),
		ON_A_HOST(kvm_that_is_not_there_or_not_ours),
		ON_A_HOST(a_configuration_that_is_wrong),
		ON_A_HOST(no_virtiofsd_matters_where_the_guest_has_no_9p),
		ON_A_HOST(devices_that_are_absent_have_their_module_named),
		ON_A_HOST(an_old_or_poor_kernel),
		ON_A_HOST(cgroups_of_each_kind),
		ON_A_HOST(what_a_user_lacks_is_no_loss_to_root),
		ON_A_HOST(podman_knows_moat_by_any_of_its_files),
		ON_A_HOST(crio_needs_its_infra_container_too),
		ON_A_HOST(containerd_counts_what_it_imports),
		ON_A_HOST(docker_reads_json),
		ON_A_HOST(control_characters_of_files_do_not_reach_the_report),
		cmocka_unit_test(toml_is_read_as_far_as_it_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
