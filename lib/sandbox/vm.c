/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/console.h"
#include "lib/sandbox/disk.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/virtiofsd.h"
#include "lib/settings/settings.h"

#define EXPLANATION_BYTES 600
#define ENDING_MS 500

/* A kernel with the dummy driver built in makes a link nobody asked for, which the container
 * would see. */
#define KERNEL_PARAMS "dummy.numdummies=0"

/* Memory that is plugged in is used as it comes: nobody can tell how many pieces will. And 64 MiB
 * are not put aside for devices that reach the first 4 GiB only, of which there are none. */
#define GROWING_PARAMS "memhp_default_state=online swiotlb=noforce"

static void end(struct vm *vm)
{
	if (vm->has_ended)
		return;
	vm->has_ended = true;
	if (!vm->is_restoring)
		vm->on_end(vm->ctx);
}

/* False: it goes on. */
static bool describe_end(const struct hv_vm *child, const char *name, char (*ret)[VM_REASON_MAX])
{
	const int options = WEXITED | WNOHANG | WNOWAIT;
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, options) < 0 || !info.si_pid)
		return false;
	if (info.si_code == CLD_EXITED)
		snprintf(*ret, sizeof(*ret), "%s ended with status %d", name, info.si_status);
	else
		snprintf(*ret, sizeof(*ret), "%s was killed by signal %d (%s)", name,
			 info.si_status, sigabbrev_np(info.si_status) ?: "?");
	return true;
}

/* Reaped here; hv_stop() on what was reaped must not signal a pid that may be another's now. */
static void reap(struct hv_vm *child, const char *name, char (*ret_reason)[VM_REASON_MAX])
{
	siginfo_t info;

	if (!describe_end(child, name, ret_reason))
		return;
	(void)waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
	close_fdp(&child->pidfd);
	*child = (struct hv_vm){ 0 };
}

static void on_vmm_end(void *ctx, int fd, uint32_t events)
{
	struct vm *vm = ctx;

	loop_remove(vm->watches[0]);
	vm->watches[0] = NULL;
	reap(&vm->vmm, vm->driver->name, &vm->reason);
	end(vm);
}

static void on_virtiofsd_end(void *ctx, int fd, uint32_t events)
{
	struct vm *vm = ctx;

	loop_remove(vm->watches[1]);
	vm->watches[1] = NULL;
	reap(&vm->virtiofsd, "virtiofsd", &vm->files_reason);
	end(vm);
}

static void on_channel_end(void *ctx, const struct error *err)
{
	struct vm *vm = ctx;

	snprintf(vm->channel_reason, sizeof(vm->channel_reason), "agent channel: %.200s", err->msg);
	end(vm);
}

static void on_vmm_reason(void *ctx, const char *reason)
{
	struct vm *vm = ctx;

	snprintf(vm->guest_reason, sizeof(vm->guest_reason), "%s", reason);
}

static void on_watch_end(void *ctx, const struct error *err)
{
	struct vm *vm = ctx;

	snprintf(vm->watch_reason, sizeof(vm->watch_reason), "control channel: %.200s", err->msg);
	end(vm);
}

/* Everything that is handed to the VMM, closed when it has been. */
struct vmm_ends {
	int channel, watch, control, console, log, virtiofs;
	char *control_path, *virtiofs_path;
	struct hv_disk disks[SANDBOX_DISKS_MAX];
	size_t disks_count;
};

static void close_ends(struct vmm_ends *ends)
{
	close_fdp(&ends->channel);
	close_fdp(&ends->watch);
	close_fdp(&ends->control);
	close_fdp(&ends->console);
	close_fdp(&ends->log);
	close_fdp(&ends->virtiofs);
	free(ends->control_path);
	free(ends->virtiofs_path);
	for (size_t i = 0; i < ends->disks_count; i++)
		close_fdp(&ends->disks[i].fd);
}

static int make_pair(int type, int *ret_ours, int *ret_theirs, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket pair");
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int open_console(struct vm *vm, struct vmm_ends *ends, struct error *err)
{
	const struct {
		int *end;
		enum journal_source source;
	} theirs[] = {
		{ &ends->console, JOURNAL_CONSOLE },
		{ &ends->log, JOURNAL_VMM },
	};

	vm->console = console_new(vm->loop, vm->journal_fd);
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++) {
		int ours = -1, r = make_pair(SOCK_STREAM, &ours, theirs[i].end, err);

		if (r < 0)
			return r;
		r = console_add(vm->console, ours, theirs[i].source);
		if (r < 0)
			return error_sys(err, r, "watch the console");
	}
	return 0;
}

static int open_channel(struct vm *vm, struct vmm_ends *ends, struct hv_config *config,
			struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" CHANNEL_SOCKET, vm->dir);
	struct channel_ends made;
	int r = channel_new(vm->loop, vm->channel_kind, path, on_channel_end, vm, &vm->channel,
			    &made, err);

	if (r < 0)
		return r;
	ends->channel = made.vmm_fd;
	config->channel = vm->channel_kind;
	config->channel_path = made.path;
	config->channel_fd = made.vmm_fd;
	config->guest_cid = made.cid;
	return 0;
}

bool vm_has_virtiofsd(const struct vm *vm)
{
	return vm->share == HV_SHARE_VIRTIOFS && !(vm->driver->features & HV_FEATURE_SERVES_FILES);
}

static int open_share(struct vm *vm, struct vmm_ends *ends, struct hv_config *config,
		      struct error *err)
{
	int r;

	config->share = vm->share;
	config->share_tag = SANDBOX_SHARE_TAG;
	if (!vm_has_virtiofsd(vm))
		return 0;
	ends->virtiofs_path = xasprintf("%s/virtiofsd.sock", vm->dir);
	config->virtiofs_path = ends->virtiofs_path;
	r = virtiofsd_start(config->share_path, ends->virtiofs_path, ends->log, &vm->virtiofsd,
			    vm->driver->features & HV_FEATURE_PATHS ? NULL : &ends->virtiofs, err);
	if (r < 0)
		return r;
	config->virtiofs_fd = ends->virtiofs;
	return 0;
}

static char *control_path(const struct vm *vm)
{
	return xasprintf("%s/%s", vm->dir, vm->driver->socket);
}

/* Other processes reach the VMM itself, not us: it listens for as long as it lives. */
static int open_control(struct vm *vm, struct vmm_ends *ends, struct hv_config *config,
			struct error *err)
{
	ends->control_path = control_path(vm);
	ends->control = unix_listen(ends->control_path, 0600);
	if (ends->control < 0)
		return error_sys(err, ends->control, "listen on '%s'", ends->control_path);
	config->control_fd = ends->control;
	config->control_path = ends->control_path;
	return 0;
}

static int open_disks(const struct vm *vm, const struct sandbox_plan *plan, struct vmm_ends *ends,
		      struct hv_config *config, struct error *err)
{
	for (size_t i = 0; i < plan->disks_count; i++) {
		struct hv_disk *disk = &ends->disks[i];
		int r = disk_open(&plan->disks[i], vm->driver, disk, err);

		if (r < 0)
			return r;
		ends->disks_count++;
	}
	config->disks = ends->disks;
	config->disks_count = ends->disks_count;
	return 0;
}

static int open_watch(struct vm *vm, struct vmm_ends *ends, struct hv_config *config,
		      struct error *err)
{
	const struct hv_watch_handlers handlers = {
		.on_reason = on_vmm_reason,
		.on_end = on_watch_end,
		.ctx = vm,
	};
	cleanup_fd int ours = -1;
	int r = make_pair(SOCK_STREAM, &ours, &ends->watch, err);

	if (r < 0)
		return r;
	config->watch_fd = ends->watch;
	return vm->driver->watch(vm->loop, steal_fd(&ours), &handlers, &vm->watch, err);
}

static int watch(struct vm *vm, const struct hv_vm *child, loop_fd_fn fn, struct loop_source **ret,
		 struct error *err)
{
	int r;

	if (!child->pid)
		return 0;
	r = loop_add_fd(vm->loop, child->pidfd, EPOLLIN, fn, vm, ret);
	return r < 0 ? error_sys(err, r, "watch process %d", (int)child->pid) : 0;
}

/* More than the host has is a limit that was meant as none. */
static uint32_t at_most(uint64_t wanted, uint64_t have)
{
	return (uint32_t)(have && wanted > have ? have : wanted);
}

static uint64_t host_memory_mib(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;
}

static uint64_t host_vcpus(void)
{
	return (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static int launch_with(struct vm *vm, const struct sandbox_plan *plan, struct hv_config *config,
		       struct vmm_ends *ends, struct error *err)
{
	int r = open_console(vm, ends, err);

	if (r == 0)
		r = open_channel(vm, ends, config, err);
	if (r == 0)
		r = open_share(vm, ends, config, err);
	if (r == 0)
		r = open_disks(vm, plan, ends, config, err);
	if (r == 0)
		r = open_watch(vm, ends, config, err);
	if (r == 0)
		r = open_control(vm, ends, config, err);
	if (r < 0)
		return r;
	config->console_fd = ends->console;
	timing_point("VMM to be started");
	r = vm->driver->launch(config, ends->log, &vm->vmm, err);
	if (r == 0)
		log_info("virtual machine: %s, process %d, accelerator %s, %u MiB, %u vcpus",
			 vm->driver->name, (int)vm->vmm.pid,
			 names_get(&hv_accel_names, config->accel), config->memory_mib,
			 config->vcpus);
	if (r == 0)
		r = watch(vm, &vm->vmm, on_vmm_end, &vm->watches[0], err);
	if (r == 0)
		r = watch(vm, &vm->virtiofsd, on_virtiofsd_end, &vm->watches[1], err);
	return r;
}

static char *kernel_parameters(const struct settings_vm *settings,
			       const struct sandbox_machine *machine)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_addstr(&line, KERNEL_PARAMS);
	if (settings->memory_max_mib.is_set)
		strbuf_addstr(&line, " " GROWING_PARAMS);
	strv_each(parameter, settings->kernel_parameters)
		strbuf_addf(&line, " %s", parameter);
	if (machine->kernel_params)
		strbuf_addstr(&line, machine->kernel_params);
	if (machine->has_low_ports)
		strbuf_addstr(&line, SANDBOX_LOW_PORTS);
	return xstrdup(line.buf);
}

bool vm_has_disk_slots(const struct vm *vm, const struct sandbox_plan *plan)
{
	const uint32_t features = vm->driver->features;
	const bool is_wanted = plan->has_disk_slots && !(features & HV_FEATURE_DEAR_SLOTS);

	return (features & HV_FEATURE_PLUG) && (is_wanted || plan->machine.has_members);
}

static struct hv_config make_config(const struct vm *vm, const char *kernel_params,
				    const struct sandbox_plan *plan)
{
	return (struct hv_config){
		.dir = vm->driver->features & HV_FEATURE_PATHS ? vm->dir : NULL,
		.guest = &vm->guest,
		.accel = vm->accel,
		.memory_mib = at_most(plan->size.memory_mib, host_memory_mib()),
		.vcpus = at_most(plan->size.vcpus, host_vcpus()),
		.memory_max_mib = at_most(vm->settings->memory_max_mib.value, host_memory_mib()),
		.vcpus_max = at_most(vm->settings->vcpus_max.value, host_vcpus()),
		.kernel_params = kernel_params,
		.program = vm->program,
		.program_args = plan->machine.program_args ? plan->machine.program_args
							   : vm->settings->hypervisor_parameters,
		.is_jailed = !vm->settings->jail.is_set || vm->settings->jail.value,
		.has_disk_slots = vm_has_disk_slots(vm, plan),
		.tsc_khz = vm->tsc_khz,
		.virtiofs_fd = -1,
		.saved_fd = -1,
		.control_fd = -1,
	};
}

static struct hv_config configure(const struct vm *vm, const char *kernel_params,
				  const struct vm_use *use)
{
	struct hv_config config = make_config(vm, kernel_params, use->plan);

	config.name = use->id;
	config.share_path = use->shared_dir;
	config.nics = use->network->hv_nics;
	config.nics_count = use->network->nics_count;
	return config;
}

static int launch(struct vm *vm, const struct sandbox_plan *plan, struct hv_config *config,
		  struct error *err)
{
	struct vmm_ends ends = {
		.channel = -1,
		.watch = -1,
		.control = -1,
		.console = -1,
		.log = -1,
		.virtiofs = -1,
	};
	int r = launch_with(vm, plan, config, &ends, err);

	close_ends(&ends);
	if (r == -EPIPE && !vm->is_restoring)
		vm_explain(vm, err);
	return r;
}

/* --- templates ---------------------------------------------------------------------------- */

/* The agent listened when it was saved, so it answers at once or never. */
#define RESTORED_TIMEOUT_MS 20000

static int restore(struct vm *vm, struct error *err)
{
	cleanup_free char *control = control_path(vm);
	int r = vm->driver->restore(control, HV_SAVED_DEVICES, vm->template.state_fd, err);

	if (r == 0)
		r = agent_dial(vm->loop, channel_address(vm->channel), AGENT_PORT_RPC,
			       RESTORED_TIMEOUT_MS, &vm->agent_fd, NULL, err);
	if (r == 0)
		timing_point("saved agent connected");
	if (r == 0 && vm->has_ended)
		r = error_set(err, -EPIPE, "the virtual machine ended");
	return r;
}

static void end_machine(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(vm->watches); i++) {
		loop_remove(vm->watches[i]);
		vm->watches[i] = NULL;
	}
	close_fdp(&vm->agent_fd);
	vm->agent_fd = -1;
	hv_stop(&vm->vmm);
	hv_stop(&vm->virtiofsd);
	channel_free(steal_ptr(&vm->channel));
	console_free(steal_ptr(&vm->console));
	if (vm->driver)
		vm->driver->unwatch(steal_ptr(&vm->watch));
}

/* As if there had been none. */
static void forget_machine(struct vm *vm, struct error *why)
{
	const char *const sockets[] = { CHANNEL_SOCKET, vm->driver->socket };

	vm->is_restoring = true; /* whatever is heard of its end is nobody else's */
	vm_explain(vm, why);
	log_warning("template '%s': %s; the virtual machine boots instead", vm->template.name,
		    why->msg);
	end_machine(vm);
	vm->is_restoring = false;
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		cleanup_free char *path = xasprintf("%s/%s", vm->dir, sockets[i]);

		(void)unlink(path); /* not there: it was not made yet */
	}
	vm->has_ended = false;
	vm->reason[0] = vm->files_reason[0] = vm->channel_reason[0] = vm->guest_reason[0] =
		vm->watch_reason[0] = '\0';
}

/* The template's were blank, and as many; what of a disk cannot be written is another device. */
static bool takes_other_disks(const struct vm *vm, const struct sandbox_plan *plan)
{
	for (size_t i = 0; i < plan->disks_count; i++)
		if (plan->disks[i].is_readonly)
			return false;
	return vm->driver->features & HV_FEATURE_OTHER_DISKS;
}

/* Only what is the same for every container: else each would have a template of its own. */
static int refuse_own(const struct vm *vm, const struct sandbox_plan *plan, struct error *err)
{
	const struct sandbox_machine *machine = &plan->machine;
	const struct settings_vm *settings = vm->settings;
	const struct {
		const char *what;
		bool is_there;
	} things[] = {
		{ vm->driver->name, !(vm->driver->features & HV_FEATURE_MEMORY_FILE) },
		{ "virtiofs", vm->share == HV_SHARE_VIRTIOFS },
		{ "disks", plan->disks_count > 0 && !takes_other_disks(vm, plan) },
		{ "room to grow", settings->memory_max_mib.is_set || settings->vcpus_max.is_set },
		{ "a machine of config.json",
		  machine->program || machine->program_args || machine->kernel || machine->initrd ||
			  (machine->kernel_params && *machine->kernel_params) ||
			  machine->has_own_root },
		{ "vm.hypervisor_parameters",
		  settings->hypervisor_parameters && *settings->hypervisor_parameters },
	};

	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		if (things[i].is_there)
			return error_set(err, -ENOTSUP, "there is none for %s", things[i].what);
	return 0;
}

/* What differs from one machine to the next is the same here, and the rate of the counter is
 * measured anew at every boot of the host. */
static int plan_alike(const struct vm *vm, struct hv_config *config, size_t nics_count,
		      struct template_info *info, struct error *err)
{
	const struct hv_memory memory = { .is_private = true };
	struct hv_nic nics[HV_NICS_MAX] = { 0 };

	config->name = config->share_path = config->share_tag = SANDBOX_SHARE_TAG;
	config->dir = NULL;
	config->memory = &memory;
	config->share = vm->share;
	config->channel = vm->channel_kind;
	config->channel_path = CHANNEL_SOCKET;
	config->tsc_khz = vm->tsc_khz ? 1 : 0;
	config->nics = nics;
	config->nics_count = nics_count;
	return vm->driver->plan(config, &info->command, err);
}

int vm_describe(const struct vm *vm, const struct sandbox_plan *plan, size_t nics_count,
		struct template_info *ret, struct error *err)
{
	char *params = kernel_parameters(vm->settings, &plan->machine);
	struct hv_config config = make_config(vm, params, plan);
	cleanup_template_info struct template_info info = {
		.memory_mib = config.memory_mib,
		.vcpus = config.vcpus,
		.nics = (uint32_t)nics_count,
		.disks = (uint32_t)plan->disks_count,
		.has_disk_slots = config.has_disk_slots,
		.has_low_ports = plan->machine.has_low_ports,
		.accelerator = xstrdup(names_get(&hv_accel_names, vm->accel)),
		.channel = xstrdup(names_get(&hv_channel_names, vm->channel_kind)),
		.share = xstrdup(names_get(&hv_share_names, vm->share)),
		.kernel = xstrdup(vm->guest.kernel),
		.initrd = vm->guest.initrd ? xstrdup(vm->guest.initrd) : NULL,
		.kernel_parameters = params,
	};
	int r = refuse_own(vm, plan, err);

	if (r == 0 && vm->program)
		info.hypervisor = xstrdup(vm->program);
	else if (r == 0)
		r = vm->driver->find_program((enum hv_arch)vm->guest.arch, "", &info.hypervisor,
					     err);
	if (r == 0)
		r = plan_alike(vm, &config, nics_count, &info, err);
	if (r == 0)
		r = template_info_complete(&info, vm->accel, err);
	if (r < 0)
		return r;
	*ret = info;
	info = (struct template_info){ 0 };
	return 0;
}

int vm_save(struct vm *vm, struct error *err)
{
	cleanup_free char *control = control_path(vm);
	int r = vm->driver->save(control, HV_SAVED_DEVICES, vm->draft->state_fd, err);

	end_machine(vm);
	return r;
}

/* --- from beginning to end ------------------------------------------------------------------ */

/* Of one that can be saved. */
static int write_shape(const struct vm *vm, const struct hv_config *config,
		       const struct sandbox_network *network, struct error *err)
{
	cleanup_fd int dir = open(vm->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_shape struct shape shape = { 0 };

	if (config->share != HV_SHARE_NONE || !(vm->driver->features & HV_FEATURE_SAVE))
		return 0;
	if (dir < 0)
		return error_sys(err, errno, "open '%s'", vm->dir);
	shape_of(config->name, vm->driver->name, config, network, &shape);
	return shape_write(dir, &shape, err);
}

/* Not of one that is saved later, or was: it would have to find the device again whatever is
 * configured by then; nor of a template's, whose file the memory is of. */
static bool gives_memory_back(const struct vm *vm)
{
	if (vm->share == HV_SHARE_NONE || vm->draft)
		return false;
	if (vm->settings->page_reporting == PAGE_REPORTING_AUTO)
		return vm->accel == HV_ACCEL_KVM;
	return vm->settings->page_reporting == PAGE_REPORTING_ON;
}

static int boot(struct vm *vm, const struct vm_use *use, struct error *err)
{
	cleanup_free char *params = kernel_parameters(vm->settings, &use->plan->machine);
	struct hv_config config = configure(vm, params, use);
	int r;

	if (vm->draft)
		config.memory = &vm->draft->memory;
	config.is_restored = vm->shape != NULL;
	config.saved_fd = vm->saved_fd;
	config.gives_memory_back = gives_memory_back(vm);
	r = launch(vm, use->plan, &config, err);
	if (r == 0)
		r = write_shape(vm, &config, use->network, err);
	if (r < 0)
		vm_stop(vm);
	return r;
}

/* The clock and the addresses of the machine that was saved are the guest's until the agent is told
 * others; nothing runs in it by then. */
static int launch_restored(struct vm *vm, const struct vm_use *use, struct error *err)
{
	cleanup_free char *params = kernel_parameters(vm->settings, &use->plan->machine);
	struct hv_config config = configure(vm, params, use);
	int r;

	config.memory = &vm->template.memory;
	config.is_restored = true;
	vm->is_restoring = true;
	r = launch(vm, use->plan, &config, err);
	return r < 0 ? r : write_shape(vm, &config, use->network, err);
}

static int boot_instead(struct vm *vm, const struct vm_use *use, struct error *why,
			struct error *err)
{
	if (why->code == -ECANCELED) { /* nobody waits for it any more */
		vm_stop(vm);
		return error_set(err, why->code, "%s", why->msg);
	}
	forget_machine(vm, why);
	template_close(&vm->template);
	return boot(vm, use, err);
}

int vm_launch(struct vm *vm, const struct vm_use *use, struct error *err)
{
	struct error why = ERROR_INIT;

	vm->is_restored = false;
	if (!vm->template.name)
		return boot(vm, use, err);
	return launch_restored(vm, use, &why) < 0 ? boot_instead(vm, use, &why, err) : 0;
}

int vm_go_on(struct vm *vm, const struct vm_use *use, struct error *err)
{
	struct error why = ERROR_INIT;

	if (!vm->template.name)
		return 0;
	vm->is_restored = restore(vm, &why) == 0;
	vm->is_restoring = false;
	if (!vm->is_restored)
		return boot_instead(vm, use, &why, err);
	log_debug("the virtual machine goes on from template '%s'", vm->template.name);
	template_close(&vm->template);
	return 0;
}

void vm_kill(const struct vm *vm)
{
	hv_kill(&vm->vmm);
}

void vm_stop(struct vm *vm)
{
	end_machine(vm);
	template_close(&vm->template);
	guest_image_done(&vm->guest);
}

/* A channel that ended, or a call over it, usually means a VMM that is just ending, and how it did
 * says more. It is reaped by whoever watches it, or ends it. */
static void await_end(struct vm *vm)
{
	struct pollfd pfd = { .fd = vm->vmm.pidfd, .events = POLLIN };

	if (vm->vmm.pid)
		(void)poll(&pfd, 1, ENDING_MS);
	if (vm->watch)
		vm->driver->drain(vm->watch);
	if (vm->vmm.pid)
		(void)describe_end(&vm->vmm, vm->driver->name, &vm->reason);
}

/* A VMM that ended after its guest did has nothing to say for itself, nor has what served it. */
static const char *find_reason(struct vm *vm)
{
	const char *const reasons[] = { vm->guest_reason, vm->reason, vm->files_reason,
					vm->watch_reason, vm->channel_reason };

	await_end(vm);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (*reasons[i])
			return reasons[i];
	if (vm->watch && !vm->driver->is_heard(vm->watch))
		return "the VMM does not answer on its control channel";
	return "";
}

void vm_explain(struct vm *vm, struct error *err)
{
	const char *reason = find_reason(vm);
	char *hint = strchr(err->msg, '\n');
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_strbuf struct strbuf tail = STRBUF_INIT;
	cleanup_strbuf struct strbuf crash = STRBUF_INIT;

	if (!vm->console)
		return;
	if (hint)
		*hint++ = '\0';
	console_drain(vm->console);
	console_crash(vm->console, &crash);
	console_tail(vm->console, &tail,
		     hint || crash.len ? EXPLANATION_BYTES / 2 : EXPLANATION_BYTES);
	strbuf_addf(&text, "%.300s", err->msg);
	if (*reason)
		strbuf_addf(&text, "; %s", reason);
	if (crash.len)
		strbuf_addf(&text, "; the guest's kernel said: %s", crash.buf);
	if (tail.len)
		strbuf_addf(&text, "; last console lines: %s", tail.buf);
	else
		strbuf_addstr(&text, "; the console is empty");
	if (hint)
		strbuf_addf(&text, "\n%s", hint);
	error_set(err, err->code, "%s", text.buf);
}
