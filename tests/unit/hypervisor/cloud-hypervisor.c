/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "fake-rest.h"
#include "hypervisor/cloud-hypervisor/cloud-hypervisor-internal.h"
#include "hypervisor/cloud-hypervisor/control.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"

static const struct hypervisor *const ch = &hypervisor_cloud_hypervisor;
static const char *golden_requests; /* a file */

/* --- what is started ---------------------------------------------------------------------- */

static const struct guest_image guest = {
	.kernel = (char *)"/g/kernel",
	.initrd = (char *)"/g/initramfs",
	.release = (char *)"6.12-moat",
	.has_9p = true,
	.has_virtiofs = true,
	.has_vsock = true,
	.has_pci = true,
	.has_acpi = true,
};

static struct hv_config make_config(void)
{
	return (struct hv_config){
		.name = "web",
		.guest = &guest,
		.accel = HV_ACCEL_KVM,
		.memory_mib = 256,
		.vcpus = 1,
		.share = HV_SHARE_NONE,
		.share_tag = "moat",
		.virtiofs_path = "/run/moat/web/vm/virtiofsd.sock",
		.channel = HV_CHANNEL_HYBRID,
		.channel_path = "/run/moat/web/vm/agent.sock",
		.channel_fd = -1,
		.watch_fd = 10,
		.console_fd = 11,
		.control_fd = 14,
	};
}

#define START "cloud-hypervisor\n--event-monitor\nfd=10\n--api-socket\nfd=14\n"
#define KERNEL                                                                                     \
	"--kernel\n/g/kernel\n--initramfs\n/g/initramfs\n--cmdline\nagent.no_half_close "          \
	"console=ttyS0 quiet panic=-1 reboot=t noreplace-smp no_timer_check cgroup_no_v1=all "     \
	"agent.channel=vsock"
#define CHANNEL "\n--serial\ntty\n--console\noff\n--vsock\ncid=3,socket=/run/moat/web/vm/agent.sock"

static void check(const struct hv_config *config, const char *golden)
{
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (ch_plan(config, &argv, &err) < 0)
		fail_msg("%s", err.msg);
	text = strv_join(argv, "\n");
	assert_string_equal(text, golden);
}

static void check_refused(const struct hv_config *config, int code, const char *text)
{
	struct error err = ERROR_INIT;
	char **argv = NULL;

	assert_int_equal(ch_plan(config, &argv, &err), code);
	assert_null(argv);
	assert_string_equal(err.msg, text);
}

static void the_least_machine_is_a_kernel_and_a_channel(void **state)
{
	struct hv_config config = make_config();

	check(&config, START "--cpus\nboot=1\n--memory\nsize=256M\n" KERNEL CHANNEL);
}

static void files_come_by_virtiofs_from_memory_that_its_daemon_can_map(void **state)
{
	struct hv_config config = make_config();

	config.share = HV_SHARE_VIRTIOFS;
	check(&config, START "--cpus\nboot=1\n--memory\nsize=256M,shared=on\n" KERNEL CHANNEL
			     "\n--fs\ntag=moat,socket=/run/moat/web/vm/virtiofsd.sock,num_queues=1,"
			     "queue_size=1024");
}

static void disks_and_interfaces_are_descriptors(void **state)
{
	static const struct hv_disk disks[] = {
		{ .id = "root", .fd = 20, .is_readonly = true },
		{ .id = "data", .fd = 21 },
	};
	static const struct hv_nic nics[] = {
		{ .fd = 30, .vhost_fd = 31, .mac = { 2, 0, 0, 0, 0, 0xaf } },
		{ .fd = 32, .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 1 } },
	};
	static const int wanted[] = { 10, 14, 20, 21, 30, 32 };
	struct hv_config config = make_config();
	int fds[CH_MAX_FDS];

	config.disks = disks;
	config.disks_count = ARRAY_SIZE(disks);
	config.nics = nics;
	config.nics_count = ARRAY_SIZE(nics);
	check(&config,
	      START "--cpus\nboot=1\n--memory\nsize=256M\n" KERNEL CHANNEL
		    "\n--disk\npath=/proc/self/fd/20,readonly=on,id=root,serial=root,image_type=raw"
		    "\npath=/proc/self/fd/21,readonly=off,id=data,serial=data,image_type=raw"
		    "\n--net\nid=net0,fd=30,mac=02:00:00:00:00:af"
		    "\nid=net1,fd=32,mac=02:00:00:00:00:01");
	assert_int_equal(ch_planned_fds(&config, fds), ARRAY_SIZE(wanted));
	assert_memory_equal(fds, wanted, sizeof(wanted));
}

/* So that they are the same in each machine's own. */
static void what_lies_in_its_directory_is_told_from_there(void **state)
{
	static const struct hv_disk disks[] = { { .id = "root", .fd = 20 } };
	struct hv_config config = make_config();

	config.dir = "/run/moat/web/vm";
	config.share = HV_SHARE_VIRTIOFS;
	config.disks = disks;
	config.disks_count = 1;
	check(&config,
	      START "--cpus\nboot=1\n--memory\nsize=256M,shared=on\n" KERNEL
		    "\n--serial\ntty\n--console\noff\n--vsock\ncid=3,socket=agent.sock"
		    "\n--fs\ntag=moat,socket=virtiofsd.sock,num_queues=1,queue_size=1024"
		    "\n--disk\npath=disk-root,readonly=off,id=root,serial=root,image_type=raw");
	config.dir = "/run/moat/we"; /* which is no directory of its path's */
	assert_string_equal(hv_path(&config, config.channel_path), config.channel_path);
}

static void one_that_goes_on_is_told_later_what_it_was(void **state)
{
	static const struct hv_disk disks[] = { { .id = "root", .fd = 20 } };
	static const struct hv_nic nics[] = { { .fd = 30 }, { .fd = 32 } };
	static const int wanted[] = { 10, 14, 20, 40 };
	struct hv_config config = make_config();
	cleanup_free char *request = NULL;
	int fds[CH_MAX_FDS];

	config.dir = "/run/moat/web/vm";
	config.control_path = "/run/moat/web/vm/cloud-hypervisor.sock";
	config.is_restored = true;
	config.saved_fd = 40;
	config.disks = disks;
	config.disks_count = ARRAY_SIZE(disks);
	config.nics = nics;
	config.nics_count = ARRAY_SIZE(nics);
	check(&config, "cloud-hypervisor\n--event-monitor\nfd=10\n--api-socket\nfd=14");
	assert_int_equal(ch_planned_fds(&config, fds), ARRAY_SIZE(wanted));
	assert_memory_equal(fds, wanted, sizeof(wanted));
	request = ch_restore_request(&config);
	assert_string_equal(request, "{\"source_url\":\"file://saved\",\"net_fds\":["
				     "{\"id\":\"net0\",\"num_fds\":1},"
				     "{\"id\":\"net1\",\"num_fds\":1}]}");
}

static void room_to_grow_and_wishes_come_last(void **state)
{
	char *const args[] = { (char *)"--watchdog", NULL };
	struct hv_config config = make_config();

	config.program = "/opt/cloud-hypervisor-54";
	config.program_args = args;
	config.kernel_params = "dummy.numdummies=0";
	config.vcpus_max = 4;
	config.memory_max_mib = 600;
	config.has_hugepages = true;
	config.is_preallocated = true;
	config.gives_memory_back = true;
	config.control_fd = -1;
	check(&config,
	      "/opt/cloud-hypervisor-54\n--event-monitor\nfd=10\n--cpus\nboot=1,max=4\n--memory\n"
	      "size=256M,hotplug_size=384M,hugepages=on,prefault=on\n"
	      "--balloon\nsize=0,free_page_reporting=on\n" KERNEL " dummy.numdummies=0" CHANNEL
	      "\n--watchdog");
}

static void the_console_is_the_architectures(void **state)
{
	struct guest_image other = guest;
	struct hv_config config = make_config();

	other.arch = HV_ARCH_AARCH64;
	config.guest = &other;
	check(&config, START
	      "--cpus\nboot=1\n--memory\nsize=256M\n--kernel\n/g/kernel\n--initramfs\n"
	      "/g/initramfs\n--cmdline\nagent.no_half_close console=ttyAMA0 quiet panic=-1 cgroup_no_v1=all "
	      "agent.channel=vsock" CHANNEL);
}

static void what_it_cannot_do_is_refused_before_it_starts(void **state)
{
	struct guest_image lean = guest;
	struct hv_config config = make_config();

	config.accel = HV_ACCEL_TCG;
	check_refused(&config, -ENOTSUP, "hypervisor 'cloud-hypervisor': no software emulation");
	config = make_config();
	config.share = HV_SHARE_9P;
	check_refused(&config, -ENOTSUP, "hypervisor 'cloud-hypervisor': no 9p");
	config = make_config();
	config.channel = HV_CHANNEL_SERIAL;
	check_refused(&config, -ENOTSUP, "hypervisor 'cloud-hypervisor': no serial");
	config = make_config();
	config.memory = &(const struct hv_memory){ .fd = 40 };
	check_refused(&config, -ENOTSUP, "hypervisor 'cloud-hypervisor': no memory in a file");
	config = make_config();
	config.is_restored = true;
	check_refused(&config, -EINVAL, "a saved machine has a directory and a socket");
	config = make_config();
	config.guest = &lean;
	lean.has_vsock = false;
	check_refused(&config, -ENOTSUP, "guest kernel '6.12-moat': no vsock");
	lean.has_vsock = true;
	lean.has_acpi = false;
	check_refused(&config, -ENOTSUP, "guest kernel '6.12-moat': has not both PCI and ACPI");
	lean.has_acpi = true;
	lean.has_virtiofs = false;
	config.share = HV_SHARE_VIRTIOFS;
	check_refused(&config, -ENOTSUP, "guest kernel '6.12-moat': no virtiofs");
	config = make_config();
	config.memory_mib = 8;
	check_refused(&config, -EINVAL, "guest memory: 8 MiB is less than 64");
}

static void a_path_that_would_be_read_as_something_else_is_refused(void **state)
{
	cleanup_free char *longest = xasprintf("/%0107d", 0);
	cleanup_free char *text = xasprintf("socket '%s': its path is too long for one", longest);
	struct hv_config config = make_config();

	config.channel_path = "/run/a,shared=on/agent.sock";
	check_refused(&config, -EINVAL,
		      "socket '/run/a,shared=on/agent.sock': cloud-hypervisor takes no comma, "
		      "quote or bracket");
	config.channel_path = longest;
	check_refused(&config, -ENAMETOOLONG, text);
}

/* --- what is asked of a running one ------------------------------------------------------- */

#define INFO                                                                                       \
	"{\"config\":{\"cpus\":{\"boot_vcpus\":2,\"max_vcpus\":4},\"memory\":{\"size\":268435456," \
	"\"zones\":null},\"payload\":{\"kernel\":\"/k\"}},\"state\":\"Running\","                  \
	"\"memory_actual_size\":402653184,\"device_tree\":{\"_net0\":{\"id\":\"_net0\","           \
	"\"resources\":[{\"PciBar\":{\"index\":0}}]}}}"
#define COUNTERS                                                                                   \
	"{\"net0\":{\"rx_bytes\":7,\"tx_bytes\":8},\"root\":{\"read_bytes\":4096,\"read_ops\":2,"  \
	"\"write_bytes\":512,\"write_ops\":1,\"read_latency_min\":18446744073709551615}}"

struct fake_ch {
	struct fake_vmm rest;
	struct fake_rule rules[4];
	char *answers[3];
};

static void fake_ch_start(struct fake_ch *f, const char *version, const char *info)
{
	f->answers[0] = fake_body(200, version);
	f->answers[1] = fake_body(200, info);
	f->answers[2] = fake_body(200, COUNTERS);
	f->rules[0] = (struct fake_rule){ "vmm.ping", f->answers[0] };
	f->rules[1] = (struct fake_rule){ "vm.info", f->answers[1] };
	f->rules[2] = (struct fake_rule){ "vm.counters", f->answers[2] };
	f->rules[3] = (struct fake_rule){ NULL };
	fake_rest_start(&f->rest, f->rules);
}

static void fake_ch_stop(struct fake_ch *f)
{
	fake_vmm_stop(&f->rest);
	for (size_t i = 0; i < ARRAY_SIZE(f->answers); i++)
		free(f->answers[i]);
}

/* One that lives as long as it is asked. */
static char *stand_in(const struct fake_ch *f)
{
	static const char text[] = "#!/bin/sh\nexec sleep 60\n";
	char *path = xasprintf("%s/vmm", f->rest.dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

#define VERSION "{\"build_version\":\"v52.0\",\"version\":\"52.0.0\",\"pid\":7,\"features\":[]}"

#define must(call)                                                                                 \
	do {                                                                                       \
		struct error err = ERROR_INIT;                                                     \
		if (call < 0)                                                                      \
			fail_msg("%s", err.msg);                                                   \
	} while (0)

static void write_text(const char *dir, const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
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

/* Loads what lies in the fake one's directory, with two interfaces. */
static int load_saved(const struct fake_ch *f, struct hv_config config, struct error *err)
{
	cleanup_fd int dir = open(f->rest.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct hv_nic nics[] = { { .fd = dir }, { .fd = dir } };
	struct hv_vm vm = { 0 };
	int r;

	config.dir = f->rest.dir;
	config.is_restored = true;
	config.saved_fd = dir;
	config.nics = nics;
	config.nics_count = ARRAY_SIZE(nics);
	r = ch->launch(&config, 2, &vm, err);
	hv_stop(&vm);
	return r;
}

/* They are compared with the VMM's own description of its interface: openapi.py. */
static void each_request_is_as_described(void **state)
{
	struct hv_disk disk = { .id = "data", .is_readonly = true };
	cleanup_free char *heard = NULL, *golden = NULL, *program = NULL, *all = NULL;
	cleanup_fd int dir = -1, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct hv_config config = make_config();
	struct hv_vm vm = { 0 };
	struct hv_status status;
	struct hv_metrics metrics;
	struct fake_ch f;

	fake_ch_start(&f, VERSION, INFO);
	disk.fd = fd;
	program = stand_in(&f);
	config.program = program;
	config.control_path = f.rest.control;
	config.watch_fd = config.console_fd = fd;
	config.control_fd = -1;
	must(ch->launch(&config, 2, &vm, &err));
	hv_stop(&vm);
	must(ch->query(f.rest.control, &status, &err));
	must(ch->pause(f.rest.control, &err));
	must(ch->resume(f.rest.control, &err));
	must(ch->power_down(f.rest.control, &err));
	must(ch->resize(f.rest.control, 4, 500, &err));
	must(ch->plug(f.rest.control, &disk, &err));
	must(ch->unplug(f.rest.control, "data", &err));
	must(ch->metrics(f.rest.control, &metrics, &err));
	dir = open(f.rest.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(f.rest.dir, "config.json", "{}");
	write_text(f.rest.dir, "state.json", "{\"id\":[]}");
	must(ch->save(f.rest.control, HV_SAVED_ALL, dir, &err));
	must(load_saved(&f, config, &err));
	must(ch->restore(f.rest.control, HV_SAVED_ALL, dir, &err));
	must(ch->quit(f.rest.control, &err));

	all = fake_vmm_heard(&f.rest);
	heard = without_place(all, f.rest.dir);
	assert_int_equal(read_file_at(AT_FDCWD, golden_requests, 1u << 16, &golden, NULL), 0);
	assert_string_equal(heard, golden);
	fake_ch_stop(&f);
}

static void a_running_one_tells_what_it_is_and_did(void **state)
{
	struct hv_status status;
	struct hv_metrics metrics;
	struct fake_ch f;

	fake_ch_start(&f, VERSION, INFO);
	must(ch->query(f.rest.control, &status, &err));
	assert_int_equal(status.state, HV_STATE_RUNNING);
	assert_int_equal(status.vcpus, 2);
	assert_int_equal(status.memory_bytes, 384u << 20);
	assert_int_equal(status.features, ch->features);
	must(ch->metrics(f.rest.control, &metrics, &err));
	assert_int_equal(metrics.vcpus, 2);
	assert_int_equal(metrics.devices_count, 1);
	assert_string_equal(metrics.devices[0].id, "root");
	assert_int_equal(metrics.devices[0].read_bytes, 4096);
	assert_int_equal(metrics.devices[0].writes, 1);
	fake_ch_stop(&f);
}

static void one_that_is_large_enough_is_not_resized(void **state)
{
	cleanup_free char *heard = NULL;
	struct fake_ch f;

	fake_ch_start(&f, VERSION, INFO);
	must(ch->resize(f.rest.control, 2, 384, &err));
	must(ch->resize(f.rest.control, 0, 0, &err));
	heard = fake_vmm_heard(&f.rest);
	assert_null(strstr(heard, "vm.resize"));
	fake_ch_stop(&f);
}

static void its_refusals_say_what_was_asked(void **state)
{
	struct hv_disk disk = { .id = "data", .fd = 0 };
	struct hv_status status;
	struct error err = ERROR_INIT;
	char *refusal = fake_body(500, "[\"Error from API\",\"The disk is locked\"]");
	const struct fake_rule rules[] = { { "", refusal }, { NULL } };
	struct fake_vmm f;

	fake_rest_start(&f, rules);
	assert_int_equal(ch->pause(f.control, &err), -EIO);
	assert_string_equal(err.msg, "PUT /api/v1/vm.pause: Error from API: The disk is locked");
	assert_int_equal(ch->plug(f.control, &disk, &err), -EIO);
	assert_non_null(str_after(err.msg, "plug disk 'data': PUT /api/v1/vm.add-disk: "));
	assert_int_equal(ch->resize(f.control, 2, 0, &err), -EIO);
	assert_non_null(str_after(err.msg, "resize: GET /api/v1/vm.info: "));
	assert_int_equal(ch->unplug(f.control, "a\",\"b", &err), -EINVAL);
	fake_vmm_stop(&f);
	free(refusal);
	fake_rest_start(&f, (const struct fake_rule[]){ { "", FAKE_DEATH }, { NULL } });
	assert_int_equal(ch->query(f.control, &status, &err), -EPIPE);
	fake_vmm_stop(&f);
}

static void an_answer_without_what_was_asked_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	struct hv_status status;
	struct fake_ch f;

	fake_ch_start(&f, VERSION, "{}");
	assert_int_equal(ch->query(f.rest.control, &status, &err), -EPROTO);
	assert_string_equal(err.msg, "GET /api/v1/vm.info: no state in the answer");
	fake_ch_stop(&f);
	assert_int_equal(ch_state("Paused"), HV_STATE_PAUSED);
	assert_int_equal(ch_state("Shutdown"), HV_STATE_ENDED);
	assert_int_equal(ch_state("Dreaming"), HV_STATE_OTHER);
}

/* --- what is saved ------------------------------------------------------------------------ */

static void expect_not_saved(const char *info, const char *state_text, const char *answer,
			     const char *text)
{
	cleanup_free char *info_answer = fake_body(200, info);
	const struct fake_rule rules[] = { { "vm.info", info_answer },
					   { "vm.snapshot", answer },
					   { NULL } };
	cleanup_free char *heard = NULL;
	struct error err = ERROR_INIT;
	cleanup_fd int dir = -1;
	struct fake_vmm f;

	fake_rest_start(&f, rules);
	dir = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(f.dir, "config.json", "{}");
	if (state_text)
		write_text(f.dir, "state.json", state_text);
	assert_true(ch->save(f.control, HV_SAVED_ALL, dir, &err) < 0);
	if (!str_after(err.msg, text))
		fail_msg("not: %s\nbut: %s", text, err.msg);
	heard = fake_vmm_heard(&f);
	assert_true(!strstr(heard, "vm.pause") == !strstr(info, "Running"));
	fake_vmm_stop(&f);
}

#define PAUSED "{\"state\":\"Paused\"}"

/* It does not notice itself when there is no room for all of a file. */
static void what_was_not_written_whole_is_not_saved(void **state)
{
	cleanup_free char *refusal = fake_body(500, "[\"No space left on device\"]");

	expect_not_saved(PAUSED, "{\"snapshots\":{\"cpu\":", FAKE_DONE,
			 "save: it was not written whole: state.json:1: ");
	expect_not_saved(PAUSED, "", FAKE_DONE, "save: it was not written whole: state.json");
	expect_not_saved(PAUSED, NULL, FAKE_DONE,
			 "save: 'state.json' is not there: cloud-hypervisor wrote it elsewhere");
	expect_not_saved("{\"state\":\"Running\"}", "{}", refusal,
			 "save: PUT /api/v1/vm.snapshot: No space left on device");
	expect_not_saved(PAUSED, "{}", FAKE_DEATH,
			 "save: PUT /api/v1/vm.snapshot: the VMM closed the connection");
}

static void what_cannot_be_loaded_is_told_with_its_place(void **state)
{
	cleanup_free char *refusal = fake_body(500, "[\"Cannot restore VM\",\"EOF\"]");
	cleanup_free char *program = NULL, *text = NULL;
	struct hv_config config = make_config();
	struct error err = ERROR_INIT;
	struct fake_ch f;

	fake_ch_start(&f, VERSION, INFO);
	fake_vmm_stop(&f.rest);
	f.rules[1] = (struct fake_rule){ "vm.restore", refusal };
	fake_rest_start(&f.rest, f.rules);
	program = stand_in(&f);
	config.program = program;
	config.control_path = f.rest.control;
	config.watch_fd = config.console_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	config.control_fd = -1;
	assert_int_equal(load_saved(&f, config, &err), -EIO);
	text = xasprintf("start cloud-hypervisor: load '%s': PUT /api/v1/vm.restore: Cannot "
			 "restore VM: EOF\nhint: it may be damaged",
			 f.rest.dir);
	if (!str_after(err.msg, text))
		fail_msg("not: %s\nbut: %s", text, err.msg);
	assert_int_equal(ch->save(f.rest.control, HV_SAVED_DEVICES, 2, &err), -ENOTSUP);
	close(config.watch_fd);
	fake_ch_stop(&f);
}

/* --- versions ----------------------------------------------------------------------------- */

static int launch_with(const char *version, struct error *err)
{
	cleanup_free char *program = NULL;
	cleanup_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct hv_config config = make_config();
	struct hv_vm vm = { 0 };
	struct fake_ch f;
	int r;

	fake_ch_start(&f, version, INFO);
	program = stand_in(&f);
	config.program = program;
	config.control_path = f.rest.control;
	config.watch_fd = config.console_fd = fd;
	config.control_fd = -1;
	r = ch->launch(&config, 2, &vm, err);
	hv_stop(&vm);
	fake_ch_stop(&f);
	return r;
}

static void one_that_is_too_old_is_refused_by_its_version(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(launch_with("{\"version\":\"v51.2\"}", &err), -ENOTSUP);
	assert_string_equal(err.msg, "start cloud-hypervisor: v51.2 is too old: 52.0 or newer is "
				     "needed");
	assert_int_equal(launch_with("{\"version\":\"52.0.0\"}", &err), 0);
	assert_int_equal(launch_with("{\"version\":\"v60.1-12-gabcdef\"}", &err), 0);
	assert_int_equal(launch_with("{\"version\":\"newest\"}", &err), -EPROTO);
	assert_int_equal(launch_with("{}", &err), -EPROTO);
	assert_string_equal(err.msg, "start cloud-hypervisor: it does not tell its version");
}

/* --- what its owner hears ----------------------------------------------------------------- */

struct ear {
	char reason[100], end[200];
	int ends;
};

static void on_reason(void *ctx, const char *reason)
{
	snprintf(((struct ear *)ctx)->reason, sizeof(((struct ear *)ctx)->reason), "%s", reason);
}

static void on_end(void *ctx, const struct error *err)
{
	struct ear *ear = ctx;

	snprintf(ear->end, sizeof(ear->end), "%.199s", err->msg);
	ear->ends++;
}

/* What @text, said by a VMM that hangs up then if @is_over, means to its owner. */
static bool listen_to(const char *text, bool is_over, struct ear *ear)
{
	const struct hv_watch_handlers handlers = { on_reason, on_end, ear };
	cleanup_loop struct loop *loop = NULL;
	struct hv_watch *watch;
	bool is_heard;
	int ends[2];

	*ear = (struct ear){ .ends = 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(ch->watch(loop, ends[0], &handlers, &watch, NULL), 0);
	assert_int_equal(write_all(ends[1], text, strlen(text)), 0);
	if (is_over)
		close(ends[1]);
	ch->drain(watch);
	is_heard = ch->is_heard(watch);
	ch->unwatch(watch);
	if (!is_over)
		close(ends[1]);
	return is_heard;
}

#define EVENT(source, event)                                                                       \
	"{\n  \"timestamp\": {\n    \"secs\": 0,\n    \"nanos\": 7\n  },\n  \"source\": \"" source \
	"\",\n  \"event\": \"" event "\",\n  \"properties\": null\n}\n\n"

static void events_tell_why_a_guest_ends(void **state)
{
	struct ear ear;

	assert_true(listen_to(EVENT("vmm", "starting") EVENT("vm", "booted"), false, &ear));
	assert_string_equal(ear.reason, "");
	assert_int_equal(ear.ends, 0);
	assert_true(listen_to(EVENT("vm", "shutdown") EVENT("vmm", "shutdown"), true, &ear));
	assert_string_equal(ear.reason, "the virtual machine shut down");
	assert_string_equal(ear.end, "cloud-hypervisor closed the connection");
	assert_int_equal(ear.ends, 1);
}

static void a_guest_that_resets_is_not_begun_anew(void **state)
{
	struct ear ear;

	(void)listen_to(EVENT("vm", "rebooting") EVENT("vm", "rebooted"), false, &ear);
	assert_string_equal(ear.reason, "the guest reset itself");
	assert_int_equal(ear.ends, 1);
}

static void what_is_no_event_ends_the_watch(void **state)
{
	cleanup_free char *flood = xasprintf("{%0*d", 9000, 0);
	struct ear ear;

	assert_false(listen_to("hello\n\n", false, &ear));
	assert_int_equal(ear.ends, 1);
	assert_false(listen_to(flood, false, &ear));
	assert_string_equal(ear.end, "an event is too long");
	assert_false(listen_to("{\n", true, &ear));
	assert_string_equal(ear.end, "cloud-hypervisor closed the connection");
}

/* --- which one it is ---------------------------------------------------------------------- */

static void a_wish_is_a_drivers_name_or_a_program(void **state)
{
	static const struct {
		const char *wish;
		const char *driver;
		bool is_program;
	} cases[] = {
		{ NULL, "qemu", false },
		{ "qemu", "qemu", false },
		{ "cloud-hypervisor", "cloud-hypervisor", false },
		{ "/opt/bin/cloud-hypervisor-static", "cloud-hypervisor", true },
		{ "/usr/bin/qemu-system-x86_64", "qemu", true },
		{ "/opt/vmm", "qemu", true },
	};
	const struct hypervisor *driver;
	struct error err = ERROR_INIT;
	const char *program;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(hypervisor_choose(cases[i].wish, &driver, &program, &err), 0);
		assert_string_equal(driver->name, cases[i].driver);
		assert_int_equal(program != NULL, cases[i].is_program);
	}
	assert_int_equal(hypervisor_choose("bhyve", &driver, &program, &err), -EINVAL);
	assert_string_equal(err.msg, "no such hypervisor: 'bhyve'");
}

static void a_running_one_is_known_by_its_socket(void **state)
{
	cleanup_free char *control = NULL;
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_free char *path = NULL;
	const struct hypervisor *driver;
	struct error err = ERROR_INIT;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(hypervisor_running(dir, &driver, &control, &err), -ENOENT);
	path = xasprintf("%s/cloud-hypervisor.sock", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(hypervisor_running(dir, &driver, &control, &err), 0);
	assert_ptr_equal(driver, ch);
	assert_string_equal(control, path);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_machine_is_a_kernel_and_a_channel),
		cmocka_unit_test(files_come_by_virtiofs_from_memory_that_its_daemon_can_map),
		cmocka_unit_test(disks_and_interfaces_are_descriptors),
		cmocka_unit_test(what_lies_in_its_directory_is_told_from_there),
		cmocka_unit_test(one_that_goes_on_is_told_later_what_it_was),
		cmocka_unit_test(room_to_grow_and_wishes_come_last),
		cmocka_unit_test(the_console_is_the_architectures),
		cmocka_unit_test(what_it_cannot_do_is_refused_before_it_starts),
		cmocka_unit_test(a_path_that_would_be_read_as_something_else_is_refused),
		cmocka_unit_test(each_request_is_as_described),
		cmocka_unit_test(a_running_one_tells_what_it_is_and_did),
		cmocka_unit_test(one_that_is_large_enough_is_not_resized),
		cmocka_unit_test(its_refusals_say_what_was_asked),
		cmocka_unit_test(an_answer_without_what_was_asked_is_an_error),
		cmocka_unit_test(what_was_not_written_whole_is_not_saved),
		cmocka_unit_test(what_cannot_be_loaded_is_told_with_its_place),
		cmocka_unit_test(one_that_is_too_old_is_refused_by_its_version),
		cmocka_unit_test(events_tell_why_a_guest_ends),
		cmocka_unit_test(a_guest_that_resets_is_not_begun_anew),
		cmocka_unit_test(what_is_no_event_ends_the_watch),
		cmocka_unit_test(a_wish_is_a_drivers_name_or_a_program),
		cmocka_unit_test(a_running_one_is_known_by_its_socket),
	};

	assert(argc == 2);
	golden_requests = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
