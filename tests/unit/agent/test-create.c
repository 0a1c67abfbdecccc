/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tests/unit/agent/scene.h"

/*
 * What CreateContainer and CreateSandbox bring along: Kata's own configuration, storages, devices;
 * and that others are answered while they wait. The agent has a mount namespace of its own, and
 * directories of the scene for sysfs and /dev.
 */
#define TEXT(s) ((char *)(s))
#define DEVICE_TIMEOUT_MS 1500

static void prepare(const struct scene *s, struct agent_server_options *options)
{
	options->sys_dir = xasprintf("%s/sys", s->dir);
	options->dev_dir = xasprintf("%s/dev", s->dir);
	options->run_dir = xasprintf("%s/run", s->dir);
	options->device_timeout_ms = DEVICE_TIMEOUT_MS;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fprintf(stderr, "no mount namespace\n");
}

static int make(void **state)
{
	return make_prepared_scene(state, prepare);
}

static char *in(const struct scene *s, const char *path)
{
	return xasprintf("%s/%s", s->dir, path);
}

/* The same file in the agent's mount namespace. */
static char *in_agent(const struct scene *s, const char *path)
{
	return xasprintf("/proc/%d/root%s/%s", (int)s->agent, s->dir, path);
}

static void make_dir(const struct scene *s, const char *path)
{
	cleanup_free char *whole = in(s, path);

	assert_int_equal(mkdir_parents(whole, 0755), 0);
}

/* a container of Kata's */

struct kata {
	grpc_LinuxNamespace namespaces[5];
	grpc_Mount mounts[2];
	char *args[3];
	char *env[1];
	char *root;
	grpc_Spec spec;
	grpc_CreateContainerRequest req;
};

static void make_kata(struct kata *k, const struct scene *s, const char *script)
{
	static const char *const types[] = { "pid", "mount", "ipc", "uts", "network" };

	*k = (struct kata){
		.mounts = { { TEXT("/proc"), TEXT("proc"), TEXT("proc"), 0, NULL },
			    { TEXT("/dev"), TEXT("tmpfs"), TEXT("tmpfs"), 0, NULL } },
		.args = { TEXT("sh"), TEXT("-c"), TEXT(script) },
		.env = { TEXT("PATH=/bin") },
		.root = in(s, "rootfs"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		k->namespaces[i].type = TEXT(types[i]);
	k->spec = (grpc_Spec){
		.version = TEXT("1.1.0"),
		.has_process = true,
		.process = { .cwd = TEXT("/"),
			     .args_count = 3,
			     .args = k->args,
			     .env_count = 1,
			     .env = k->env,
			     .has_user = true },
		.has_root = true,
		.root = { .path = k->root },
		.hostname = TEXT("of-the-spec"),
		.mounts_count = 2,
		.mounts = k->mounts,
		.has_linux_ = true,
		.linux_ = { .namespaces_count = 5,
			    .namespaces = k->namespaces,
			    .cgroups_path = s->cgroup },
	};
	k->req = (grpc_CreateContainerRequest){ .container_id = TEXT("c"), .oci = &k->spec };
}

static int create_sandbox(struct scene *s, const grpc_CreateSandboxRequest *req)
{
	grpc_Empty empty;

	return call(s, AGENT_CREATE_SANDBOX, req, &empty);
}

static void a_spec_of_katas_runs_in_the_sandboxs_namespaces(void **state)
{
	struct scene *s = *state;
	const grpc_CreateSandboxRequest sandbox = { .hostname = TEXT("pod"),
						    .sandbox_id = TEXT("s") };
	cleanup_free char *out = NULL;
	struct kata k;
	grpc_Empty empty;

	need_containers(s);
	make_kata(&k, s, "hostname; echo $$; exit 3");
	assert_int_equal(create_sandbox(s, &sandbox), 0);
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &k.req, &empty), 0);
	assert_int_equal(start(s), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	assert_string_equal(out, "pod\n1\n");
	assert_int_equal(wait_status(s, ""), 3);
	assert_int_equal(remove_container(s), 0);
	free(k.root);
}

static void a_unit_of_systemds_is_a_directory_in_here(void **state)
{
	struct scene *s = *state;
	cleanup_free char *unit = xasprintf("::%s", s->cgroup + 1);
	cleanup_free char *out = NULL;
	struct kata k;
	grpc_Empty empty;

	need_containers(s);
	make_kata(&k, s, "cat /proc/self/cgroup");
	k.spec.linux_.cgroups_path = unit;
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &k.req, &empty), 0);
	assert_int_equal(start(s), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	assert_non_null(strstr(out, s->cgroup));
	assert_int_equal(remove_container(s), 0);
	free(k.root);
}

static void prepare_talkative(const struct scene *s, struct agent_server_options *options)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	prepare(s, options);
	(void)dup2(null, STDERR_FILENO);
	log_setup(&(struct log_options){
		.program = "moat-agent", .level = LOG_LEVEL_DEBUG, .fd = -1 });
	log_keep_stderr();
}

static int make_talkative(void **state)
{
	return make_prepared_scene(state, prepare_talkative);
}

static void the_agents_log_is_not_in_a_containers_output(void **state)
{
	struct scene *s = *state;
	cleanup_free char *of_init = NULL;
	cleanup_free char *of_exec = NULL;

	need_containers(s);
	assert_int_equal(create(s, false, "echo init >&2; exec sleep 100 2>/bin/x", NULL), 0);
	assert_int_equal(start(s), 0);
	of_init = read_all(s, AGENT_READ_STDERR, "");
	assert_string_equal(of_init, "init\n");
	assert_int_equal(run_exec(s, "e", "echo exec >&2", NULL), 0);
	of_exec = read_all(s, AGENT_READ_STDERR, "e");
	assert_string_equal(of_exec, "exec\n");
	assert_int_equal(remove_container(s), 0);
}

static void a_process_of_katas_joins_it_and_its_limits_change(void **state)
{
	struct scene *s = *state;
	char *args[] = { TEXT("sh"), TEXT("-c"), TEXT("echo $$ $X; exit 7") };
	char *env[] = { TEXT("PATH=/bin"), TEXT("X=y") };
	grpc_Process process = {
		.cwd = TEXT("/"), .args_count = 3, .args = args, .env_count = 2, .env = env
	};
	const grpc_ExecProcessRequest exec = { .container_id = TEXT("c"),
					       .exec_id = TEXT("e"),
					       .process = &process };
	grpc_LinuxResources resources = { .has_pids = true, .pids = { 50 } };
	const grpc_UpdateContainerRequest update = { .container_id = TEXT("c"),
						     .resources = &resources };
	const grpc_UpdateContainerRequest nothing = { .container_id = TEXT("c") };
	cleanup_free char *out = NULL;
	struct kata k;
	grpc_Empty empty;

	need_containers(s);
	make_kata(&k, s, "exec sleep 100");
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &k.req, &empty), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_EXEC_PROCESS, &exec, &empty), 0);
	out = read_all(s, AGENT_READ_STDOUT, "e");
	assert_non_null(strstr(out, " y\n"));
	assert_int_equal(wait_status(s, "e"), 7);
	assert_int_equal(call(s, AGENT_UPDATE_CONTAINER, &update, &empty), 0);
	assert_int_equal(call(s, AGENT_UPDATE_CONTAINER, &nothing, &empty), 0);
	assert_int_equal(send_signal(s, "c", SIGKILL), 0); /* the init's other name */
	assert_int_equal(wait_status(s, "c"), 128 + SIGKILL);
	assert_int_equal(remove_container(s), 0);
	free(k.root);
}

static void containers_share_the_first_ones_processes_when_asked(void **state)
{
	struct scene *s = *state;
	cleanup_free char *cgroup = xasprintf("%s-2", s->cgroup);
	struct kata k;
	grpc_Empty empty;
	const grpc_StartContainerRequest start2 = { TEXT("c2") };
	const grpc_ReadStreamRequest read2 = { TEXT("c2"), TEXT(""), 64 };
	const grpc_RemoveContainerRequest remove2 = { .container_id = TEXT("c2") };
	grpc_ReadStreamResponse resp;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	make_kata(&k, s, "until grep -q sleep /proc/1/comm; do :; done; cat /proc/1/comm");
	k.req.container_id = TEXT("c2");
	k.req.sandbox_pidns = true;
	k.spec.linux_.cgroups_path = cgroup;
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &k.req, &empty), 0);
	assert_int_equal(call(s, AGENT_START_CONTAINER, &start2, &empty), 0);
	assert_int_equal(call(s, AGENT_READ_STDOUT, &read2, &resp), 0);
	assert_int_equal(resp.data.size, 6);
	assert_memory_equal(resp.data.data, "sleep\n", 6);
	agent_response_release(AGENT_READ_STDOUT, &resp);
	assert_int_equal(call(s, AGENT_REMOVE_CONTAINER, &remove2, &empty), 0);
	assert_int_equal(remove_container(s), 0);
	free(k.root);
}

static void nobody_joins_the_processes_of_a_container_that_is_gone(void **state)
{
	struct scene *s = *state;
	cleanup_free char *out = NULL;
	struct kata k;
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(remove_container(s), 0);
	make_kata(&k, s, "echo $$");
	k.req.sandbox_pidns = true;
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &k.req, &empty), 0);
	assert_int_equal(start(s), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	assert_string_equal(out, "1\n");
	assert_int_equal(remove_container(s), 0);
	free(k.root);
}

/* storages */

static int create_with(struct scene *s, const char *script, grpc_Storage *storages, size_t count)
{
	cleanup_free char *json = config_text(s, false, script);
	const grpc_CreateContainerRequest req = {
		.container_id = TEXT("c"),
		.oci_json = { (const uint8_t *)json, strlen(json) },
		.storages = storages,
		.storages_count = (pb_size_t)count,
	};
	grpc_Empty empty;

	return call(s, AGENT_CREATE_CONTAINER, &req, &empty);
}

static void a_storage_is_there_as_long_as_its_container(void **state)
{
	struct scene *s = *state;
	cleanup_free char *volume = in(s, "rootfs/volume");
	cleanup_free char *source = in(s, "source");
	cleanup_free char *bound = in(s, "rootfs/bound");
	cleanup_free char *in_volume = in_agent(s, "rootfs/volume");
	char *options[] = { TEXT("mode=711"), TEXT("size=64k"), TEXT("noexec") };
	char *bind_options[] = { TEXT("bind"), TEXT("ro") };
	cleanup_free char *watched = in(s, "rootfs/watched");
	grpc_Storage storages[] = {
		{ .driver = TEXT("ephemeral"),
		  .mount_point = volume,
		  .options_count = 3,
		  .options = options },
		{ .driver = TEXT("bind"),
		  .source = source,
		  .mount_point = bound,
		  .options_count = 2,
		  .options = bind_options },
		{ .driver = TEXT("watchable-bind"), .source = source, .mount_point = watched },
	};
	cleanup_free char *out = NULL;
	struct stat st;

	need_containers(s);
	make_dir(s, "source/inside");
	assert_int_equal(create_with(s, "echo /bound/* /watched/*; echo x > /bound/x || echo ro",
				     storages, 3),
			 0);
	assert_int_equal(stat(in_volume, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_int_equal(start(s), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	assert_string_equal(out, "/bound/inside /watched/inside\nro\n");
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(stat(in_volume, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
}

static void what_was_mounted_before_a_failure_is_unmounted(void **state)
{
	struct scene *s = *state;
	cleanup_free char *volume = in(s, "rootfs/volume");
	cleanup_free char *other = in(s, "rootfs/other");
	cleanup_free char *in_volume = in_agent(s, "rootfs/volume");
	char *options[] = { TEXT("mode=711") };
	grpc_Storage storages[] = {
		{ .driver = TEXT("ephemeral"),
		  .mount_point = volume,
		  .options_count = 1,
		  .options = options },
		{ .driver = TEXT("bind"), .source = TEXT("/no/such"), .mount_point = other },
	};
	struct stat st;

	need_containers(s);
	assert_true(create_with(s, "true", storages, 2) < 0);
	assert_int_equal(stat(in_volume, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	storages[1].driver = TEXT("image_guest_pull");
	assert_int_equal(create_with(s, "true", storages, 2), -ENOSYS);
	assert_int_equal(create_with(s, "true", storages, 1), 0);
	assert_int_equal(remove_container(s), 0);
}

static void a_volume_becomes_the_groups(void **state)
{
	struct scene *s = *state;
	cleanup_free char *source = in(s, "source");
	cleanup_free char *bound = in(s, "rootfs/bound");
	cleanup_free char *file = in(s, "source/sub/file");
	cleanup_free char *sub = in(s, "source/sub");
	cleanup_free char *link = in(s, "source/link");
	cleanup_free char *away = in(s, "away");
	grpc_Storage storage = { .driver = TEXT("bind"),
				 .source = source,
				 .mount_point = bound,
				 .has_fs_group = true,
				 .fs_group = { .group_id = 4321 } };
	struct stat st;
	int fd;

	need_containers(s);
	make_dir(s, "source/sub");
	make_dir(s, "away");
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(away, link), 0);
	assert_int_equal(create_with(s, "true", &storage, 1), 0);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 02775);
	assert_int_equal(stat(away, &st), 0);
	assert_int_equal(st.st_gid, 0);

	/* Only if the root of it does not fit: what is inside is left alone then. */
	assert_int_equal(chmod(file, 0600), 0);
	storage.fs_group.group_change_policy = types_FSGroupChangePolicy_OnRootMismatch;
	assert_int_equal(create_with(s, "true", &storage, 1), 0);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void an_overlay_gets_its_directories(void **state)
{
	struct scene *s = *state;
	cleanup_free char *tmpfs = in(s, "layers");
	cleanup_free char *create = xasprintf("io.katacontainers.volume.overlayfs.create_directory="
					      "%s/layers/lower",
					      s->dir);
	cleanup_free char *merged = in(s, "merged");
	cleanup_free char *lower = xasprintf("lowerdir=%s/layers/lower", s->dir);
	char *options[] = { lower, TEXT("io.katacontainers.fs-opt.overlay-rw") };
	cleanup_free char *run = in(s, "run");
	grpc_Storage storages[] = {
		{ .driver = TEXT("ephemeral"), .mount_point = tmpfs },
		{ .driver = TEXT("ephemeral"), .mount_point = run },
		{ .driver = TEXT("overlayfs"),
		  .mount_point = merged,
		  .options_count = 2,
		  .options = options,
		  .driver_options_count = 1,
		  .driver_options = &create },
	};
	cleanup_free char *upper = in_agent(s, "run/c/upper");

	need_containers(s);
	assert_int_equal(create_with(s, "true", storages, 3), 0);
	assert_int_equal(access(upper, F_OK), 0);
	assert_int_equal(remove_container(s), 0);
}

static void a_sandbox_has_storages_and_a_resolv_conf(void **state)
{
	struct scene *s = *state;
	cleanup_free char *shm = in(s, "shm");
	cleanup_free char *in_shm = in_agent(s, "shm");
	cleanup_free char *conf = in(s, "run/sandbox/resolv.conf");
	cleanup_free char *text = NULL;
	char *options[] = { TEXT("mode=1777") };
	char *dns[] = { TEXT("nameserver 10.0.0.1"), TEXT("search example.org") };
	grpc_Storage storage = { .driver = TEXT("ephemeral"),
				 .mount_point = shm,
				 .options_count = 1,
				 .options = options };
	const grpc_CreateSandboxRequest req = {
		.sandbox_id = TEXT("s"),
		.storages_count = 1,
		.storages = &storage,
		.dns_count = 2,
		.dns = dns,
	};
	char *larger[] = { TEXT("size=1m") };
	grpc_Storage update = { .driver = TEXT("ephemeral"),
				.mount_point = shm,
				.options_count = 1,
				.options = larger };
	const grpc_UpdateEphemeralMountsRequest remount = { 1, &update };
	const grpc_VolumeStatsRequest stats = { shm };
	grpc_VolumeStatsResponse resp;
	grpc_Empty empty;
	struct stat st;

	need_containers(s);
	assert_int_equal(create_sandbox(s, &req), 0);
	assert_int_equal(stat(in_shm, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(read_file_at(AT_FDCWD, conf, 4096, &text, NULL), 0);
	assert_string_equal(text, "nameserver 10.0.0.1\nsearch example.org\n");
	assert_int_equal(call(s, AGENT_UPDATE_EPHEMERAL_MOUNTS, &remount, &empty), 0);
	assert_int_equal(call(s, AGENT_GET_VOLUME_STATS, &stats, &resp), 0);
	assert_int_equal(resp.usage[0].total, 1u << 20);
	agent_response_release(AGENT_GET_VOLUME_STATS, &resp);
	update.mount_point = s->dir;
	assert_int_equal(call(s, AGENT_UPDATE_EPHEMERAL_MOUNTS, &remount, &empty), -EINVAL);
}

static void a_sandbox_that_fails_can_be_made_again(void **state)
{
	struct scene *s = *state;
	grpc_KernelModule module = { .name = TEXT("no-such") };
	const grpc_CreateSandboxRequest bad = { .kernel_modules_count = 1,
						.kernel_modules = &module };
	const grpc_CreateSandboxRequest good = { .sandbox_id = TEXT("s") };
	cleanup_free char *value = in(s, "sys/module/no_such/parameters/level");
	char *parameters[] = { TEXT("level=3") };
	cleanup_free char *text = NULL;
	int fd;

	need_containers(s);
	assert_int_equal(create_sandbox(s, &bad), -ENOENT);
	make_dir(s, "sys/module/no_such/parameters");
	fd = open(value, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	module.parameters = parameters;
	module.parameters_count = 1;
	assert_int_equal(create_sandbox(s, &bad), 0);
	assert_int_equal(read_file_at(AT_FDCWD, value, 64, &text, NULL), 0);
	assert_string_equal(text, "3");
	assert_int_equal(create_sandbox(s, &good), -EEXIST);
}

/* devices */

static void plug_disk(const struct scene *s, const char *sys_path)
{
	cleanup_free char *node = in(s, "dev/vdz");

	make_dir(s, sys_path);
	make_dir(s, "dev");
	assert_int_equal(mknod(node, S_IFBLK | 0600, makedev(7, 5)), 0);
}

static int create_with_device(struct scene *s, grpc_Device *device)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	cleanup_free char *text = config_text(s, false, "exec cat /proc/self/mountinfo");
	grpc_CreateContainerRequest req = {
		.container_id = TEXT("c"),
		.devices_count = 1,
		.devices = device,
	};
	const char *tail = strstr(text, "\"linux\":{");
	grpc_Empty empty;

	strbuf_add(&json, text, (size_t)(tail - text));
	strbuf_addstr(&json, "\"linux\":{\"devices\":[{\"path\":\"/dev/disk\",\"type\":\"b\","
			     "\"major\":8,\"minor\":0}],");
	strbuf_addstr(&json, tail + strlen("\"linux\":{"));
	req.oci_json = (struct agent_bytes){ (const uint8_t *)json.buf, json.len };
	return call(s, AGENT_CREATE_CONTAINER, &req, &empty);
}

static void a_device_has_the_guests_numbers(void **state)
{
	static const struct {
		const char *type, *id, *vm_path, *sys;
	} cases[] = {
		{ "blk", "02/03", "",
		  "sys/devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio4/block/vdz" },
		{ "scsi", "1:7", "", "sys/class/scsi_device/2:0:1:7/device/block/vdz" },
		{ "mmioblk", "", "dev/vdz", "sys" },
	};
	struct scene *s = *state;

	need_containers(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *node = in(s, "dev/vdz");
		cleanup_free char *vm_path =
			*cases[i].vm_path ? in(s, cases[i].vm_path) : xstrdup("");
		cleanup_free char *path = NULL;
		cleanup_free char *init = NULL;
		grpc_Device device = { .id = TEXT(cases[i].id),
				       .type = TEXT(cases[i].type),
				       .vm_path = vm_path,
				       .container_path = TEXT("/dev/disk") };
		const grpc_ListProcessesRequest list = { .container_id = TEXT("c") };
		grpc_ListProcessesResponse resp;
		struct stat st;

		plug_disk(s, cases[i].sys);
		assert_int_equal(create_with_device(s, &device), 0);
		assert_int_equal(call(s, AGENT_LIST_PROCESSES, &list, &resp), 0);
		init = xstrndup((const char *)resp.process_list.data, resp.process_list.size);
		agent_response_release(AGENT_LIST_PROCESSES, &resp);
		path = xasprintf("/proc/%ld/root/dev/disk", strtol(init + 1, NULL, 10));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_rdev, makedev(7, 5));
		assert_int_equal(remove_container(s), 0);
		assert_int_equal(unlink(node), 0);
	}
}

static void a_device_that_is_not_in_the_configuration_is_a_mistake(void **state)
{
	struct scene *s = *state;
	cleanup_free char *node = in(s, "dev/vdz");
	grpc_Device device = { .type = TEXT("mmioblk"),
			       .vm_path = node,
			       .container_path = TEXT("/dev/other") };

	need_containers(s);
	plug_disk(s, "sys");
	assert_int_equal(create_with_device(s, &device), -EINVAL);
	device.type = TEXT("vfio-pci");
	assert_int_equal(create_with_device(s, &device), -ENOSYS);
	device = (grpc_Device){ .type = TEXT("scsi"), .id = TEXT("1") };
	assert_int_equal(create_with_device(s, &device), -EINVAL);
}

/* a creation that takes its time */

static void begin_slow(struct scene *s, struct pending *p, int timeout_ms)
{
	cleanup_free char *json = config_text(s, false, "true");
	cleanup_free char *mount_point = in(s, "rootfs/slow");
	grpc_Storage storage = { .driver = TEXT("blk"),
				 .source = TEXT("1f"),
				 .fstype = TEXT("ext4"),
				 .mount_point = mount_point };
	const grpc_CreateContainerRequest req = {
		.container_id = TEXT("slow"),
		.oci_json = { (const uint8_t *)json, strlen(json) },
		.storages = &storage,
		.storages_count = 1,
	};

	assert_int_equal(agent_call_async(s->client, AGENT_CREATE_CONTAINER, &req, timeout_ms,
					  on_answer, p, NULL),
			 0);
}

static void others_are_answered_while_a_container_waits_for_its_disk(void **state)
{
	struct scene *s = *state;
	const grpc_CheckRequest check = { 0 };
	const grpc_StartContainerRequest early = { TEXT("slow") };
	grpc_HealthCheckResponse resp;
	struct pending slow = { 0 };
	grpc_Empty empty;
	long long before;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	before = now_ms();
	begin_slow(s, &slow, TIMEOUT_MS);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
	assert_int_equal(call(s, AGENT_START_CONTAINER, &early, &empty), -EBUSY);
	assert_int_equal(run_exec(s, "e", "exit 5", NULL), 0);
	assert_int_equal(wait_status(s, "e"), 5);
	assert_false(slow.is_done);
	assert_true(now_ms() - before < DEVICE_TIMEOUT_MS);
	assert_int_equal(loop_run_until(s->loop, &slow.is_done, TIMEOUT_MS), 0);
	assert_true(slow.code < 0);
	assert_int_equal(call(s, AGENT_START_CONTAINER, &early, &empty), -EINVAL); /* forgotten */
	assert_int_equal(remove_container(s), 0);
}

static void a_container_can_be_removed_while_it_is_being_made(void **state)
{
	struct scene *s = *state;
	const grpc_RemoveContainerRequest remove = { .container_id = TEXT("slow") };
	struct pending slow = { 0 };
	grpc_Empty empty;
	long long before = now_ms();

	need_containers(s);
	begin_slow(s, &slow, TIMEOUT_MS);
	assert_int_equal(call(s, AGENT_REMOVE_CONTAINER, &remove, &empty), 0);
	assert_int_equal(loop_run_until(s->loop, &slow.is_done, TIMEOUT_MS), 0);
	assert_true(slow.code < 0);
	assert_true(now_ms() - before < DEVICE_TIMEOUT_MS);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
}

/* hooks of the guest */

static void write_hook(const struct scene *s, const char *path, const char *script)
{
	cleanup_free char *hook = xasprintf("hooks/%s", path);
	cleanup_free char *text = xasprintf("#!/bin/sh\nexec >> %s/said\n%s\n", s->dir, script);

	write_program(s, hook, text);
}

static char *hooks_said(const struct scene *s)
{
	cleanup_free char *path = in(s, "said");
	char *text = NULL;

	return read_file_at(AT_FDCWD, path, 1u << 20, &text, NULL) < 0 ? xstrdup("") : text;
}

static void make_hooked_sandbox(struct scene *s)
{
	cleanup_free char *hooks = in(s, "hooks");
	const grpc_CreateSandboxRequest req = { .sandbox_id = TEXT("s"), .guest_hook_path = hooks };

	assert_int_equal(create_sandbox(s, &req), 0);
}

static void the_guests_hooks_run_at_their_times(void **state)
{
	/* Its name, its argument, its input, and what is in the bundle. */
	static const char say[] = "echo ${0##*/} $1 $(/bin/grep -o 'status\":\"[a-z]*') *";
	struct scene *s = *state;
	cleanup_free char *link = in(s, "hooks/poststart/link");
	cleanup_free char *after_start = NULL;
	cleanup_free char *after_end = NULL;
	cleanup_free char *bundle = in(s, "run/c");

	need_containers(s);
	write_hook(s, "prestart/a", say);
	write_hook(s, "poststart/b", say);
	write_hook(s, "poststop/c", say);
	write_hook(s, "poststop/d", "exit 1"); /* is mentioned in the log, and that is all */
	assert_int_equal(symlink("b", link), 0);
	make_hooked_sandbox(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	after_start = hooks_said(s);
	assert_string_equal(after_start, "a prestart status\":\"created config.json\n"
					 "b poststart status\":\"running config.json\n");
	assert_int_equal(remove_container(s), 0);
	after_end = hooks_said(s);
	assert_string_equal(after_end + strlen(after_start),
			    "c poststop status\":\"stopped config.json\n");
	assert_int_equal(access(bundle, F_OK), -1);
}

static void a_hook_that_fails_after_the_start_is_told(void **state)
{
	struct scene *s = *state;
	const grpc_StartContainerRequest req = { .container_id = TEXT("c") };
	struct error err = ERROR_INIT;
	grpc_Empty empty;

	need_containers(s);
	write_hook(s, "poststart/b", "echo no way >&2; exit 4");
	make_hooked_sandbox(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_true(agent_call(s->client, AGENT_START_CONTAINER, &req, &empty, TIMEOUT_MS, &err) <
		    0);
	assert_non_null(strstr(err.msg, "exit status 4: no way"));
	assert_int_equal(remove_container(s), 0);
}

static void a_container_whose_hooks_wait_for_their_turn_can_be_removed(void **state)
{
	struct scene *s = *state;
	const grpc_StartContainerRequest req = { .container_id = TEXT("c") };
	struct pending slow = { 0 }, starting = { 0 };

	need_containers(s);
	write_hook(s, "poststart/b", "true");
	write_hook(s, "poststop/c", "echo over");
	make_hooked_sandbox(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	begin_slow(s, &slow, TIMEOUT_MS);
	assert_int_equal(agent_call_async(s->client, AGENT_START_CONTAINER, &req, TIMEOUT_MS,
					  on_answer, &starting, NULL),
			 0);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(loop_run_until(s->loop, &starting.is_done, TIMEOUT_MS), 0);
	assert_int_equal(loop_run_until(s->loop, &slow.is_done, TIMEOUT_MS), 0);
	assert_true(slow.code < 0);
}

static void a_request_ends_when_its_time_is_over(void **state)
{
	struct scene *s = *state;
	const grpc_WaitProcessRequest wait = { TEXT("c"), TEXT("") };
	grpc_WaitProcessResponse resp;
	struct error err = ERROR_INIT;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_true(agent_call(s->client, AGENT_WAIT_PROCESS, &wait, &resp, 150, &err) < 0);
	assert_int_equal(err.code, -ETIMEDOUT);
	assert_int_equal(send_signal(s, "", SIGKILL), 0);
	assert_int_equal(wait_status(s, ""), 137);
	assert_int_equal(remove_container(s), 0);
}

static void the_agent_ends_in_the_middle_of_a_creation(void **state)
{
	struct scene *s = *state;
	static struct pending slow; /* its client outlives us */
	const grpc_CheckRequest check = { 0 };
	grpc_HealthCheckResponse resp;

	need_containers(s);
	begin_slow(s, &slow, TIMEOUT_MS);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
	/* The scene's end sends it a SIGTERM, and wants a clean exit. */
}

static void who_waits_for_events_learns_that_the_sandbox_is_gone(void **state)
{
	struct scene *s = *state;
	const grpc_GetOOMEventRequest event = { 0 };
	const grpc_DestroySandboxRequest destroy = { 0 };
	struct pending waiting = { 0 };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(agent_call_async(s->client, AGENT_GET_OOM_EVENT, &event, TIMEOUT_MS,
					  on_answer, &waiting, NULL),
			 0);
	assert_int_equal(call(s, AGENT_DESTROY_SANDBOX, &destroy, &empty), 0);
	assert_int_equal(loop_run_until(s->loop, &waiting.is_done, TIMEOUT_MS), 0);
	assert_int_equal(waiting.code, -EIO);
}

static void destroying_the_sandbox_does_not_wait_for_a_creation(void **state)
{
	struct scene *s = *state;
	const grpc_DestroySandboxRequest destroy = { 0 };
	static struct pending slow; /* its client outlives us */
	long long before = now_ms();
	grpc_Empty empty;

	need_containers(s);
	begin_slow(s, &slow, TIMEOUT_MS);
	assert_int_equal(call(s, AGENT_DESTROY_SANDBOX, &destroy, &empty), 0);
	assert_true(now_ms() - before < DEVICE_TIMEOUT_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_spec_of_katas_runs_in_the_sandboxs_namespaces),
		TEST(a_unit_of_systemds_is_a_directory_in_here),
		cmocka_unit_test_setup_teardown(the_agents_log_is_not_in_a_containers_output,
						make_talkative, drop_scene),
		TEST(a_process_of_katas_joins_it_and_its_limits_change),
		TEST(containers_share_the_first_ones_processes_when_asked),
		TEST(nobody_joins_the_processes_of_a_container_that_is_gone),
		TEST(a_storage_is_there_as_long_as_its_container),
		TEST(what_was_mounted_before_a_failure_is_unmounted),
		TEST(a_volume_becomes_the_groups),
		TEST(an_overlay_gets_its_directories),
		TEST(a_sandbox_has_storages_and_a_resolv_conf),
		TEST(a_sandbox_that_fails_can_be_made_again),
		TEST(a_device_has_the_guests_numbers),
		TEST(a_device_that_is_not_in_the_configuration_is_a_mistake),
		TEST(others_are_answered_while_a_container_waits_for_its_disk),
		TEST(a_container_can_be_removed_while_it_is_being_made),
		TEST(a_request_ends_when_its_time_is_over),
		TEST(the_agent_ends_in_the_middle_of_a_creation),
		TEST(the_guests_hooks_run_at_their_times),
		TEST(a_hook_that_fails_after_the_start_is_told),
		TEST(a_container_whose_hooks_wait_for_their_turn_can_be_removed),
		TEST(who_waits_for_events_learns_that_the_sandbox_is_gone),
		TEST(destroying_the_sandbox_does_not_wait_for_a_creation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
