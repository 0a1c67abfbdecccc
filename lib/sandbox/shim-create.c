/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/progress.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/engine/hooks.h"
#include "lib/sandbox/companions.h"
#include "lib/sandbox/confine.h"
#include "lib/sandbox/creation.h"
#include "lib/sandbox/entry.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/guest-points.h"
#include "lib/sandbox/member.h"
#include "lib/sandbox/moat-link.h"
#include "lib/sandbox/netns.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/oom-notice.h"
#include "lib/sandbox/pending.h"
#include "lib/sandbox/ports.h"
#include "lib/sandbox/process.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/start.h"
#include "lib/sandbox/storage.h"
#include "lib/sandbox/template.h"
#include "lib/sandbox/terminal.h"
#include "lib/sandbox/view.h"
#include "lib/sandbox/vm.h"
#include "lib/sandbox/wishes.h"
#include "lib/settings/settings.h"
#include "lib/state/journal.h"
#include "lib/state/record.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * The shim of a container: it makes the container in the guest, step by step, tells moat, and stays
 * for as long as the container's init runs. That of a sandbox's first container makes the sandbox
 * before, and owns it; any other's is a member, and finds the owner by the record.
 *
 * Namespaces: the sandbox's network namespace; a mount namespace that shows the container (view.h),
 * and before it the one of the sandbox's files; else the caller's, or for a user without rights a
 * user namespace (rights.h). Rights: all of root's there until these are made, none when the guest
 * is first spoken to.
 */

#define CALL_TIMEOUT_MS 60000
#define DESTROY_TIMEOUT_MS 5000

bool creation_is_member(const struct creation *c)
{
	return c->record.sandbox && !streq(c->record.sandbox, c->record.id);
}

static bool is_restored(const struct creation *c)
{
	return c->options->image_fd >= 0;
}

bool creation_goes_on(const struct creation *c)
{
	return c->vm.is_restored || is_restored(c);
}

static void on_vm_end(void *ctx)
{
	struct creation *c = ctx;

	if (c->is_running)
		guest_process_lose(&c->process);
	else
		loop_quit(c->loop, -ECANCELED);
}

static int load(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *text = NULL;
	size_t len;
	int r = settings_load(&c->settings, err);

	if (r == 0)
		r = state_dir_open(c->options->root, c->options->id, &c->dir, err);
	if (r == 0)
		r = record_read(c->dir, &c->record, err);
	if (r < 0)
		return r;
	journal_keep_log(state_dir_fd(c->dir), JOURNAL_SHIM);
	r = read_file_at(state_dir_fd(c->dir), "config.json", OCI_CONFIG_MAX_BYTES, &text, &len);
	if (r < 0)
		return error_sys(err, r, "read '%s/config.json'", state_dir_path(c->dir));
	r = oci_config_parse_known("config.json", text, len, &c->config, err);
	return r < 0 ? r : oci_annotations_apply(c->config, c->record.ignored_annotations, err);
}

static int make_directories(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	if (mkdir(c->vm_dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", c->vm_dir);
	if (c->shared_dir && mkdir(c->shared_dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", c->shared_dir);
	return 0;
}

static int meet_owner(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = member_meet(&c->member, c->options->root, c->record.sandbox, err);

	if (r < 0)
		return r;
	member_find_holders(&c->member, c->options->root, c->config, c->plan);
	return 0;
}

static void leave_owner(void *ctx)
{
	struct creation *c = ctx;

	member_done(&c->member);
}

static int choose_vm(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *cache_dir = state_cache_dir(c->options->root);

	c->vm = (struct vm){ .loop = c->loop, .dir = c->vm_dir, .on_end = on_vm_end, .ctx = c };
	c->vm.journal_fd = state_dir_fd(c->dir);
	if (is_restored(c))
		c->vm.shape = &c->shape;
	c->vm.saved_fd = -1;
	c->plan->machine.arch =
		is_restored(c) ? c->shape.arch : (int)entry_arch(c->config, c->record.bundle);
	return vm_choose(&c->vm, cache_dir, &c->settings.vm, &c->plan->machine, err);
}

#define ID_MAP_MAX_BYTES (64u << 10)

/* What the guest's files belong to is seen through the new mappings. */
static int translate_ids(struct creation *c, struct error *err)
{
	cleanup_free char *uids = NULL;
	cleanup_free char *gids = NULL;
	int r = read_file_at(AT_FDCWD, "/proc/self/uid_map", ID_MAP_MAX_BYTES, &uids, NULL);

	if (r == 0)
		r = read_file_at(AT_FDCWD, "/proc/self/gid_map", ID_MAP_MAX_BYTES, &gids, NULL);
	if (r < 0)
		return error_sys(err, r, "read own id mappings");
	return sandbox_plan_translate_ids(c->plan, uids, gids, err);
}

/* The one that owns the network, if that is there already: nobody else may join it. */
static int take_rights(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const char *network = oci_namespace_find(c->config, OCI_NS_NETWORK)->path;
	int r;

	if (!rights_are_missing())
		return 0;
	r = network ? rights_enter(network, err) : 0;
	if (r == 0)
		r = rights_make(err);
	return r < 0 ? r : translate_ids(c, err);
}

static int share_rights(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *path = xasprintf("/proc/%u/ns/mnt", c->member.sandbox.pid);
	int r = rights_enter(path, err);

	return r > 0 ? translate_ids(c, err) : r;
}

static int enter_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return netns_enter(oci_namespace_find(c->config, OCI_NS_NETWORK)->path, err);
}

/* Without it the guest's ports are reached by its network alone. */
static int open_ports(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	struct error reason = ERROR_INIT;

	if (ports_open(&c->ports, &reason) < 0)
		log_debug("the guest's own 127.0.0.1 cannot be reached: %s", reason.msg);
	return 0;
}

static int serve_ports(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return c->ports ? ports_serve(c->ports, c->loop, c->address, c->vm_fd, err) : 0;
}

static void close_ports(void *ctx)
{
	struct creation *c = ctx;

	ports_free(steal_ptr(&c->ports));
}

static int join_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return member_join_network(&c->member, err);
}

static int leave_host(void *ctx, struct error *err)
{
	return files_isolate(err);
}

/* The host's hooks find the namespaces behind our pid; what they have prepared, the others find.
 * The latter run here, where the host is still seen; what they mount the guest gets to see. */
static int await_hooks(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = moat_link_tell(&c->moat, RENDEZVOUS_NAMESPACES, NULL, err);

	return r < 0 ? r : moat_link_await(&c->moat, RENDEZVOUS_HOOKED, err);
}

/* As the host has it: we may be the first of a pid namespace. */
static pid_t own_pid(void)
{
	char text[16] = "";
	uint32_t pid;

	if (readlink("/proc/self", text, sizeof(text) - 1) < 0 || parse_u32(text, &pid) < 0)
		return getpid();
	return (pid_t)pid;
}

static int run_container_hooks(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct oci_hooks *hooks = &c->config->hooks;
	const struct hooks_context context = {
		.kind = "createContainer",
		.id = c->record.id,
		.bundle = c->record.bundle,
		.annotations = &c->config->annotations,
		.pid = own_pid(),
		.status = OCI_STATUS_CREATED,
		.keeps_cwd = true,
	};
	int r;

	if (!hooks->create_container_count)
		return 0;
	if (chdir(c->record.rootfs) < 0)
		return error_sys(err, errno, "change to '%s'", c->record.rootfs);
	r = hooks_run(&context, hooks->create_container, hooks->create_container_count, err);
	if (chdir("/") < 0 && r == 0)
		return error_sys(err, errno, "change to '/'");
	return r;
}

static int listen_in(const char *dir, const char *name, int *ret, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);

	*ret = unix_listen(path, 0600);
	return *ret < 0 ? error_sys(err, *ret, "listen on '%s'", path) : 0;
}

/* Everything that takes a path, before there are none. */
static int hold_on(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = 0;

	if (!c->options->runs_at_once)
		r = listen_in(state_dir_path(c->dir), SHIM_START_SOCKET, &c->gate_fd, err);
	if (r == 0 && !creation_is_member(c))
		r = listen_in(c->vm_dir, COMPANIONS_SOCKET, &c->companions_fd, err);
	if (r < 0)
		return r;
	oom_notice_open(&c->oom, c->options->oom_dirs);
	c->vm_fd = open(c->vm_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->vm_fd < 0 ? error_sys(err, errno, "open '%s'", c->vm_dir) : 0;
}

/* The current directory stays the one that the agent's socket is in for as long as we connect. */
static int make_view(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = view_make(c->shared_dir, state_dir_path(c->dir), c->plan, err);

	files_trees_done(&c->trees);
	if (r == 0 && fchdir(c->vm_fd) < 0)
		return error_sys(err, errno, "change to '%s'", c->vm_dir);
	return r;
}

/* After the last hook that may change it. */
static int make_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const bool may_grow = !c->options->runs_at_once && sandbox_network_may_grow(c->config);

	return sandbox_network_make(&c->network, may_grow ? SANDBOX_SPARE_NICS : 0,
				    c->vm.accel == HV_ACCEL_KVM, err);
}

static struct vm_use use_vm(const struct creation *c)
{
	return (struct vm_use){ c->record.id, c->shared_dir, c->plan, &c->network };
}

static int launch_vm(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct vm_use use = use_vm(c);
	int r;

	template_find(&c->vm, c->plan, &c->network);
	r = vm_launch(&c->vm, &use, err);
	if (!c->vm.template.name)
		sandbox_network_close_taps(&c->network);
	return r;
}

/* If it cannot, it boots, with the taps that were made for it. */
static int go_on_from_template(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct vm_use use = use_vm(c);
	int r = vm_go_on(&c->vm, &use, err);

	sandbox_network_close_taps(&c->network);
	return r;
}

/* The guest's own answers explain themselves; silence and a broken channel do not. */
static void undo_vm(void *ctx)
{
	struct creation *c = ctx;

	if (c->vm.has_ended) /* whatever was waited for then says nothing */
		error_set(c->err, -EIO, "virtual machine: ended before the container was made");
	if (c->vm.has_ended || c->err->code == -ETIMEDOUT || c->err->code == -EPIPE)
		vm_explain(&c->vm, c->err);
	vm_stop(&c->vm);
}

static int confine(void *ctx, struct error *err)
{
	return confine_self(0, err);
}

static int limit_vmm(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return confine_children(confine_vmm_caps(vm_has_virtiofsd(&c->vm)), err);
}

static int find_namespaces(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return member_find_namespaces(&c->member, c->client, c->plan, err);
}

/* Calls without an answer worth reading. */
int creation_call(struct creation *c, enum agent_method method, const void *request, int timeout_ms,
		  struct error *err)
{
	grpc_Empty response;
	int r = agent_call(c->client, method, request, &response, timeout_ms, err);

	if (r == 0)
		agent_response_release(method, &response);
	return r;
}

static int tell_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	/* Those that are spare are left until `start` knows what for. */
	if (!c->network.plan.endpoints_count)
		return 0;
	return sandbox_network_tell(&c->network, c->client, err);
}

static int create_sandbox(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	grpc_Storage storage = sandbox_share_storage(c->vm.share);
	const grpc_CreateSandboxRequest request = {
		.sandbox_id = c->record.id,
		.hostname = c->config->hostname,
		.storages = &storage,
		.storages_count = c->shared_dir ? 1 : 0,
	};

	/* The guest mounts the share while the streams are connected. */
	return agent_call_async(c->client, AGENT_CREATE_SANDBOX, &request, CALL_TIMEOUT_MS,
				pending_answer, &c->sandbox, err);
}

static int await_sandbox(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return pending_await(c->loop, &c->sandbox, err);
}

static int take_stdio(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct oci_process *process = c->config->process;
	bool has_terminal = process && process->terminal;
	int r = has_terminal ? terminal_open(c->options->console_fd, err) : 0;

	guest_process_init(&c->process, c->loop, c->record.id, c->record.id, has_terminal);
	return r < 0 ? r : guest_process_adopt(&c->process, err);
}

static int connect_stdio(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = guest_process_dial(&c->process, c->address, err);

	if (r == 0 && chdir("/") < 0)
		return error_sys(err, errno, "change to '/'");
	return r;
}

static void close_stdio(void *ctx)
{
	struct creation *c = ctx;

	guest_process_done(&c->process);
}

static int create_container(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *json = oci_config_text(c->plan->guest_config, false);
	cleanup_sandbox_storages struct sandbox_storages storages = { 0 };
	grpc_CreateContainerRequest request = {
		.container_id = c->record.id,
		.exec_id = c->record.id,
		.stdin_port = c->process.ports[0],
		.stdout_port = c->process.ports[1],
		.stderr_port = c->process.ports[2],
		.oci_json = { (const uint8_t *)json, strlen(json) },
	};

	sandbox_storages_init(c->plan, c->record.id, &storages);
	request.storages = storages.items;
	request.storages_count = (pb_size_t)storages.count;
	return creation_call(c, AGENT_CREATE_CONTAINER, &request, CALL_TIMEOUT_MS, err);
}

/* Whatever happens to us from here on, the owner ends it. */
static int add_container(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = companion_attend(c->member.owner_fd, c->record.id, NULL, err);

	return r < 0 ? r : create_container(c, err);
}

static void remove_container(void *ctx)
{
	struct creation *c = ctx;
	const grpc_RemoveContainerRequest request = {
		.container_id = c->record.id,
		.timeout = DESTROY_TIMEOUT_MS / 1000,
	};
	struct error err = ERROR_INIT;

	if (!c->process.is_lost &&
	    creation_call(c, AGENT_REMOVE_CONTAINER, &request, DESTROY_TIMEOUT_MS, &err) < 0)
		log_debug("remove container: %s", err.msg);
}

/* Before anybody hears of the container: a signal sent to its pid must find us ready. */
static int stand_for_it(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int tty = c->process.has_terminal ? STDIN_FILENO : -1;
	int r = guest_process_wait(&c->process, err);

	if (r == 0)
		r = guest_process_take_signals(&c->process, tty, err);
	if (r < 0)
		return r;
	guest_process_relay(&c->process);
	guest_process_resize(&c->process);
	return 0;
}

static int watch_memory(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return oom_notice_watch(&c->oom, c->client, c->record.id, err);
}

static int open_gate(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	if (c->options->runs_at_once)
		return 0;
	return start_gate_open(c->loop, c->client, c->record.id, steal_fd(&c->gate_fd),
			       state_dir_fd(c->dir), SHIM_START_SOCKET, &c->gate, err);
}

static int await_companions(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return companions_new(c->loop, c->client, steal_fd(&c->companions_fd), &c->files,
			      c->shared_dir ? NULL : c->vm.channel, &c->companions, err);
}

/* Asked for when no more points are to come that count. The clock of a guest that goes on began
 * with what it goes on from, and cannot be compared with ours. */
static void note_guest(const struct creation *c)
{
	if (timing_fd() >= 0 && !creation_is_member(c) && !creation_goes_on(c) &&
	    !c->process.is_lost)
		guest_points_fetch(c->client, c->ready_ns);
}

static int report_created(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r;

	if (!c->options->runs_at_once)
		note_guest(c);
	r = moat_link_tell(&c->moat, RENDEZVOUS_CREATED, creation_agent_address(c), err);

	return r < 0 ? r : moat_link_await(&c->moat, RENDEZVOUS_RECORDED, err);
}

static int start_at_once(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_StartContainerRequest request = { .container_id = c->record.id };
	int r;

	if (!c->options->runs_at_once)
		return 0;
	r = creation_call(c, AGENT_START_CONTAINER, &request, CALL_TIMEOUT_MS, err);
	if (r < 0)
		return r;
	timing_point("program started");
	(void)moat_link_tell(&c->moat, RENDEZVOUS_STARTED, NULL, NULL); /* it may go now */
	return 0;
}

/* What the host gives to a new container, the first of its sandbox or another. */
/* clang-format off */
#define HOST_STEPS \
	{ NULL, hold_on }, \
	{ "terminal", take_stdio, close_stdio, "standard streams taken" }, \
	{ "shared files", leave_host, NULL, "own mount namespace entered" }, \
	{ NULL, await_hooks, NULL, "hooks of the host done" }, \
	{ NULL, run_container_hooks, NULL, "createContainer hooks done" }, \
	{ "shared files", creation_clone_files, NULL, "mounts cloned" }, \
	{ "files", creation_copy_files, NULL, "files copied" }, \
	{ "disk", creation_make_disk, NULL, "disks made" }
/* clang-format on */

/* The cheap refusals first, then what the host gives, then the guest. Files are shared after the
 * network is entered, since a namespace's path may be one that our mount namespace would hide;
 * the VMM starts when both are as it shall have them, and before the host is out of sight. What it
 * does not need is made while it starts. */
static const struct step owner_steps[] = {
	{ NULL, creation_plan_sandbox, NULL, "sandbox planned" },
	{ NULL, make_directories },
	{ "virtual machine", choose_vm, NULL, "hypervisor chosen" },
	{ NULL, take_rights },
	{ "network namespace", enter_network, NULL, "network namespace entered" },
	HOST_STEPS,
	{ "shared files", creation_share_files, creation_take_files_back, "files shared" },
	{ "network", make_network, NULL, "taps made" },
	{ "privileges", limit_vmm, NULL, "rights of the VMM limited" },
	{ "virtual machine", launch_vm, undo_vm, "VMM started" },
	{ "ports", open_ports, close_ports, "ports opened" },
	{ "virtual machine", go_on_from_template },
	{ "files", make_view, NULL, "view of the container made" },
	{ "privileges", confine, NULL, "own rights given up" },
	{ "agent", creation_meet_agent, creation_leave_agent, "agent connected" },
	{ "network", tell_network, NULL, "network told" },
	{ "sandbox", create_sandbox, NULL, "sandbox asked for" },
	{ "stdio", connect_stdio, close_stdio, "streams connected" },
	{ "agent", creation_await_agent, NULL, "agent answered" },
	{ "sandbox", await_sandbox, NULL, "sandbox answered" },
	{ "files", creation_send_copies, NULL, "copies sent" },
	{ "container", create_container, NULL, "container answered" },
	{ NULL, watch_memory },
	{ NULL, stand_for_it },
	{ NULL, open_gate },
	{ NULL, await_companions },
	{ "ports", serve_ports, NULL, "ports served" },
	{ NULL, report_created, NULL, "container recorded" },
	{ "start", start_at_once },
};

/* Of hooks only those of the host run again: what createContainer prepared is in the guest. */
static const struct step restore_steps[] = {
	{ "image", creation_plan_restored },
	{ NULL, make_directories },
	{ "virtual machine", choose_vm },
	{ NULL, take_rights },
	{ "network namespace", enter_network },
	{ "ports", open_ports, close_ports },
	{ NULL, hold_on },
	{ "terminal", take_stdio, close_stdio },
	{ "shared files", leave_host },
	{ NULL, await_hooks },
	{ "image", creation_unpack_disk },
	{ "image", creation_open_state },
	{ "network", creation_make_old_network },
	{ "privileges", limit_vmm },
	{ "virtual machine", launch_vm, undo_vm },
	{ "virtual machine", creation_load_vm },
	{ "files", make_view },
	{ "privileges", confine },
	{ "agent", creation_meet_agent, creation_leave_agent },
	{ "agent", creation_await_agent },
	{ "network", tell_network },
	{ "stdio", connect_stdio, close_stdio },
	{ "container", creation_attach },
	{ NULL, watch_memory },
	{ NULL, stand_for_it },
	{ NULL, await_companions },
	{ "ports", serve_ports },
	{ NULL, report_created },
	{ "container", creation_thaw },
};

static const struct step member_steps[] = {
	{ NULL, creation_plan_member, NULL, "container planned" },
	{ "sandbox", meet_owner, leave_owner, "owner of the sandbox met" },
	{ "sandbox", share_rights, NULL, "rights of the sandbox taken" },
	{ "network namespace", join_network, NULL, "network namespace entered" },
	HOST_STEPS,
	{ NULL, creation_plug_disk },
	{ "shared files", creation_lend_files, creation_take_files_back, "files shared" },
	{ "files", make_view, NULL, "view of the container made" },
	{ "privileges", confine, NULL, "own rights given up" },
	{ "agent", creation_meet_agent, creation_leave_agent, "agent connected" },
	{ "agent", creation_await_agent, NULL, "agent answered" },
	{ "namespaces", find_namespaces, NULL, "namespaces found" },
	{ "stdio", connect_stdio, close_stdio, "streams connected" },
	{ "files", creation_send_copies, NULL, "copies sent" },
	{ "container", add_container, remove_container, "container answered" },
	{ NULL, watch_memory },
	{ NULL, stand_for_it },
	{ NULL, open_gate },
	{ NULL, report_created, NULL, "container recorded" },
	{ "start", start_at_once },
};

static int prepare(struct creation *c, struct error *err)
{
	int r = loop_new(&c->loop);

	if (r < 0)
		return error_sys(err, r, "make the event loop");
	r = moat_link_open(&c->moat, c->loop, c->options->sync_fd, err);
	if (r == 0 && is_restored(c))
		progress_relay(rendezvous_send_progress, &c->moat.fd);
	return r;
}

/* The VM goes without ceremony once the guest has written back what it holds of our files. */
static void end_sandbox(struct creation *c)
{
	const grpc_DestroySandboxRequest request = grpc_DestroySandboxRequest_init_zero;
	struct error err = ERROR_INIT;

	if (c->vm.has_ended)
		return;
	if (creation_call(c, AGENT_DESTROY_SANDBOX, &request, DESTROY_TIMEOUT_MS, &err) < 0)
		log_debug("destroy sandbox: %s", err.msg);
	vm_kill(&c->vm);
}

static void end_owned(struct creation *c)
{
	if (c->options->runs_at_once)
		note_guest(c);
	end_sandbox(c);
	timing_point("sandbox ended");
}

static int stand(struct creation *c)
{
	struct error err = ERROR_INIT;

	c->is_running = true;
	if (c->vm.has_ended)
		guest_process_lose(&c->process);
	(void)loop_run_until(c->loop, &c->process.is_finished, -1);
	if (!c->process.is_lost) {
		log_info("the program has ended with status %d", c->process.status);
		if (creation_is_member(c))
			companion_leave(c->member.owner_fd);
		else
			end_owned(c);
		return c->process.status;
	}
	error_set(&err, -EIO, "container '%s': %s", c->record.id, guest_process_loss(&c->process));
	if (!creation_is_member(c))
		vm_explain(&c->vm, &err);
	start_gate_fail(c->gate, &err);
	log_failure(&err);
	return GUEST_STATUS_LOST;
}

/* What the agent's client calls back is released after it. */
static void release(struct creation *c)
{
	start_gate_free(c->gate);
	companions_free(c->companions);
	oom_notice_done(&c->oom);
	close_fdp(&c->gate_fd);
	close_fdp(&c->companions_fd);
	close_fdp(&c->vm_fd);
	close_fdp(&c->saved_fd);
	files_trees_done(&c->trees);
	copies_done(&c->copies);
	shape_done(&c->shape);
	sandbox_network_done(&c->network);
	sandbox_plan_free(c->plan);
	oci_config_free(c->config);
	settings_done(&c->settings);
	record_done(&c->record);
	state_dir_close(c->dir);
	free(c->vm_dir);
	free(c->shared_dir);
	free(c->address);
	loop_free(c->loop);
}

static int run_steps(struct creation *c, const struct step *steps, size_t count, struct error *err)
{
	int status, r = steps_run(steps, count, c, err);

	if (r < 0)
		return r;
	status = stand(c);
	steps_undo(steps, count, c);
	timing_point("shim ends");
	return status;
}

static int run(struct creation *c, struct error *err)
{
	if (is_restored(c))
		return run_steps(c, restore_steps, ARRAY_SIZE(restore_steps), err);
	if (creation_is_member(c))
		return run_steps(c, member_steps, ARRAY_SIZE(member_steps), err);
	return run_steps(c, owner_steps, ARRAY_SIZE(owner_steps), err);
}

int shim_create(const struct shim_options *options)
{
	struct error err = ERROR_INIT;
	struct creation c = {
		.options = options,
		.err = &err,
		.moat = { .fd = options->sync_fd },
		.files = FILES_INIT,
		.vm_fd = -1,
		.saved_fd = -1,
		.member = MEMBER_INIT,
		.gate_fd = -1,
		.companions_fd = -1,
	};
	int r = prepare(&c, &err);

	if (r == 0)
		r = load(&c, &err);
	if (r == 0)
		r = run(&c, &err);
	if (r < 0)
		moat_link_fail(&c.moat, &err);
	release(&c);
	return r < 0 ? 1 : r;
}
