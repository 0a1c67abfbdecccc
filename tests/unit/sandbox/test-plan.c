/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/fd.h"
#include "lib/sandbox/plan-internal.h"
#include "lib/sandbox/storage.h"

static struct sandbox_plan *plan_ok_in(const char *bundle, const struct sample *s)
{
	cleanup_oci_config struct oci_config *config = parse_sample(s);
	struct error err = ERROR_INIT;
	struct sandbox_plan *plan = NULL;

	if (sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, bundle, config, &plan, &err) < 0)
		fail_msg("%s", err.msg);
	return plan;
}

static struct sandbox_plan *plan_ok(const struct sample *s)
{
	return plan_ok_in("/bundle", s);
}

static void assert_refused(const struct sample *s, const char *piece)
{
	cleanup_oci_config struct oci_config *config = parse_sample(s);
	struct error err = ERROR_INIT;
	struct sandbox_plan *plan = NULL;

	assert_true(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/bundle", config, &plan,
				     &err) < 0);
	assert_null(plan);
	if (!strstr(err.msg, piece))
		fail_msg("'%s' does not say '%s'", err.msg, piece);
}

static void a_whole_container_becomes_a_guests_golden(void **state)
{
	/* What podman writes, shortened; every kind of rewriting once. */
	/* clang-format off */
	const struct sample sample = {
		.rest = "\"hostname\":\"web\",\"hooks\":{"
			"\"createRuntime\":[{\"path\":\"/bin/net\"}],"
			"\"poststop\":[{\"path\":\"/bin/gone\"}],"
			"\"startContainer\":[{\"path\":\"/bin/inside\"}]},"
			"\"annotations\":{\"a\":\"b\"},",
		.linux_ = "\"cgroupsPath\":\"/machine/libpod-web\",\"mountLabel\":\"x:y:z:w\","
			  "\"sysctl\":{\"net.ipv4.ping_group_range\":\"0 0\"},"
			  "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
			  "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"},"
			  "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}],"
			  "\"memory\":{\"limit\":67108864},"
			  "\"cpu\":{\"shares\":512,\"quota\":150000,\"period\":100000,"
			  "\"cpus\":\"0-1\",\"mems\":\"0\",\"realtimeRuntime\":5},"
			  "\"pids\":{\"limit\":100},"
			  "\"unified\":{\"memory.high\":\"1\",\"cpuset.cpus\":\"0\",\"io.max\":\"x\"}},",
		.mounts = "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			  "{\"destination\":\"/etc\",\"type\":\"bind\",\"source\":\"/etc\","
			  "\"options\":[\"rbind\",\"ro\",\"rprivate\"]},"
			  "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/etc/hosts\","
			  "\"options\":[\"bind\",\"ro\",\"rw\"]}",
		.namespaces = "{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"},{\"type\":\"network\","
			      "\"path\":\"/run/netns/x\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"},"
			      "{\"type\":\"uts\"}",
	};
	const struct sample guest = {
		.rest = "\"hostname\":\"web\",\"hooks\":{"
			"\"startContainer\":[{\"path\":\"/bin/inside\"}]},"
			"\"annotations\":{\"a\":\"b\"},",
		.linux_ = "\"cgroupsPath\":\"/web\","
			  "\"sysctl\":{\"net.ipv4.ping_group_range\":\"0 0\"},"
			  "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
			  "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}],"
			  "\"memory\":{\"limit\":67108864},"
			  "\"cpu\":{\"shares\":512,\"quota\":150000,\"period\":100000},"
			  "\"pids\":{\"limit\":100},\"unified\":{\"memory.high\":\"1\"}},",
		.mounts = "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			  "{\"destination\":\"/etc\",\"type\":\"bind\",\"source\":"
			  "\"/run/kata-containers/shared/containers/web/mount-1\","
			  "\"options\":[\"rbind\",\"ro\",\"rprivate\"]},"
			  "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":"
			  "\"/run/kata-containers/shared/containers/web/mount-2\","
			  "\"options\":[\"bind\",\"ro\",\"rw\"]}",
		.namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"},"
			      "{\"type\":\"uts\"},{\"type\":\"ipc\"}",
	};
	/* clang-format on */
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	cleanup_oci_config struct oci_config *wanted = parse_sample(&guest);
	cleanup_free char *wanted_text = NULL, *text = NULL;

	free(wanted->root.path);
	wanted->root.path = xstrdup("/run/kata-containers/shared/containers/web/rootfs");
	sandbox_guest_process(wanted->process);
	wanted_text = oci_config_text(wanted, true);
	text = oci_config_text(plan->guest_config, true);
	assert_string_equal(text, wanted_text);

	assert_int_equal(plan->size.memory_mib, 64 + 96);
	assert_int_equal(plan->size.vcpus, 2);
	assert_int_equal(plan->shares_count, 3);
	assert_string_equal(plan->shares[0].host_path, "/bundle/rootfs");
	assert_string_equal(plan->shares[0].guest_name, "web/rootfs");
	assert_false(plan->shares[0].is_readonly);
	assert_string_equal(plan->shares[1].host_path, "/etc");
	assert_true(plan->shares[1].is_readonly);
	assert_true(plan->shares[1].is_recursive);
	assert_string_equal(plan->shares[2].host_path, "/etc/hosts");
	assert_true(plan->shares[2].is_file);
	assert_false(plan->shares[2].is_readonly);
	assert_false(plan->shares[2].is_recursive);
}

static void a_container_without_limits_gets_the_defaults(void **state)
{
	const struct sample sample = { 0 };
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.memory_mib, 256);
	assert_int_equal(plan->size.vcpus, 1);
}

static void limits_that_mean_none_get_the_defaults(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"memory\":{\"limit\":-1},\"cpu\":{\"quota\":-1}},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.memory_mib, 256);
	assert_int_equal(plan->size.vcpus, 1);
}

static void huge_limits_are_capped(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"memory\":{\"limit\":9223372036854775807},"
			  "\"cpu\":{\"quota\":9223372036854775807,\"period\":1000}},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.memory_mib, 1 << 20);
	assert_int_equal(plan->size.vcpus, 240);
}

static void part_of_a_cpu_is_one_vcpu(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"cpu\":{\"quota\":1000,\"period\":100000}},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.vcpus, 1);
}

static void the_hosts_network_is_refused_with_a_cure(void **state)
{
	const struct sample sample = { .namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"}" };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct error err = ERROR_INIT;
	struct sandbox_plan *plan;

	assert_int_equal(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/bundle", config,
					  &plan, &err),
			 -ENOTSUP);
	assert_non_null(strstr(err.msg, "shared host network"));
	assert_non_null(error_hint(&err));
}

static void joining_a_user_namespace_is_refused(void **state)
{
	const struct sample sample = {
		.namespaces = "{\"type\":\"network\"},{\"type\":\"mount\"},"
			      "{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}",
	};

	assert_refused(&sample, "cannot join '/proc/1/ns/user'");
}

static void missing_bind_sources_are_named_with_their_place(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"t\"},"
			  "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/no/such\","
			  "\"options\":[\"bind\"]}",
	};

	assert_refused(&sample, "mounts[1].source: stat '/no/such': No such file or directory");
}

static void relative_sources_start_at_the_bundle(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"no-such\","
			  "\"options\":[\"bind\"]}",
	};

	assert_refused(&sample, "'/bundle/no-such'");
}

static void file_systems_of_the_host_are_refused(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/b\",\"type\":\"ext4\",\"source\":\"/dev/sda1\"}",
	};

	assert_refused(&sample, "mounts[0].type: 'ext4'");
}

static void parts_of_the_hosts_kernel_are_refused(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/proc/sys\","
			  "\"options\":[\"bind\"]}",
	};

	assert_refused(&sample, "mounts[0].source: '/proc/sys'");
}

static void a_bind_of_the_whole_kernel_tree_becomes_the_guests(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/sys\",\"type\":\"bind\",\"source\":\"/sys\","
			  "\"options\":[\"rbind\",\"nosuid\",\"ro\"]}",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_mount *m = &plan->guest_config->mounts[0];

	assert_int_equal(plan->shares_count, 1);
	assert_string_equal(m->type, "sysfs");
	assert_int_equal(strv_len(m->options), 2);
	assert_string_equal(m->options[0], "nosuid");
	assert_string_equal(m->options[1], "ro");
}

static void bound_device_nodes_become_devices(void **state)
{
	const struct sample sample = {
		.mounts =
			"{\"destination\":\"/dev/null\",\"type\":\"bind\",\"source\":\"/dev/null\","
			"\"options\":[\"bind\"]},"
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_config *guest = plan->guest_config;

	assert_int_equal(guest->mounts_count, 1);
	assert_string_equal(guest->mounts[0].destination, "/proc");
	assert_int_equal(guest->linux_.devices_count, 1);
	assert_string_equal(guest->linux_.devices[0].path, "/dev/null");
	assert_int_equal(guest->linux_.devices[0].major, 1);
	assert_int_equal(guest->linux_.devices[0].minor, 3);
}

/* As rootless engines have those that they may not make. */
static void bound_devices_of_the_host_are_left_out_of_dev_and_refused_elsewhere(void **state)
{
	char dir[] = "/tmp/moat-plan-XXXXXX";
	cleanup_free char *node = NULL;
	cleanup_free char *mounts = NULL;
	struct sample sample = { 0 };

	assert_non_null(mkdtemp(dir));
	node = xasprintf("%s/sda", dir);
	if (mknod(node, S_IFBLK | 0600, makedev(8, 0)) < 0) {
		rmdir(dir);
		skip(); /* no rights to make one */
	}
	mounts = xasprintf("{\"destination\":\"/dev/sda\",\"type\":\"bind\",\"source\":\"%s\"}",
			   node);
	sample.mounts = mounts;
	{
		cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

		assert_int_equal(plan->guest_config->mounts_count, 0);
		assert_int_equal(plan->guest_config->linux_.devices_count, 0);
		assert_int_equal(plan->shares_count, 1); /* the root */
	}
	free(mounts);
	mounts = xasprintf("{\"destination\":\"/disk\",\"type\":\"bind\",\"source\":\"%s\"}", node);
	sample.mounts = mounts;
	assert_refused(&sample, "is a device of the host");
	unlink(node);
	rmdir(dir);
}

static void devices_of_the_host_are_left_out(void **state)
{
	const struct sample sample = {
		.linux_ =
			"\"devices\":[{\"path\":\"/dev/sda\",\"type\":\"b\",\"major\":8,\"minor\":0},"
			"{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229},"
			"{\"path\":\"/dev/fifo\",\"type\":\"p\"}],",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_linux *linux_ = &plan->guest_config->linux_;

	assert_int_equal(linux_->devices_count, 2);
	assert_string_equal(linux_->devices[0].path, "/dev/fuse");
	assert_string_equal(linux_->devices[1].path, "/dev/fifo");
}

static void shared_memory_is_the_guests_in_the_hosts_size(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/dev/shm\","
			  "\"options\":[\"bind\",\"nosuid\"]}",
	};
	struct stat st;

	if (stat("/dev/shm", &st) < 0) {
		print_message("no /dev/shm here\n");
		skip();
	}
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_mount *m = &plan->guest_config->mounts[0];

	if (plan->shares_count > 1) {
		print_message("/dev/shm is no tmpfs here\n");
		skip();
	}
	assert_string_equal(m->type, "tmpfs");
	assert_true(strv_has(m->options, "nosuid"));
	assert_true(strv_has(m->options, "mode=1777"));
	assert_non_null(str_after(m->options[2], "size="));
}

static void layers_of_the_hosts_directories_are_mounted_there(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/image\",\"type\":\"overlay\",\"source\":\"overlay\","
			  "\"options\":[\"lowerdir=/a:/b\",\"volatile\",\"ro\",\"rprivate\"]}",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_mount *m = &plan->guest_config->mounts[0];
	const struct sandbox_share *share = &plan->shares[1];

	assert_int_equal(plan->shares_count, 2);
	assert_string_equal(share->fs_type, "overlay");
	assert_string_equal(share->host_path, "overlay");
	assert_true(strv_has(share->fs_options, "lowerdir=/a:/b"));
	assert_string_equal(m->type, "bind");
	assert_non_null(str_after(m->source, SANDBOX_SHARE_GUEST_DIR "/"));
	assert_int_equal(strv_len(m->options), 3);
	assert_string_equal(m->options[0], "ro");
	assert_string_equal(m->options[1], "rprivate");
	assert_string_equal(m->options[2], "rbind");
}

static void seccomp_listeners_are_refused(void **state)
{
	const struct sample sample = {
		.linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
			  "\"listenerPath\":\"/run/x.sock\",\"syscalls\":[{\"names\":[\"mount\"],"
			  "\"action\":\"SCMP_ACT_NOTIFY\"}]},",
	};

	assert_refused(&sample, "linux.seccomp.listenerPath: '/run/x.sock'");
}

static void seccomp_filters_are_kept(void **state)
{
	const struct sample sample = {
		.linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_non_null(plan->guest_config->linux_.seccomp);
}

static void a_listener_that_nobody_needs_is_left_out(void **state)
{
	const struct sample sample = {
		.linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
			  "\"listenerPath\":\"/run/agent.sock\",\"listenerMetadata\":\"m\"},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_null(plan->guest_config->linux_.seccomp->listener_path);
	assert_null(plan->guest_config->linux_.seccomp->listener_metadata);
}

static struct oci_config *parse_text(const char *process, const char *linux_)
{
	cleanup_free char *text = xasprintf(
		"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],\"cwd\":\"/\"%s},"
		"\"linux\":{%s\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},"
		"{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"cgroup\"},"
		"{\"type\":\"time\"}]}}",
		process, linux_);
	struct error err = ERROR_INIT;
	struct oci_config *config = NULL;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

/* What the guest's own kernel can do to the container's process as well as the host's. */
static void settings_of_a_process_are_kept(void **state)
{
	cleanup_oci_config struct oci_config *config =
		parse_text(",\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":5},"
			   "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":7},"
			   "\"oomScoreAdj\":100",
			   "\"personality\":{\"domain\":\"LINUX32\"},"
			   "\"timeOffsets\":{\"boottime\":{\"secs\":1000,\"nanosecs\":5}},");
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;
	struct error err = ERROR_INIT;
	const struct oci_config *guest;

	assert_int_equal(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/bundle", config,
					  &plan, &err),
			 0);
	guest = plan->guest_config;
	assert_int_equal(guest->process->scheduler->policy, OCI_SCHED_BATCH);
	assert_int_equal(guest->process->io_priority->class_, OCI_IO_IDLE);
	assert_int_equal(guest->process->oom_score_adj.value, 100);
	assert_int_equal(guest->linux_.personality->domain, OCI_PERSONALITY_LINUX32);
	assert_int_equal(guest->linux_.time_offsets->boottime->secs, 1000);
	assert_non_null(oci_namespace_find(guest, OCI_NS_TIME));
}

static void memory_nodes_of_the_host_are_left_out_and_processors_are_the_guests(void **state)
{
	cleanup_oci_config struct oci_config *config =
		parse_text(",\"execCPUAffinity\":{\"initial\":\"7\"}",
			   "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"1\"},");
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/bundle", config,
					  &plan, &err),
			 0);
	assert_non_null(plan->guest_config->process->exec_cpu_affinity);
	assert_null(plan->guest_config->linux_.memory_policy);
	assert_non_null(config->linux_.memory_policy);
}

static void a_time_namespace_that_is_joined_becomes_a_new_one(void **state)
{
	const struct sample sample = {
		.namespaces = "{\"type\":\"network\"},{\"type\":\"mount\"},"
			      "{\"type\":\"time\",\"path\":\"/proc/1/ns/time\"}",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_null(oci_namespace_find(plan->guest_config, OCI_NS_TIME)->path);
}

static void network_devices_and_classes_of_service_are_refused(void **state)
{
	const struct sample device = { .linux_ = "\"netDevices\":{\"eth7\":{}}," };
	const struct sample rdt = { .linux_ = "\"intelRdt\":{\"closID\":\"a\"}," };

	assert_refused(&device, "linux.netDevices: 'eth7' cannot be moved into a virtual machine");
	assert_refused(&rdt, "linux.intelRdt: not supported for a virtual machine");
}

static void limits_on_the_hosts_hardware_stay_there(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"cpu\":{\"realtimePeriod\":1000000},"
			  "\"blockIO\":{\"weight\":100,\"throttleReadBpsDevice\":"
			  "[{\"major\":8,\"minor\":0,\"rate\":1000}]},"
			  "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0},"
			  "{\"pageSize\":\"1GB\",\"limit\":1}],"
			  "\"network\":{\"classID\":1,\"priorities\":"
			  "[{\"name\":\"eth0\",\"priority\":1}]},"
			  "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":1}}},",
	};
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);
	const struct oci_resources *guest = &plan->guest_config->linux_.resources;
	struct oci_resources host = sandbox_host_resources(config, 0, false);

	assert_false(guest->block_io.weight.is_set);
	assert_int_equal(guest->block_io.read_bps_count, 0);
	assert_int_equal(guest->hugepages_count, 0);
	assert_false(guest->network.class_id.is_set);
	assert_int_equal(guest->network.priorities_count, 0);
	assert_int_equal(guest->rdma_count, 0);
	assert_false(guest->cpu.realtime_period.is_set);

	assert_int_equal(host.block_io.weight.value, 100);
	assert_int_equal(host.block_io.read_bps[0].rate, 1000);
	assert_true(host.cpu.realtime_period.is_set);
	assert_int_equal(host.hugepages_count, 0);
	assert_int_equal(host.rdma_count, 0);
}

static void an_id_mapped_bind_is_refused(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/etc\","
			  "\"options\":[\"bind\",\"idmap\"],\"uidMappings\":[{\"size\":1}],"
			  "\"gidMappings\":[{\"size\":1}]}",
	};

	assert_refused(&sample, "mounts[0]: an id-mapped mount of the host");
}

static void the_vmm_may_use_more_memory_than_the_guest_has(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"memory\":{\"limit\":67108864,\"swap\":67108864},"
			  "\"cpu\":{\"quota\":50000,\"cpus\":\"1\"},\"pids\":{\"limit\":3}},",
	};
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct oci_resources booting = sandbox_host_resources(config, 0, true);
	struct oci_resources up = sandbox_host_resources(config, 0, false);

	assert_int_equal(booting.memory.limit.value >> 20, 64 + 96 + 256 + HV_TRANSLATION_MIB);
	assert_false(booting.memory.swap.is_set);
	assert_false(booting.pids.limit.is_set);
	assert_false(booting.cpu.quota.is_set);
	assert_string_equal(booting.cpu.cpus, "1");
	assert_int_equal(up.cpu.quota.value, 50000);
	assert_false(booting.devices[0].allow);
}

/* One that was given more memory keeps it when its container's limit shrinks. */
static void the_vmm_has_what_its_guest_has_whatever_the_limit(void **state)
{
	const struct sample sample = {
		.linux_ = "\"resources\":{\"memory\":{\"limit\":67108864}},",
	};
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct oci_resources grown = sandbox_host_resources(config, 1024, false);
	struct oci_resources small = sandbox_host_resources(config, 100, false);

	assert_int_equal(grown.memory.limit.value >> 20, 1024 + 256 + HV_TRANSLATION_MIB);
	assert_int_equal(small.memory.limit.value >> 20, 64 + 96 + 256 + HV_TRANSLATION_MIB);
}

static void a_vmm_whose_container_has_no_limit_has_none(void **state)
{
	const struct sample sample = { 0 };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);

	assert_false(sandbox_host_resources(config, 512, true).memory.limit.is_set);
}

static void a_member_shares_what_it_is_told_to_with_the_sandbox(void **state)
{
	const struct sample sample = {
		.namespaces = "{\"type\":\"pid\",\"path\":\"/proc/7/ns/pid\"},{\"type\":\"ipc\"},"
			      "{\"type\":\"uts\",\"path\":\"/run/utsns/x\"},{\"type\":\"mount\"}",
	};
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;
	const struct oci_config *guest;
	struct error err = ERROR_INIT;

	/* Without a network namespace, too: there is one in a VM. */
	assert_int_equal(sandbox_plan_new("web", SANDBOX_MEMBER, SANDBOX_SHARED, "/bundle", config,
					  &plan, &err),
			 0);
	assert_int_equal(plan->shared_namespaces, 1u << OCI_NS_PID | 1u << OCI_NS_UTS);
	sandbox_plan_share_namespace(plan, OCI_NS_PID, 33);
	sandbox_plan_share_namespace(plan, OCI_NS_UTS, 34);
	guest = plan->guest_config;
	assert_string_equal(oci_namespace_find(guest, OCI_NS_PID)->path, "/proc/33/ns/pid");
	assert_string_equal(oci_namespace_find(guest, OCI_NS_UTS)->path, "/proc/34/ns/uts");
	assert_null(oci_namespace_find(guest, OCI_NS_IPC)->path);
	assert_null(oci_namespace_find(guest, OCI_NS_MOUNT)->path);
}

static void assert_wanted(const char *annotations, const char *wanted)
{
	cleanup_free char *rest = xasprintf("\"annotations\":{%s},", annotations);
	const struct sample sample = { .rest = rest };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	const char *found = sandbox_wanted("web", config);

	if (!streq_null(found, wanted))
		fail_msg("'%s', not '%s'", found ? found : "none", wanted ? wanted : "none");
}

static void annotations_name_the_sandbox(void **state)
{
	assert_wanted("\"io.kubernetes.cri-o.SandboxID\":\"pod\"", "pod");
	assert_wanted("\"io.kubernetes.cri.sandbox-id\":\"pod\"", "pod");
	assert_wanted("\"io.kubernetes.cri.sandbox-id\":\"web\"", NULL);
	assert_wanted("\"io.kubernetes.cri-o.SandboxID\":\"\"", NULL);
	assert_wanted("", NULL);
}

static void assert_pods(const char *annotations, bool wanted)
{
	cleanup_free char *rest = xasprintf("\"annotations\":{%s},", annotations);
	const struct sample sample = { .rest = rest };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);

	assert_int_equal(sandbox_is_pods("web", config), wanted);
}

static void what_holds_a_pod_together_is_known_by_its_annotations(void **state)
{
	assert_pods("\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"", true);
	assert_pods("\"io.kubernetes.cri.container-type\":\"sandbox\"", true);
	assert_pods("\"io.kubernetes.cri-o.SandboxID\":\"web\"", true);
	assert_pods("\"io.kubernetes.cri-o.SandboxID\":\"pod\"", false);
	assert_pods("\"io.kubernetes.cri.container-type\":\"container\"", false);
	assert_pods("", false);
}

static void a_pods_size_is_its_machines(void **state)
{
	const struct sample sample = {
		.rest = "\"annotations\":{\"io.kubernetes.cri.sandbox-memory\":\"1073741824\","
			"\"io.kubernetes.cri.sandbox-cpu-quota\":\"250000\","
			"\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\"},",
		.linux_ = "\"resources\":{\"memory\":{\"limit\":67108864}},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.memory_mib, 1024 + 96);
	assert_int_equal(plan->size.vcpus, 3);
}

static void cri_o_says_a_pods_size_in_its_interfaces_own_words(void **state)
{
	const struct sample old = {
		.rest = "\"annotations\":{\"io.kubernetes.cri-o.PodLinuxResources\":"
			"\"{\\\"cpu_period\\\":100000,\\\"cpu_quota\\\":150000,\\\"cpu_shares\\\":1536,"
			"\\\"memory_limit_in_bytes\\\":536870912,\\\"unified\\\":{}}\"},",
	};
	const struct sample new = {
		.rest = "\"annotations\":{\"pod-linux-resources.crio.io\":"
			"\"{\\\"memory_limit_in_bytes\\\":268435456}\"},",
	};
	const struct sample broken = {
		.rest = "\"annotations\":{\"pod-linux-resources.crio.io\":\"[\"},",
	};
	cleanup_sandbox_plan struct sandbox_plan *a = plan_ok(&old), *b = plan_ok(&new),
						 *c = plan_ok(&broken);

	assert_int_equal(a->size.memory_mib, 512 + 96);
	assert_int_equal(a->size.vcpus, 2);
	assert_int_equal(b->size.memory_mib, 256 + 96);
	assert_int_equal(b->size.vcpus, 1);
	assert_int_equal(c->size.memory_mib, 256);
}

static struct sandbox_size size_of_two(const struct sample *first, const struct sample *second)
{
	cleanup_oci_config struct oci_config *a = parse_sample(first), *b = parse_sample(second);
	const struct oci_config *const configs[] = { a, b };

	return sandbox_size_for(configs, 2);
}

static void what_containers_of_a_pod_need_adds_up(void **state)
{
	const struct sample open = { 0 };
	const struct sample limited = {
		.linux_ = "\"resources\":{\"memory\":{\"limit\":67108864},"
			  "\"cpu\":{\"quota\":150000,\"period\":100000}},",
	};
	const struct sample announced = {
		.rest = "\"annotations\":{\"io.kubernetes.cri.sandbox-memory\":\"134217728\"},",
	};
	struct sandbox_size both = size_of_two(&limited, &limited);
	struct sandbox_size one = size_of_two(&open, &limited);
	struct sandbox_size known = size_of_two(&announced, &limited);

	assert_int_equal(both.memory_mib, 64 + 64 + 96);
	assert_int_equal(both.vcpus, 4);
	assert_int_equal(one.memory_mib, 256 + 64);
	assert_int_equal(one.vcpus, 2);
	assert_int_equal(known.memory_mib, 128 + 96);
}

static void the_vm_section_sizes_the_machine(void **state)
{
	const struct sample sample = {
		.rest = "\"vm\":{\"hwConfig\":{\"vcpus\":2,\"memory\":536870912}},",
		.linux_ = "\"resources\":{\"memory\":{\"limit\":67108864}},",
	};
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_ok(&sample);

	assert_int_equal(plan->size.memory_mib, 512);
	assert_int_equal(plan->size.vcpus, 2);
	assert_null(plan->guest_config->vm);
}

static const char erofs_head[1028] = { [1024] = '\xe2', '\xe1', '\xf5', '\xe0' };
static const char ext4_head[1082] = { [1080] = '\x53', '\xef' };

static void a_file_system_is_known_by_its_magic(void **state)
{
	bool is_readonly = false;

	assert_string_equal(plan_find_fstype(erofs_head, sizeof(erofs_head), &is_readonly),
			    "erofs");
	assert_true(is_readonly);
	assert_string_equal(plan_find_fstype(ext4_head, sizeof(ext4_head), &is_readonly), "ext4");
	assert_false(is_readonly);
	assert_null(plan_find_fstype(ext4_head, sizeof(ext4_head) - 1, &is_readonly));
	assert_null(plan_find_fstype("", 0, &is_readonly));
}

/* A bundle whose root file system is an image. */
struct image {
	char dir[32];
	char *path;
};

static void make_image(struct image *image, const char *head, size_t len)
{
	cleanup_fd int dirfd = -1;

	strcpy(image->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(image->dir));
	image->path = xasprintf("%s/rootfs", image->dir);
	dirfd = open(image->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(write_atomic_at(dirfd, "rootfs", head, len, 0600), 0);
}

static void remove_image(struct image *image)
{
	assert_int_equal(remove_tree_at(AT_FDCWD, image->dir), 0);
	free(image->path);
}

static void a_root_that_is_an_image_becomes_a_disk(void **state)
{
	const struct sample sample = { 0 };
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;
	cleanup_sandbox_storages struct sandbox_storages storages = { 0 };
	struct image image;

	make_image(&image, ext4_head, sizeof(ext4_head));
	plan = plan_ok_in(image.dir, &sample);
	assert_int_equal(plan->shares_count, 0);
	assert_int_equal(plan->disks_count, 1);
	assert_string_equal(plan->disks[0].host_path, image.path);
	assert_string_equal(plan->disks[0].guest_path, "/dev/vda");
	assert_string_equal(plan->guest_config->root.path, "/run/kata-containers/web/rootfs");
	sandbox_storages_init(plan, "web", &storages);
	assert_int_equal(storages.count, 1);
	assert_string_equal(storages.items[0].driver, "blk");
	assert_string_equal(storages.items[0].fstype, "ext4");
	assert_string_equal(storages.items[0].mount_point, "/run/kata-containers/web/rootfs");
	assert_int_equal(storages.items[0].options_count, 0);
	remove_image(&image);
}

static void an_image_that_is_only_read_gets_a_layer_over_it(void **state)
{
	const struct sample sample = { 0 };
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;
	cleanup_sandbox_storages struct sandbox_storages storages = { 0 };
	struct image image;

	make_image(&image, erofs_head, sizeof(erofs_head));
	plan = plan_ok_in(image.dir, &sample);
	assert_true(plan->disks[0].is_readonly);
	sandbox_storages_init(plan, "web", &storages);
	assert_int_equal(storages.count, 2);
	assert_string_equal(storages.items[0].mount_point, "/run/kata-containers/web/lower");
	assert_string_equal(storages.items[0].options[0], "ro");
	assert_string_equal(storages.items[1].driver, "overlayfs");
	assert_string_equal(storages.items[1].mount_point, "/run/kata-containers/web/rootfs");
	assert_string_equal(storages.items[1].options[0],
			    "lowerdir=/run/kata-containers/web/lower");
	assert_string_equal(storages.items[1].options[1], "io.katacontainers.fs-opt.overlay-rw");
	remove_image(&image);
}

static void an_image_without_a_known_file_system_is_refused(void **state)
{
	const struct sample sample = { 0 };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct sandbox_plan *plan = NULL;
	struct error err = ERROR_INIT;
	cleanup_free char *wanted = NULL;
	struct image image;

	make_image(&image, "hello", 5);
	assert_int_equal(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, image.dir, config,
					  &plan, &err),
			 -EINVAL);
	wanted = xasprintf("root.path: '%s' has none of these file systems: erofs, ext4, squashfs, "
			   "xfs",
			   image.path);
	assert_string_equal(err.msg, wanted);
	remove_image(&image);
}

static void the_vm_section_chooses_the_machine(void **state)
{
	struct image image;
	cleanup_free char *rest = NULL;
	struct sample sample = { 0 };
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;

	make_image(&image, erofs_head, sizeof(erofs_head));
	rest = xasprintf("\"vm\":{\"hypervisor\":{\"path\":\"/q\",\"parameters\":[\"-d\"]},"
			 "\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\",\"b=1\"]},"
			 "\"image\":{\"path\":\"%s\",\"format\":\"raw\"},"
			 "\"hwConfig\":{\"vcpus\":3,\"memory\":402653184}},",
			 image.path);
	sample.rest = rest;
	plan = plan_ok(&sample);
	assert_string_equal(plan->machine.program, "/q");
	assert_string_equal(plan->machine.program_args[0], "-d");
	assert_string_equal(plan->machine.kernel, "/k");
	assert_null(plan->machine.initrd);
	assert_true(plan->machine.has_own_root);
	assert_string_equal(plan->machine.kernel_params,
			    " root=/dev/vda ro rootfstype=erofs a b=1");
	assert_int_equal(plan->size.vcpus, 3);
	assert_int_equal(plan->size.memory_mib, 384);
	/* The guest's own, which the agent does not mount for a container. */
	assert_null(plan->disks[0].mount_point);
	assert_true(plan->disks[0].is_readonly);
	assert_null(plan->guest_config->vm);
	remove_image(&image);
}

static void what_the_vm_section_cannot_have_is_refused(void **state)
{
	const struct sample image = { .rest = "\"vm\":{\"image\":{\"path\":\"/i\","
					      "\"format\":\"qcow2\"}}," };
	const struct sample tree = { .rest = "\"vm\":{\"hwConfig\":{\"deviceTree\":\"/t\"}}," };

	assert_refused(&image, "vm.image.format: 'qcow2': only raw images are read");
	assert_refused(&tree, "vm.hwConfig.deviceTree: hardware of the host is not passed on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_container_becomes_a_guests_golden),
		cmocka_unit_test(a_container_without_limits_gets_the_defaults),
		cmocka_unit_test(limits_that_mean_none_get_the_defaults),
		cmocka_unit_test(huge_limits_are_capped),
		cmocka_unit_test(part_of_a_cpu_is_one_vcpu),
		cmocka_unit_test(the_hosts_network_is_refused_with_a_cure),
		cmocka_unit_test(joining_a_user_namespace_is_refused),
		cmocka_unit_test(missing_bind_sources_are_named_with_their_place),
		cmocka_unit_test(relative_sources_start_at_the_bundle),
		cmocka_unit_test(file_systems_of_the_host_are_refused),
		cmocka_unit_test(parts_of_the_hosts_kernel_are_refused),
		cmocka_unit_test(a_bind_of_the_whole_kernel_tree_becomes_the_guests),
		cmocka_unit_test(bound_device_nodes_become_devices),
		cmocka_unit_test(
			bound_devices_of_the_host_are_left_out_of_dev_and_refused_elsewhere),
		cmocka_unit_test(devices_of_the_host_are_left_out),
		cmocka_unit_test(shared_memory_is_the_guests_in_the_hosts_size),
		cmocka_unit_test(layers_of_the_hosts_directories_are_mounted_there),
		cmocka_unit_test(seccomp_listeners_are_refused),
		cmocka_unit_test(seccomp_filters_are_kept),
		cmocka_unit_test(a_listener_that_nobody_needs_is_left_out),
		cmocka_unit_test(settings_of_a_process_are_kept),
		cmocka_unit_test(
			memory_nodes_of_the_host_are_left_out_and_processors_are_the_guests),
		cmocka_unit_test(a_time_namespace_that_is_joined_becomes_a_new_one),
		cmocka_unit_test(network_devices_and_classes_of_service_are_refused),
		cmocka_unit_test(limits_on_the_hosts_hardware_stay_there),
		cmocka_unit_test(an_id_mapped_bind_is_refused),
		cmocka_unit_test(a_file_system_is_known_by_its_magic),
		cmocka_unit_test(a_root_that_is_an_image_becomes_a_disk),
		cmocka_unit_test(an_image_that_is_only_read_gets_a_layer_over_it),
		cmocka_unit_test(an_image_without_a_known_file_system_is_refused),
		cmocka_unit_test(the_vm_section_chooses_the_machine),
		cmocka_unit_test(what_the_vm_section_cannot_have_is_refused),
		cmocka_unit_test(the_vmm_may_use_more_memory_than_the_guest_has),
		cmocka_unit_test(the_vmm_has_what_its_guest_has_whatever_the_limit),
		cmocka_unit_test(a_vmm_whose_container_has_no_limit_has_none),
		cmocka_unit_test(a_member_shares_what_it_is_told_to_with_the_sandbox),
		cmocka_unit_test(annotations_name_the_sandbox),
		cmocka_unit_test(what_holds_a_pod_together_is_known_by_its_annotations),
		cmocka_unit_test(a_pods_size_is_its_machines),
		cmocka_unit_test(cri_o_says_a_pods_size_in_its_interfaces_own_words),
		cmocka_unit_test(what_containers_of_a_pod_need_adds_up),
		cmocka_unit_test(the_vm_section_sizes_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
