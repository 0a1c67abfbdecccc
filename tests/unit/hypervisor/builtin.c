/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "tests/unit/hypervisor/tiny-kernel.h"

/* The whole driver, with kernels of a few instructions, which any KVM can run. */

#define TIMEOUT_MS 20000

TINY_GUEST(greets, "mov $0x3f8, %dx\n mov $'h', %al\n out %al, %dx\n mov $'i', %al\n out %al, %dx\n"
		   "mov $0x602, %dx\n mov $1, %al\n out %al, %dx\n 1: jmp 1b");
TINY_GUEST(works, "1: out %al, $0x80\n jmp 1b");

struct world {
	char dir[32];
	char *kernel, *channel, *control;
	struct guest_image guest;
	struct hv_config config;
	struct hv_vm vm;
	int console, watch_fd;
	struct loop *loop;
	struct hv_watch *watch;
	char reason[200];
	bool has_ended;
};

static void on_reason(void *ctx, const char *reason)
{
	struct world *w = ctx;

	snprintf(w->reason, sizeof(w->reason), "%s", reason);
}

static void on_end(void *ctx, const struct error *err)
{
	((struct world *)ctx)->has_ended = true;
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/moat-builtin.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->kernel = xasprintf("%s/kernel", w->dir);
	w->channel = xasprintf("%s/agent.sock", w->dir);
	w->control = xasprintf("%s/builtin.sock", w->dir);
	w->guest = (struct guest_image){
		.kernel = w->kernel,
		.release = (char *)"tiny",
		.has_vsock = true,
		.has_mmio = true,
		.has_acpi = true,
	};
	w->config = (struct hv_config){
		.name = "test",
		.guest = &w->guest,
		.accel = HV_ACCEL_KVM,
		.memory_mib = 64,
		.vcpus = 1,
		.channel = HV_CHANNEL_HYBRID,
		.channel_path = w->channel,
		.channel_fd = -1,
		.virtiofs_fd = -1,
		.control_fd = -1,
		.watch_fd = 7,
		.console_fd = 8,
	};
	w->vm.pidfd = -1;
	w->console = w->watch_fd = -1;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	hv_stop(&w->vm);
	hypervisor_builtin.unwatch(w->watch);
	loop_free(w->loop);
	close_fdp(&w->console);
	assert_int_equal(remove_tree_at(AT_FDCWD, w->dir), 0);
	free(w->kernel);
	free(w->channel);
	free(w->control);
	free(w);
	return 0;
}

/* --- plan --------------------------------------------------------------------------------- */

static void a_machine_is_described_in_words(void **state)
{
	struct world *w = *state;
	const struct hv_disk disk = { .id = "root", .fd = 9, .is_readonly = true };
	const struct hv_nic nic = { .fd = 10, .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 0xfe } };
	cleanup_strv char **argv = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	w->guest.kernel = (char *)"/guest/kernel";
	w->guest.initrd = (char *)"/guest/initramfs";
	w->guest.has_virtiofs = true;
	w->config.share = HV_SHARE_VIRTIOFS;
	w->config.share_path = "/run/shared";
	w->config.share_tag = "moat";
	w->config.channel_path = "/run/agent.sock";
	w->config.disks = &disk;
	w->config.nics = &nic;
	w->config.disks_count = w->config.nics_count = 1;
	if (hypervisor_builtin.plan(&w->config, &argv, &err) < 0)
		fail_msg("%s", err.msg);
	text = strv_join(argv, "\n");
	assert_string_equal(
		text,
		"builtin\nmemory=64M\nvcpus=1\nkernel=/guest/kernel\n"
		"initrd=/guest/initramfs\n"
		"append=pci=off 8250.nr_uarts=1 console=ttyS0 quiet panic=-1 reboot=t "
		"noreplace-smp no_timer_check cgroup_no_v1=all agent.channel=vsock\n"
		"vsock=/run/agent.sock\nfiles=moat,path=/run/shared\ndisk=root,fd=9,readonly\n"
		"nic=02:00:00:00:00:fe,fd=10");
}

static void expect_refusal(const struct hv_config *config, const char *text)
{
	cleanup_strv char **argv = NULL;
	struct error err = ERROR_INIT;

	assert_true(hypervisor_builtin.plan(config, &argv, &err) < 0);
	if (!strstr(err.msg, text))
		fail_msg("'%s' is not in '%s'", text, err.msg);
}

static void what_it_cannot_be_is_refused(void **state)
{
	struct world *w = *state;
	char *const parameters[] = { (char *)"-s", NULL };
	struct hv_config c = w->config;

	c.accel = HV_ACCEL_TCG;
	expect_refusal(&c, "no software emulation");
	c = w->config;
	c.channel = HV_CHANNEL_SERIAL;
	expect_refusal(&c, "no serial");
	c = w->config;
	c.program = "/usr/bin/vmm";
	expect_refusal(&c, "is no program of its own");
	c = w->config;
	c.program_args = parameters;
	expect_refusal(&c, "takes no parameters");
	c = w->config;
	c.vcpus = 255;
	expect_refusal(&c, "vcpus: 255 are more than 254");
	c = w->config;
	c.share = HV_SHARE_9P;
	expect_refusal(&c, "no 9p");
	c.share = HV_SHARE_VIRTIOFS;
	c.share_tag = "moat";
	expect_refusal(&c, "guest kernel 'tiny': no virtiofs");
	w->guest.has_acpi = false;
	expect_refusal(&w->config, "guest kernel 'tiny': no virtio-mmio by ACPI");
}

/* --- a running one ------------------------------------------------------------------------ */

static void make_pair(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
}

static void write_kernel(const struct world *w, const void *code, size_t len)
{
	const struct tiny_kernel kernel = make_tiny_kernel(code, len);
	cleanup_fd int fd = open(w->kernel, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, &kernel, sizeof(kernel)), 0);
}

static void need_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return;
	print_message("skipped: no /dev/kvm that may be used\n");
	skip();
}

static void launch(struct world *w)
{
	const struct hv_watch_handlers handlers = { on_reason, on_end, w };
	struct error err = ERROR_INIT;
	int r;

	need_kvm();
	make_pair(&w->console, &w->config.console_fd);
	make_pair(&w->watch_fd, &w->config.watch_fd);
	w->config.control_fd = unix_listen(w->control, 0600);
	assert_true(w->config.control_fd >= 0);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(hypervisor_builtin.watch(w->loop, w->watch_fd, &handlers, &w->watch, &err),
			 0);
	r = hypervisor_builtin.launch(&w->config, STDERR_FILENO, &w->vm, &err);
	close(w->config.console_fd);
	close(w->config.watch_fd);
	close(w->config.control_fd);
	if (r < 0)
		fail_msg("%s", err.msg);
}

static void await_end(struct world *w)
{
	assert_int_equal(loop_run_until(w->loop, &w->has_ended, TIMEOUT_MS), 0);
}

static void a_guest_prints_resets_and_its_vmm_says_so(void **state)
{
	struct world *w = *state;
	char text[3] = "";

	write_kernel(w, greets, (size_t)(greets_end - greets));
	launch(w);
	await_end(w);
	assert_string_equal(w->reason, "the guest reset itself");
	assert_true(hypervisor_builtin.is_heard(w->watch));
	assert_int_equal(read_exact(w->console, text, 2), 0);
	assert_string_equal(text, "hi");
}

static void a_file_that_is_no_kernel_is_the_reason_of_the_end(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;
	cleanup_fd int fd = open(w->kernel, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write_all(fd, "nothing of the kind, but long enough", 36), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	launch(w);
	await_end(w);
	assert_string_equal(w->reason, "guest kernel: neither an ELF file nor a bzImage");
	assert_true(hypervisor_builtin.pause(w->control, &err) < 0);
}

static void a_kernel_that_is_not_there_fails_the_launch(void **state)
{
	struct world *w = *state;
	cleanup_free char *expected = xasprintf(
		"start the built-in VMM: open '%s': No such file or directory", w->kernel);
	struct error err = ERROR_INIT;

	w->config.watch_fd = w->config.console_fd = STDERR_FILENO + 1;
	assert_true(dup2(STDERR_FILENO, STDERR_FILENO + 1) >= 0);
	assert_true(hypervisor_builtin.launch(&w->config, STDERR_FILENO, &w->vm, &err) < 0);
	assert_string_equal(err.msg, expected);
	close(STDERR_FILENO + 1);
}

static void expect_state(const struct world *w, enum hv_state state)
{
	struct error err = ERROR_INIT;
	struct hv_status status;

	if (hypervisor_builtin.query(w->control, &status, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(status.state, state);
	assert_int_equal(status.vcpus, 2);
	assert_int_equal(status.memory_bytes, 64 << 20);
	assert_string_equal(status.machine, "builtin");
}

/* On a busy host a vcpu's first turn may come late. */
static void await_exits(struct world *w, struct hv_metrics *ret)
{
	*ret = (struct hv_metrics){ 0 };
	for (int ms = 0; ms < TIMEOUT_MS && !ret->exits[HV_EXIT_PORT]; ms++) {
		assert_int_equal(hypervisor_builtin.metrics(w->control, ret, NULL), 0);
		(void)poll(NULL, 0, 1);
	}
	assert_true(ret->exits[HV_EXIT_PORT] > 0);
}

static void one_that_runs_is_asked_paused_and_ended_by_its_socket(void **state)
{
	struct world *w = *state;
	struct hv_metrics metrics;

	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	launch(w);
	expect_state(w, HV_STATE_RUNNING);
	assert_int_equal(hypervisor_builtin.pause(w->control, NULL), 0);
	expect_state(w, HV_STATE_PAUSED);
	assert_int_equal(hypervisor_builtin.pause(w->control, NULL), 0);
	assert_int_equal(hypervisor_builtin.resume(w->control, NULL), 0);
	expect_state(w, HV_STATE_RUNNING);
	await_exits(w, &metrics);
	assert_int_equal(metrics.vcpus, 2);
	assert_true(metrics.devices_count > 0);
	assert_string_equal(metrics.devices[0].id, "rng");
	assert_int_equal(hypervisor_builtin.power_down(w->control, NULL), -ENOTSUP);
	assert_int_equal(hypervisor_builtin.quit(w->control, NULL), 0);
	await_end(w);
	assert_string_equal(w->reason, "the VMM was told to end over its control socket");
}

static bool is_disk(const char *device)
{
	static const char *const others[] = { "console", "rng", "balloon", "vsock", "fs", "net0" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (streq(device, others[i]))
			return false;
	return true;
}

static void expect_disks(const struct world *w, const char *names)
{
	cleanup_strbuf struct strbuf found = STRBUF_INIT;
	struct hv_metrics metrics;

	assert_int_equal(hypervisor_builtin.metrics(w->control, &metrics, NULL), 0);
	for (size_t i = 0; i < metrics.devices_count; i++)
		if (is_disk(metrics.devices[i].id))
			strbuf_addf(&found, "%s ", metrics.devices[i].id);
	assert_string_equal(found.buf ? found.buf : "", names);
}

static int plug(const struct world *w, const char *id, struct error *err)
{
	cleanup_fd int fd = memfd_create("disk", MFD_CLOEXEC);
	const struct hv_disk disk = { .id = id, .fd = fd };

	assert_int_equal(ftruncate(fd, 4096), 0);
	return hypervisor_builtin.plug(w->control, &disk, err);
}

static void disks_come_and_go(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;

	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	w->config.has_disk_slots = true;
	launch(w);
	assert_int_equal(plug(w, "a", NULL), 0);
	assert_int_equal(plug(w, "b", NULL), 0);
	expect_disks(w, "a b ");
	assert_int_equal(plug(w, "b", &err), -EEXIST);
	assert_string_equal(err.msg, "disk 'b' is there already");
	assert_int_equal(hypervisor_builtin.unplug(w->control, "a", NULL), 0);
	assert_int_equal(hypervisor_builtin.unplug(w->control, "a", &err), -ENOENT);
	assert_string_equal(err.msg, "disk 'a' was not plugged in");
	expect_disks(w, "b ");
	assert_int_equal(plug(w, "c", NULL), 0);
	assert_int_equal(plug(w, "d", NULL), 0);
	assert_int_equal(plug(w, "e", NULL), 0);
	expect_disks(w, "c b d e ");
	assert_int_equal(plug(w, "f", &err), -ENOSPC);
	assert_string_equal(err.msg, "the virtual machine's slots for disks are full");
	assert_int_equal(plug(w, "no/id", &err), -EINVAL);
}

static void one_that_was_made_without_slots_takes_no_disks(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;

	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	launch(w);
	assert_int_equal(plug(w, "a", &err), -ENOTSUP);
	assert_string_equal(err.msg, HV_NO_SLOTS);
}

static void expect_answer(const struct world *w, const char *request, const char *expected)
{
	cleanup_fd int fd = unix_connect(w->control);
	cleanup_free char *answer = NULL;

	assert_int_equal(write_all(fd, request, strlen(request)), 0);
	assert_int_equal(read_whole_fd(fd, 4096, &answer, NULL), 0);
	assert_string_equal(answer, expected);
}

/* What is asked in the wrong way is answered, and what is not asked at all holds nobody up. */
static void a_request_that_it_does_not_know_is_refused(void **state)
{
	struct world *w = *state;
	cleanup_fd int silent = -1;

	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	launch(w);
	expect_answer(w, "dance\n", "error 95 the VMM has no such request\n");
	expect_answer(w, "plug\n", "error 95 the VMM has no such request\n");
	expect_answer(w, "plug a ro\n", "error 9 no descriptor came with it\n");
	expect_answer(w, "plug .. rw\n", "error 22 disk '..': not an id\n");
	silent = unix_connect(w->control);
	close_fdp(&silent);
	expect_state(w, HV_STATE_RUNNING);
}

static char *read_proc(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	char *text = NULL;

	assert_int_equal(read_file_at(AT_FDCWD, path, 65536, &text, NULL), 0);
	return text;
}

static void expect_status(pid_t pid, const char *name, const char *line)
{
	cleanup_free char *status = read_proc(pid, name);

	if (!strstr(status, line))
		fail_msg("'%s' is not in the status of %s:\n%s", line, name, status);
}

static void expect_empty(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_equal(entry->d_name[0], '.');
}

static void a_running_vmm_has_no_rights_and_sees_no_files(void **state)
{
	struct world *w = *state;
	cleanup_free char *tasks = NULL;
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	size_t count = 0;

	if (geteuid() != 0) {
		print_message("skipped: only root's VMM has rights to lose\n");
		skip();
	}
	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	launch(w);
	/* Which each of its threads takes part in once it has given up what it must. */
	assert_int_equal(hypervisor_builtin.pause(w->control, NULL), 0);
	tasks = xasprintf("/proc/%d/task", (int)w->vm.pid);
	dir = opendir(tasks);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		cleanup_free char *name = xasprintf("task/%s/status", entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		count++;
		expect_status(w->vm.pid, name, "CapPrm:\t0000000000000000\n");
		expect_status(w->vm.pid, name, "CapBnd:\t0000000000000000\n");
		expect_status(w->vm.pid, name, "NoNewPrivs:\t1\n");
		expect_status(w->vm.pid, name, "Seccomp:\t2\n");
	}
	assert_true(count >= 3); /* KVM may add one of the kernel's */
	expect_empty(w->vm.pid, "root");
	expect_empty(w->vm.pid, "cwd");
}

/* --- saved machines ----------------------------------------------------------------------- */

#define COUNTER_AT 0x1800000
TINY_GUEST(counts, "1: incl 0x1800000\n mov 0x1800000, %eax\n out %al, $0x80\n jmp 1b");

static int make_file(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint32_t read_counter(const struct hv_memory *memory)
{
	uint32_t value;

	assert_int_equal(pread(memory->fd, &value, sizeof(value), COUNTER_AT), sizeof(value));
	return value;
}

static void await_counter(const struct hv_memory *memory, uint32_t beyond)
{
	for (int i = 0; i < TIMEOUT_MS && read_counter(memory) <= beyond; i++)
		(void)poll(NULL, 0, 1);
	assert_true(read_counter(memory) > beyond);
}

static void end_machine(struct world *w)
{
	hv_stop(&w->vm);
	hypervisor_builtin.unwatch(steal_ptr(&w->watch));
	loop_free(steal_ptr(&w->loop));
	close_fdp(&w->console);
	w->console = -1;
	w->has_ended = false;
	assert_int_equal(unlink(w->control), 0);
	assert_int_equal(unlink(w->channel), 0);
}

/* One whose memory can be seen, and its state. */
static int save_counting(struct world *w, struct hv_memory *memory, enum hv_saved what)
{
	int fd = make_file();
	struct error err = ERROR_INIT;

	*memory = (struct hv_memory){ .fd = make_file() };
	assert_int_equal(ftruncate(memory->fd, 64 << 20), 0);
	w->config.memory = memory;
	w->config.vcpus = 2;
	write_kernel(w, counts, (size_t)(counts_end - counts));
	launch(w);
	await_counter(memory, 0);
	if (hypervisor_builtin.save(w->control, what, fd, &err) < 0)
		fail_msg("%s", err.msg);
	expect_state(w, HV_STATE_PAUSED);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int restore(struct world *w, enum hv_saved what, int fd, struct error *err)
{
	*err = (struct error)ERROR_INIT;
	w->config.is_restored = true;
	launch(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return hypervisor_builtin.restore(w->control, what, fd, err);
}

static void a_saved_machine_goes_on_with_its_memory_and_can_be_saved_again(void **state)
{
	struct world *w = *state;
	struct hv_memory memory, other = { .fd = make_file() };
	cleanup_fd int fd = save_counting(w, &memory, HV_SAVED_ALL);
	const uint32_t before = read_counter(&memory);
	struct error err;

	assert_int_equal(unlink(w->kernel), 0); /* it is not read again */
	end_machine(w);
	assert_int_equal(ftruncate(other.fd, 64 << 20), 0);
	w->config.memory = &other;
	if (restore(w, HV_SAVED_ALL, fd, &err) < 0)
		fail_msg("%s", err.msg);
	await_counter(&other, before);
	expect_state(w, HV_STATE_RUNNING);
	assert_int_equal(read_counter(&memory), before);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(hypervisor_builtin.save(w->control, HV_SAVED_ALL, fd, NULL), 0);
	assert_int_equal(hypervisor_builtin.resume(w->control, NULL), 0);
	await_counter(&other, read_counter(&other));
	close(memory.fd);
	close(other.fd);
}

/* Its exits say that it runs; the file stays as it was. */
static void a_template_is_gone_on_from_by_several_and_never_written(void **state)
{
	struct world *w = *state;
	struct hv_memory memory;
	cleanup_fd int fd = save_counting(w, &memory, HV_SAVED_DEVICES);
	const uint32_t before = read_counter(&memory);
	struct hv_metrics metrics;
	struct error err;

	assert_true(lseek(fd, 0, SEEK_END) < 64 << 10);
	memory.is_private = true;
	for (int i = 0; i < 2; i++) {
		end_machine(w);
		if (restore(w, HV_SAVED_DEVICES, fd, &err) < 0)
			fail_msg("%s", err.msg);
		await_exits(w, &metrics);
		assert_int_equal(read_counter(&memory), before);
	}
	close(memory.fd);
}

static void expect_no_restore(struct world *w, enum hv_saved what, int fd, const char *text)
{
	struct error err;

	end_machine(w);
	assert_true(restore(w, what, fd, &err) < 0);
	assert_string_equal(err.msg, text);
	await_end(w);
	assert_string_equal(w->reason, text + strlen("restore: "));
}

static void a_machine_that_does_not_fit_its_state_says_so_and_ends(void **state)
{
	struct world *w = *state;
	struct hv_memory memory;
	cleanup_fd int fd = save_counting(w, &memory, HV_SAVED_DEVICES);
	cleanup_fd int disk_fd = make_file();
	const struct hv_disk disk = { .id = "root", .fd = disk_fd };
	uint8_t byte;

	memory.is_private = true;
	expect_no_restore(w, HV_SAVED_ALL, fd, "restore: the saved machine is without its memory");
	w->config.vcpus = 1;
	expect_no_restore(w, HV_SAVED_DEVICES, fd,
			  "restore: the saved machine has 2 vcpus, this one 1");
	w->config.vcpus = 2;
	assert_int_equal(ftruncate(disk_fd, 4096), 0);
	w->config.disks = &disk;
	w->config.disks_count = 1;
	expect_no_restore(w, HV_SAVED_DEVICES, fd,
			  "restore: the saved machine has 3 virtio devices, this one 4");
	w->config.disks_count = 0;
	w->config.memory_mib = 128;
	expect_no_restore(w, HV_SAVED_DEVICES, fd,
			  "restore: the saved machine has 64 MiB of memory, this one 128");
	w->config.memory_mib = 64;
	assert_int_equal(pread(fd, &byte, 1, 1000), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 1000), 1);
	expect_no_restore(w, HV_SAVED_DEVICES, fd, "restore: the saved machine was changed since");
	assert_int_equal(ftruncate(fd, 1000), 0);
	expect_no_restore(w, HV_SAVED_DEVICES, fd,
			  "restore: the saved machine ends before its end");
	close(memory.fd);
}

static void one_that_waits_for_a_state_does_not_run_without(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;

	w->config.is_restored = true;
	w->config.vcpus = 2;
	launch(w);
	assert_int_equal(hypervisor_builtin.resume(w->control, &err), -EBUSY);
	assert_string_equal(err.msg, "the machine waits for the state of a saved one");
	expect_state(w, HV_STATE_PAUSED);
}

/* A VMM whose owner was killed in the middle of everything. */
static void a_vmm_ends_with_its_owner(void **state)
{
	struct world *w = *state;
	int pipe_fds[2], pidfd;
	struct pollfd pfd;
	pid_t owner, pid;

	need_kvm();
	write_kernel(w, works, (size_t)(works_end - works));
	w->config.vcpus = 2;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	owner = fork();
	assert_true(owner >= 0);
	if (owner == 0) {
		launch(w);
		(void)!write(pipe_fds[1], &w->vm.pid, sizeof(w->vm.pid));
		pause();
		_exit(0);
	}
	close(pipe_fds[1]);
	assert_int_equal(read_exact(pipe_fds[0], &pid, sizeof(pid)), 0);
	close(pipe_fds[0]);
	expect_state(w, HV_STATE_RUNNING);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	pfd = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
	close(pidfd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_machine_is_described_in_words),
		TEST(what_it_cannot_be_is_refused),
		TEST(a_guest_prints_resets_and_its_vmm_says_so),
		TEST(a_file_that_is_no_kernel_is_the_reason_of_the_end),
		TEST(a_kernel_that_is_not_there_fails_the_launch),
		TEST(one_that_runs_is_asked_paused_and_ended_by_its_socket),
		TEST(disks_come_and_go),
		TEST(one_that_was_made_without_slots_takes_no_disks),
		TEST(a_saved_machine_goes_on_with_its_memory_and_can_be_saved_again),
		TEST(a_template_is_gone_on_from_by_several_and_never_written),
		TEST(a_machine_that_does_not_fit_its_state_says_so_and_ends),
		TEST(one_that_waits_for_a_state_does_not_run_without),
		TEST(a_request_that_it_does_not_know_is_refused),
		TEST(a_vmm_ends_with_its_owner),
		TEST(a_running_vmm_has_no_rights_and_sees_no_files),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
