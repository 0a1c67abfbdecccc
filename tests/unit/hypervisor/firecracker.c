/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fake-rest.h"
#include "hypervisor/firecracker/answers.h"
#include "hypervisor/firecracker/control.h"
#include "hypervisor/firecracker/counters.h"
#include "hypervisor/firecracker/firecracker-internal.h"
#include "hypervisor/firecracker/taps.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"

static const struct hypervisor *const fc = &hypervisor_firecracker;
static const char *golden_requests; /* a file */

static const struct guest_image guest = {
	.kernel = (char *)"/g/kernel",
	.initrd = (char *)"/g/initramfs",
	.release = (char *)"6.12-moat",
	.is_elf = true,
	.has_vsock = true,
	.has_mmio = true,
};

static const struct hv_disk disks[] = {
	{ .id = "my-root", .fd = 20, .is_readonly = true },
	{ .id = "data", .fd = 21 },
};
static const struct hv_nic nics[] = {
	{ .fd = 30, .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 0xaf } }
};
static char *tap_names[] = { (char *)"moat0" };

static struct hv_config make_config(void)
{
	return (struct hv_config){
		.name = "web",
		.guest = &guest,
		.accel = HV_ACCEL_KVM,
		.memory_mib = 256,
		.vcpus = 2,
		.channel = HV_CHANNEL_HYBRID,
		.channel_path = "/run/moat/web/vm/agent.sock",
		.control_path = "/run/moat/web/vm/firecracker.sock",
		.channel_fd = -1,
		.virtiofs_fd = -1,
		.watch_fd = 10,
		.console_fd = 11,
		.control_fd = 14,
	};
}

/* --- what is planned ---------------------------------------------------------------------- */

static void check_refused(const struct hv_config *config, int code, const char *text)
{
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	struct error err = ERROR_INIT;

	assert_int_equal(fc_plan(config, tap_names, &plan, &err), code);
	assert_string_equal(err.msg, text);
}

static void what_it_cannot_do_is_refused_before_it_starts(void **state)
{
	cleanup_free char *longest = xasprintf("/%0107d", 0);
	cleanup_free char *text = xasprintf("socket '%s': its path is too long for one", longest);
	struct hv_config config = make_config();
	struct guest_image lean = guest;

	config.share = HV_SHARE_VIRTIOFS;
	check_refused(&config, -ENOTSUP, "hypervisor 'firecracker': no virtiofs");
	config = make_config();
	config.accel = HV_ACCEL_TCG;
	check_refused(&config, -ENOTSUP, "hypervisor 'firecracker': no software emulation");
	config = make_config();
	config.memory_max_mib = 512;
	check_refused(&config, -ENOTSUP, "hypervisor 'firecracker': no room for memory");
	config = make_config();
	config.vcpus = 33;
	check_refused(&config, -ERANGE, "vcpus: firecracker has 32 at most");
	config = make_config();
	config.channel_path = longest;
	check_refused(&config, -ENAMETOOLONG, text);
	config = make_config();
	config.guest = &lean;
	lean.is_elf = false;
	check_refused(&config, -ENOTSUP, "guest kernel '6.12-moat': firecracker boots ELF alone");
	lean.is_elf = true;
	lean.has_mmio = false;
	check_refused(&config, -ENOTSUP, "guest kernel '6.12-moat': no virtio-mmio");
}

static void the_program_gets_no_more_than_a_socket_and_wishes(void **state)
{
	char *const args[] = { (char *)"--no-seccomp", NULL };
	static const int wanted[] = { 10, 20, 21 };
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	cleanup_free char *text = NULL;
	struct hv_config config = make_config();
	int fds[FC_MAX_FDS];

	config.program_args = args;
	config.disks = disks;
	config.disks_count = ARRAY_SIZE(disks);
	assert_int_equal(fc_plan(&config, tap_names, &plan, NULL), 0);
	text = strv_join(plan.argv, " ");
	assert_string_equal(text, "firecracker --api-sock /run/moat/web/vm/firecracker.sock "
				  "--level Warning --no-seccomp");
	assert_int_equal(fc_planned_fds(&config, fds), ARRAY_SIZE(wanted));
	assert_memory_equal(fds, wanted, sizeof(wanted));
}

/* So that they are the same in each machine's own. */
static void what_lies_in_its_directory_is_told_from_there(void **state)
{
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	struct hv_config config = make_config();
	bool has_drive = false, has_channel = false;

	config.dir = "/run/moat/web/vm";
	config.disks = disks;
	config.disks_count = 1;
	assert_int_equal(fc_plan(&config, tap_names, &plan, NULL), 0);
	assert_string_equal(plan.argv[2], "firecracker.sock");
	for (size_t i = 0; plan.requests[i].path; i++) {
		has_drive |=
			strstr(plan.requests[i].body, "\"path_on_host\":\"disk-my-root\"") != NULL;
		has_channel |= strstr(plan.requests[i].body, "\"uds_path\":\"agent.sock\"") != NULL;
	}
	assert_true(has_drive && has_channel);
}

static void one_that_goes_on_is_a_request_with_other_taps(void **state)
{
	static const int wanted[] = { 10, 20, 21, 40 };
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	struct hv_config config = make_config();
	int fds[FC_MAX_FDS];

	config.is_restored = true;
	config.saved_fd = 40;
	config.disks = disks;
	config.disks_count = ARRAY_SIZE(disks);
	config.nics = nics;
	config.nics_count = ARRAY_SIZE(nics);
	check_refused(&config, -EINVAL, "a saved machine has a directory");
	config.dir = "/run/moat/web/vm";
	assert_int_equal(fc_plan(&config, tap_names, &plan, NULL), 0);
	assert_string_equal(plan.requests[0].path, "/metrics");
	assert_string_equal(plan.requests[1].path, "/snapshot/load");
	assert_string_equal(
		plan.requests[1].body,
		"{\"snapshot_path\":\"saved/state\",\"mem_backend\":{\"backend_type\":\"File\","
		"\"backend_path\":\"saved/memory\"},\"network_overrides\":[{\"iface_id\":\"net0\","
		"\"host_dev_name\":\"moat0\"}]}");
	assert_null(plan.requests[2].path);
	assert_int_equal(fc_planned_fds(&config, fds), ARRAY_SIZE(wanted));
	assert_memory_equal(fds, wanted, sizeof(wanted));
	config.has_hugepages = true;
	check_refused(&config, -ENOTSUP, "a saved machine of firecracker's has no huge pages");
}

/* --- against a fake one ------------------------------------------------------------------- */

#define INSTANCE                                                                                   \
	"{\"id\":\"web\",\"state\":\"Running\",\"vmm_version\":\"1.12.1\",\"app_name\":\"Fake\"}"
#define MACHINE "{\"vcpu_count\":2,\"mem_size_mib\":2,\"smt\":false,\"huge_pages\":\"None\"}"

static char *read_version(const char *dir)
{
	cleanup_free char *path = xasprintf("%s/version", dir);
	char *text = NULL;

	return read_file_at(AT_FDCWD, path, 4096, &text, NULL) == 0 ? text : xstrdup(FAKE_DEATH);
}

static void write_version(const char *dir, const char *text)
{
	cleanup_free char *path = xasprintf("%s/version", dir);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

/* What this program is when it is started as a Firecracker. */
static _Noreturn void be_firecracker(const char *control)
{
	cleanup_free char *own = xstrdup(control);
	const char *dir = dirname(own);
	cleanup_free char *path = xasprintf("%s/heard", dir);
	cleanup_free char *version = read_version(dir);
	const struct fake_rule rules[] = {
		{ "GET /version", str_after(version, "{") ? fake_body(200, version) : version },
		{ "GET /machine-config", fake_body(200, MACHINE) },
		{ "PUT /actions", fake_body(400, "{\"fault_message\":\"no kernel\"}") },
		{ "GET /", fake_body(200, INSTANCE) },
		{ NULL },
	};
	int heard = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	fake_rest_run(unix_listen(control, 0600), heard, rules);
}

struct attempt {
	char dir[32];
	char *control;
	struct hv_vm vm;
	struct error err;
	int code;
};

static void attempt(struct attempt *a, const char *version)
{
	cleanup_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct hv_config config = make_config();

	*a = (struct attempt){ .err = ERROR_INIT };
	strcpy(a->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(a->dir));
	a->control = xasprintf("%s/firecracker.sock", a->dir);
	write_version(a->dir, version);
	config.program = "/proc/self/exe";
	config.control_path = a->control;
	config.watch_fd = config.console_fd = fd;
	a->code = fc->launch(&config, 2, &a->vm, &a->err);
}

static void attempt_done(struct attempt *a)
{
	hv_stop(&a->vm);
	assert_int_equal(remove_tree_at(AT_FDCWD, a->dir), 0);
	free(a->control);
}

static void expect_attempt(const char *version, int code, const char *text)
{
	struct attempt a;

	attempt(&a, version);
	assert_int_equal(a.code, code);
	assert_string_equal(a.err.msg, text);
	assert_int_equal(a.vm.pid, 0);
	attempt_done(&a);
}

static void one_that_does_not_serve_is_ended_with_its_reason(void **state)
{
	expect_attempt("{\"firecracker_version\":\"1.11.0\"}", -ENOTSUP,
		       "start firecracker: 1.11.0 is too old: 1.12 or newer is needed");
	expect_attempt("{\"firecracker_version\":\"new\"}", -EPROTO,
		       "start firecracker: it does not tell its version");
	expect_attempt("{}", -EPROTO, "start firecracker: it does not tell its version");
	expect_attempt("{\"firecracker_version\":\"1.17.0-dev\"}", -EIO,
		       "start firecracker: PUT /actions: no kernel");
	expect_attempt(FAKE_DEATH, -EPIPE,
		       "start firecracker: GET /version: the VMM closed the connection");
	expect_attempt(FAKE_FLOOD, -EPROTO,
		       "start firecracker: GET /version: not an answer of HTTP");
}

static void a_program_that_ends_at_once_is_not_waited_for(void **state)
{
	struct hv_config config = make_config();
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;

	config.program = "/bin/false";
	config.control_path = "/nonexistent/firecracker.sock";
	config.watch_fd = config.console_fd = 10;
	assert_int_equal(dup2(2, 10), 10);
	assert_int_equal(fc->launch(&config, 2, &vm, &err), -EPIPE);
	assert_string_equal(err.msg, "start firecracker: it ended at once");
	close(10);
}

/* A new directory of @f's, in which it has written its state if @has_state. */
static int make_image(const struct fake_vmm *f, bool has_state)
{
	cleanup_free char *path = xasprintf("%s/image", f->dir);
	cleanup_free char *name = xasprintf("%s/state", path);

	assert_int_equal(mkdir(path, 0700), 0);
	if (has_state)
		close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* @text with "DIR" for each @dir, for free(3). */
static char *without_place(const char *text, const char *dir)
{
	cleanup_strbuf struct strbuf result = STRBUF_INIT;

	for (const char *at; (at = strstr(text, dir)); text = at + strlen(dir))
		strbuf_addf(&result, "%.*sDIR", (int)(at - text), text);
	strbuf_addstr(&result, text);
	return strbuf_steal(&result);
}

static void expect_not_saved(const char *machine, bool has_state, const char *answer,
			     const char *text, bool is_asked)
{
	cleanup_free char *instance = fake_body(200, INSTANCE);
	cleanup_free char *machine_text = fake_body(200, machine);
	const struct fake_rule rules[] = { { "GET /machine-config", machine_text },
					   { "GET /", instance },
					   { "PUT /snapshot/create", answer },
					   { NULL } };
	cleanup_free char *heard = NULL;
	struct error err = ERROR_INIT;
	cleanup_fd int dir = -1;
	struct fake_vmm f;

	fake_rest_start(&f, rules);
	dir = make_image(&f, has_state);
	assert_true(fc->save(f.control, HV_SAVED_ALL, dir, &err) < 0);
	if (!str_after(err.msg, text))
		fail_msg("not: %s\nbut: %s", text, err.msg);
	heard = fake_vmm_heard(&f);
	assert_true(is_asked == (strstr(heard, "Paused") != NULL));
	fake_vmm_stop(&f);
}

/* By being saved the guest loses its connections, so what can be known is known before. */
static void what_cannot_be_saved_is_not_touched(void **state)
{
	cleanup_free char *refusal = fake_body(400, "{\"fault_message\":\"no space left\"}");

	expect_not_saved("{\"mem_size_mib\":4294967295}", true, FAKE_DONE,
			 "save: make room for 4294967295 MiB of memory: ", false);
	expect_not_saved("{\"mem_size_mib\":2,\"huge_pages\":\"2M\"}", true, FAKE_DONE,
			 "save: firecracker does not load a machine that has huge pages", false);
	expect_not_saved(MACHINE, true, refusal, "save: PUT /snapshot/create: no space left", true);
	expect_not_saved(MACHINE, true, FAKE_DEATH,
			 "save: PUT /snapshot/create: the VMM closed the connection", true);
	expect_not_saved(MACHINE, false, FAKE_DONE,
			 "save: 'state' is not there: firecracker wrote it elsewhere", true);
	assert_int_equal(fc->save("/nonexistent", HV_SAVED_DEVICES, 2, NULL), -ENOTSUP);
}

#define DRIVE(id, path, is_readonly)                                                               \
	"{\"drive_id\":\"" id "\",\"path_on_host\":\"" path "\",\"is_read_only\":" is_readonly "}"
#define DRIVES(...) "{\"drives\":[" __VA_ARGS__ "],\"vsock\":null}"
#define EMPTY_DRIVES                                                                               \
	DRIVES(DRIVE("my_root", "spare", "false") "," DRIVE("_spare0", "spare", "true") "," DRIVE( \
		"_spare1", "/v/plugged-other", "false") "," DRIVE("_spare2", "spare", "false"))

/* What a running VMM with @drives is asked to do, or NULL; -1 that nothing is. */
static void expect_plugging(const char *drives, const struct hv_disk *disk, const char *unplugged,
			    const char *asked, const char *refusal)
{
	cleanup_free char *config = drives ? fake_body(200, drives) : NULL;
	const struct fake_rule rules[] = { { "GET /vm/config", config ? config : FAKE_DONE },
					   { NULL } };
	cleanup_free char *heard = NULL, *known = NULL, *spare = NULL;
	struct error err = ERROR_INIT;
	struct fake_vmm f;
	int r;

	fake_rest_start(&f, rules);
	spare = xasprintf("%s/spare", f.dir);
	if (drives)
		close(open(spare, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	r = disk ? fc->plug(f.control, disk, &err) : fc->unplug(f.control, unplugged, &err);
	heard = fake_vmm_heard(&f);
	known = without_place(heard, f.dir);
	if (asked && !strstr(known, asked))
		fail_msg("not asked: %s\nbut: %s", asked, known);
	if (!asked)
		assert_null(strstr(known, "PATCH"));
	if (refusal && !str_after(err.msg, refusal))
		fail_msg("not: %s\nbut: %s", refusal, err.msg);
	assert_int_equal(r < 0, refusal != NULL);
	assert_int_equal(remove_tree_at(AT_FDCWD, spare), 0);
	fake_vmm_stop(&f);
}

static void what_is_plugged_in_takes_the_place_of_an_empty_file(void **state)
{
	cleanup_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct hv_disk data = { .id = "data", .fd = fd };
	const struct hv_disk image = { .id = "image", .fd = fd, .is_readonly = true };
	const struct hv_disk other = { .id = "other", .fd = fd };

	expect_plugging(EMPTY_DRIVES, &data, NULL,
			"PATCH /drives/_spare2 "
			"{\"drive_id\":\"_spare2\",\"path_on_host\":\"DIR/plugged-data\"}\n",
			NULL);
	expect_plugging(EMPTY_DRIVES, &image, NULL,
			"PATCH /drives/_spare0 "
			"{\"drive_id\":\"_spare0\",\"path_on_host\":\"DIR/plugged-image\"}\n",
			NULL);
	expect_plugging(EMPTY_DRIVES, NULL, "other",
			"PATCH /drives/_spare1 "
			"{\"drive_id\":\"_spare1\",\"path_on_host\":\"spare\"}\n",
			NULL);
	expect_plugging(EMPTY_DRIVES, &other, NULL, NULL, "plug disk 'other': it is there already");
	expect_plugging(EMPTY_DRIVES, NULL, "data", NULL,
			"unplug disk 'data': it was not plugged in");
	expect_plugging(
		DRIVES(DRIVE("_spare0", "/v/plugged-x", "true") "," DRIVE("_spare1", "spare",
									  "false")),
		&image, NULL, NULL,
		"plug disk 'image': the virtual machine's slots for read-only disks are full");
	expect_plugging(DRIVES(DRIVE("root", "disk-root", "false") ",{}"), &data, NULL, NULL,
			"plug disk 'data': the virtual machine was started without slots");
	expect_plugging(NULL, &data, NULL, NULL,
			"plug disk 'data': the virtual machine was started without slots");
}

/* Which Firecracker makes of the file: its device, what device it is, its inode. */
static void a_disk_is_found_by_what_its_file_is(void **state)
{
	cleanup_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct hv_disk disk = { .id = "data", .fd = fd };
	char serial[HV_DISK_ID_MAX + 1], whole[64];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(whole, sizeof(whole), "%llu%llu%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_rdev, (unsigned long long)st.st_ino);
	assert_int_equal(fc->serial(&disk, serial, NULL), 0);
	assert_true(strlen(serial) > 0 && strncmp(whole, serial, HV_DISK_ID_MAX) == 0);
}

/* As the shim does when Firecracker has written a line. */
static pid_t count_soon(const char *dir_path)
{
	const struct hv_metrics sum = {
		.exits = { [HV_EXIT_MMIO] = 5 },
		.devices_count = 1,
		.devices = { { .id = "root", .reads = 3 } },
	};
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)poll(NULL, 0, 50);
		_exit(fc_counters_keep(dir, 2, &sum) < 0);
	}
	return pid;
}

static void expect_metrics(const struct fake_vmm *f)
{
	cleanup_fd int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct hv_metrics old = { .vcpus = 1 };
	struct hv_metrics metrics;
	pid_t pid;
	int status;

	assert_int_equal(fc_counters_keep(dir, 1, &old), 0);
	pid = count_soon(f->dir);
	assert_int_equal(fc->metrics(f->control, &metrics, NULL), 0);
	assert_int_equal(metrics.vcpus, 2);
	assert_int_equal(metrics.memory_bytes, 2u << 20);
	assert_int_equal(metrics.exits[HV_EXIT_MMIO], 5);
	assert_int_equal(metrics.devices_count, 1);
	assert_string_equal(metrics.devices[0].id, "root");
	assert_int_equal(metrics.devices[0].reads, 3);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* They are compared with the VMM's own description of its interface: openapi.py. */
static void each_request_is_as_described(void **state)
{
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	cleanup_fc_plan struct fc_plan saved = { .argv = NULL };
	cleanup_free char *all = NULL, *heard = NULL, *golden = NULL,
			  *instance = fake_body(200, INSTANCE);
	cleanup_free char *machine = fake_body(200, MACHINE);
	cleanup_free char *drives = fake_body(200, EMPTY_DRIVES);
	cleanup_free char *version_text = fake_body(200, "{\"firecracker_version\":\"1.12.1\"}");
	const struct fake_rule rules[] = {
		{ "GET /machine-config", machine },
		{ "GET /version", version_text },
		{ "GET /vm/config", drives },
		{ "GET /", instance },
		{ NULL },
	};
	cleanup_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct hv_disk plugged = { .id = "more", .fd = null_fd };
	cleanup_free char *spare = NULL;
	struct hv_config config = make_config();
	struct fc_version version = { .version = NULL };
	struct hv_status status;
	struct fake_vmm f;
	struct stat st;
	cleanup_fd int dir = -1;

	config.disks = disks;
	config.disks_count = ARRAY_SIZE(disks);
	config.nics = nics;
	config.nics_count = ARRAY_SIZE(nics);
	config.dir = "/run/moat/web/vm";
	config.is_restored = true;
	assert_int_equal(fc_plan(&config, tap_names, &saved, NULL), 0);
	config.is_restored = false;
	config.dir = NULL;
	config.has_hugepages = true;
	config.has_disk_slots = true;
	assert_int_equal(fc_plan(&config, tap_names, &plan, NULL), 0);
	fake_rest_start(&f, rules);
	assert_int_equal(fc_ask_version(f.control, -1, &version, NULL), 0);
	for (size_t i = 0; plan.requests[i].path; i++)
		assert_int_equal(fc_put(f.control, -1, &plan.requests[i], NULL), 0);
	assert_int_equal(fc->query(f.control, &status, NULL), 0);
	assert_int_equal(status.state, HV_STATE_RUNNING);
	assert_int_equal(status.vcpus, 2);
	assert_int_equal(status.memory_bytes, 2u << 20);
	assert_int_equal(fc->pause(f.control, NULL), 0);
	assert_int_equal(fc->resume(f.control, NULL), 0);
	spare = xasprintf("%s/spare", f.dir);
	close(open(spare, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(fc->plug(f.control, &plugged, NULL), 0);
	assert_int_equal(fc->unplug(f.control, "other", NULL), 0);
	dir = make_image(&f, true);
	assert_int_equal(fc->save(f.control, HV_SAVED_ALL, dir, NULL), 0);
	assert_int_equal(fstatat(dir, "memory", &st, 0), 0);
	assert_int_equal(st.st_size, 2 << 20);
	for (size_t i = 0; saved.requests[i].path; i++)
		assert_int_equal(fc_put(f.control, -1, &saved.requests[i], NULL), 0);
	assert_int_equal(fc->restore(f.control, HV_SAVED_ALL, dir, NULL), 0);
	expect_metrics(&f);
	all = fake_vmm_heard(&f);
	heard = without_place(all, f.dir);
	assert_int_equal(read_file_at(AT_FDCWD, golden_requests, 1u << 16, &golden, NULL), 0);
	assert_string_equal(heard, golden);
	fake_vmm_stop(&f);
	fields_release(&fc_version_answer, &version);
}

/* The one who listens ends, whoever asks. */
static void quitting_ends_who_listens(void **state)
{
	const struct fake_rule rules[] = { { NULL } };
	cleanup_free char *control = NULL;
	char dir[] = "/tmp/moat-test-XXXXXX";
	int fd = -1, status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	control = xasprintf("%s/firecracker.sock", dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		fake_rest_run(unix_listen(control, 0600), -1, rules);
	while (fd < 0 && waitpid(pid, &status, WNOHANG) == 0)
		fd = unix_connect(control);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fc->quit(control, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(fc->quit("/nonexistent/firecracker.sock", NULL), -ENOENT);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
	assert_int_equal(fc_state("Paused"), HV_STATE_PAUSED);
	assert_int_equal(fc_state("Asleep"), HV_STATE_OTHER);
}

/* --- what its owner hears ----------------------------------------------------------------- */

static void on_reason(void *ctx, const char *reason)
{
	fail_msg("it tells of no events: %s", reason);
}

static void on_end(void *ctx, const struct error *err)
{
	*(bool *)ctx = streq(err->msg, "firecracker closed the connection");
}

static void its_end_is_the_end_of_its_descriptor(void **state)
{
	cleanup_loop struct loop *loop = NULL;
	bool has_ended = false;
	const struct hv_watch_handlers handlers = { on_reason, on_end, &has_ended };
	struct hv_watch *watch;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(fc->watch(loop, ends[0], &handlers, &watch, NULL), 0);
	assert_true(fc->is_heard(watch));
	close(ends[1]);
	assert_int_equal(loop_run_until(loop, &has_ended, 10000), 0);
	fc->drain(watch);
	fc->unwatch(watch);
}

/* --- taps --------------------------------------------------------------------------------- */

/* A tap of this name, new or lent; -1: none for us. */
static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0)
		close_fdp(&fd);
	return fd;
}

/* Whoever holds the tap @name until it is killed. */
static void hold_tap(const char *name, struct hv_vm *ret)
{
	int ends[2];
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	ret->pid = fork();
	assert_true(ret->pid >= 0);
	if (ret->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)write_all(ends[1], open_tap(name) >= 0 ? "y" : "n", 1);
		for (;;)
			pause();
	}
	ret->pidfd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	close(ends[0]);
	close(ends[1]);
}

static void a_lent_tap_ends_with_its_new_holder(void **state)
{
	struct fc_taps taps = { .lent = 0 };
	struct error err = ERROR_INIT;
	struct hv_nic nic;
	struct hv_vm holder = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		skip();
	nic.fd = open_tap("moat0");
	if (nic.fd < 0)
		skip();
	assert_int_equal(fc_taps_lend(&nic, 1, &taps, &err), 0);
	assert_string_equal(taps.names[0], "moat0");
	assert_true(if_nametoindex("moat0") > 0);
	hold_tap("moat0", &holder);
	if (fc_taps_bind(&taps, &holder, &err) < 0)
		fail_msg("%s", err.msg);
	fc_taps_done(&taps);
	assert_true(if_nametoindex("moat0") > 0);
	hv_stop(&holder);
	assert_int_equal(if_nametoindex("moat0"), 0);
	close(nic.fd);
}

static void a_lent_tap_that_nobody_took_is_gone(void **state)
{
	struct fc_taps taps = { .lent = 0 };
	struct hv_nic nic;

	if (unshare(CLONE_NEWNET) < 0)
		skip();
	nic.fd = open_tap("moat1");
	if (nic.fd < 0)
		skip();
	assert_int_equal(fc_taps_lend(&nic, 1, &taps, NULL), 0);
	assert_true(if_nametoindex("moat1") > 0);
	fc_taps_done(&taps);
	assert_int_equal(if_nametoindex("moat1"), 0);
	close(nic.fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_cannot_do_is_refused_before_it_starts),
		cmocka_unit_test(the_program_gets_no_more_than_a_socket_and_wishes),
		cmocka_unit_test(what_lies_in_its_directory_is_told_from_there),
		cmocka_unit_test(one_that_goes_on_is_a_request_with_other_taps),
		cmocka_unit_test(one_that_does_not_serve_is_ended_with_its_reason),
		cmocka_unit_test(a_program_that_ends_at_once_is_not_waited_for),
		cmocka_unit_test(what_cannot_be_saved_is_not_touched),
		cmocka_unit_test(each_request_is_as_described),
		cmocka_unit_test(what_is_plugged_in_takes_the_place_of_an_empty_file),
		cmocka_unit_test(a_disk_is_found_by_what_its_file_is),
		cmocka_unit_test(quitting_ends_who_listens),
		cmocka_unit_test(its_end_is_the_end_of_its_descriptor),
		cmocka_unit_test(a_lent_tap_ends_with_its_new_holder),
		cmocka_unit_test(a_lent_tap_that_nobody_took_is_gone),
	};

	assert(argc >= 2);
	if (streq(argv[1], "--api-sock"))
		be_firecracker(argv[2]);
	golden_requests = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
