/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/caller.h"
#include "lib/container/handle.h"
#include "lib/container/vm-agent.h"
#include "lib/container/vm-checkpoint.h"
#include "lib/container/vm-metrics.h"
#include "lib/container/vm-sandbox.h"
#include "lib/container/vm-size.h"
#include "lib/criu/criu.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/hooks.h"
#include "lib/linux/netlink.h"
#include "lib/linux/process-table.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/companions.h"
#include "lib/sandbox/disk.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/guest-pids.h"
#include "lib/sandbox/image.h"
#include "lib/sandbox/launch.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/rendezvous.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/shim.h"
#include "lib/sandbox/vm.h"
#include "oci/config.h"

/*
 * Containers in a VM. What lives is a moat-shim for each process (lib/sandbox/shim.h); here they
 * are started, and asked, or the guest's agent is. The host's cgroup is made and removed here,
 * since a shim sits in it.
 */

/* The shim bounds each of its steps itself; this is for a shim that hangs. */
#define SHIM_TIMEOUT_MS 180000

/* On the host, with the shim for a container: its network namespace is the sandbox's. They run
 * before the VM is made, which gets the network that they have prepared. */
static int run_hooks(const struct container *c, struct error *err)
{
	const struct oci_hooks *hooks = &c->config->hooks;
	struct hooks_context context = container_hooks_context(c, "prestart", OCI_STATUS_CREATED);
	int r = hooks_run(&context, hooks->prestart, hooks->prestart_count, err);

	context.kind = "createRuntime";
	return r < 0 ? r
		     : hooks_run(&context, hooks->create_runtime, hooks->create_runtime_count, err);
}

static int serve_hooks(const struct container *c, int sync_fd, struct error *err)
{
	int r = rendezvous_wait(sync_fd, RENDEZVOUS_NAMESPACES, SHIM_TIMEOUT_MS, "moat-shim", NULL,
				err);

	if (r == 0)
		r = run_hooks(c, err);
	if (r < 0)
		return r;
	r = rendezvous_send(sync_fd, RENDEZVOUS_HOOKED, NULL);
	return r < 0 ? error_sys(err, r, "tell moat-shim that the hooks have run") : 0;
}

/* Every later command connects there. A shim that its guest took over has no say in where. */
static int check_address(const struct container *c, struct error *err)
{
	const char *address = c->record.agent_address, *cid = str_after(address, "vsock://");
	cleanup_free char *own = xasprintf("hvsock://%s/%s/" SHIM_VM_DIR "/" CHANNEL_SOCKET,
					   c->root, c->record.sandbox ? c->record.sandbox : c->id);
	uint32_t number;

	if (streq(address, own) || (cid && parse_u32(cid, &number) == 0))
		return 0;
	return error_set(err, -EBADMSG, "moat-shim sent '%.200s' as its agent's address", address);
}

/* Waits until a shim has got as far as @wanted; what happens then is on disk before it goes on. */
static int await_created(struct container *c, int sync_fd, struct error *err)
{
	int r = rendezvous_wait(sync_fd, RENDEZVOUS_CREATED, SHIM_TIMEOUT_MS, "moat-shim",
				&c->record.agent_address, err);

	if (r == 0)
		r = check_address(c, err);
	if (r < 0)
		return r;
	if (!c->record.sandbox)
		c->record.sandbox = xstrdup(c->id);
	/* In the same breath: once the shim may outlive us, the record has to say "created". */
	c->record.phase = RECORD_CREATED;
	r = container_save(c, err);
	if (r < 0)
		return r;
	r = rendezvous_send(sync_fd, RENDEZVOUS_RECORDED, NULL);
	return r < 0 ? error_sys(err, r, "tell moat-shim that it is recorded") : 0;
}

static int finish_creation(struct container *c, const struct container_create_request *request,
			   struct cgroup *cg, int sync_fd, struct error *err)
{
	struct oci_resources resources = sandbox_host_resources(c->config, 0, false);
	int r = serve_hooks(c, sync_fd, err);

	resources.memory = (struct oci_memory){ 0 }; /* it is in force */
	if (r == 0)
		r = await_created(c, sync_fd, err);
	if (r == 0 && cg && resources.cpu.quota.is_set)
		r = cgroup_apply(cg, &resources, err);
	if (r == 0 && request->runs_at_once)
		r = rendezvous_wait(sync_fd, RENDEZVOUS_STARTED, SHIM_TIMEOUT_MS, "moat-shim", NULL,
				    err);
	return r;
}

static int launch_sandbox(struct container *c, const struct container_create_request *request,
			  int console_fd, int image_fd, struct cgroup *cg, pid_t *ret_pid,
			  struct error *err)
{
	cleanup_strv char **oom_dirs = caller_oom_dirs();
	const struct shim_launch launch = {
		.command = "create",
		.root = c->root,
		.id = c->id,
		.console_fd = console_fd,
		.process_fd = -1,
		.image_fd = image_fd,
		.runs_at_once = request->runs_at_once,
		.has_own_pids = rights_want_pid_namespace(),
		.oom_dirs = oom_dirs,
		.cgroup = cg,
	};
	cleanup_fd int sync_fd = -1;
	cleanup_pid pid_t pid = 0;
	int r = shim_launch(&launch, &pid, &sync_fd, err);

	if (r < 0)
		return r;
	c->record.pid = (uint32_t)pid;
	c->record.pid_start = process_start_time(pid);
	r = container_save(c, err);
	if (r == 0)
		r = finish_creation(c, request, cg, sync_fd, err);
	if (r < 0)
		return r;
	*ret_pid = steal_pid(&pid);
	return 0;
}

/* What its shim has to know before it starts. */
static int note_membership(struct container *c, struct error *err)
{
	cleanup_free char *vm_dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->root, c->record.sandbox);
	unsigned long long number;

	if (sandbox_is_disk(c->record.rootfs) || !files_are_shared(vm_dir)) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return error_sys(err, errno, "draw a disk's name");
		c->record.disk = xasprintf("m-%llx", number);
	}
	return container_save(c, err);
}

static bool is_member(const struct container *c)
{
	return c->record.sandbox && !streq(c->record.sandbox, c->id);
}

/* What a member's shim could not take back: it has no rights any more, or was killed. With the
 * sandbox all of that is gone. */
static int leave_sandbox(const struct container *c, struct error *err)
{
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->root, c->record.sandbox);
	cleanup_free char *path = xasprintf("%s/" COMPANIONS_SOCKET, dir);
	cleanup_files struct files files = FILES_INIT;
	struct error reason = ERROR_INIT;
	cleanup_fd int fd = -1;
	int r = companion_connect(path, &fd, &reason);

	if (r < 0)
		return 0;
	if (c->record.agent_address && vm_agent_remove(c, &reason) < 0)
		log_debug("remove container: %s", reason.msg);
	if (c->record.disk && disk_unplug(c->record.disk, dir, &reason) < 0)
		log_debug("%s", reason.msg); /* it was never plugged in, or nobody hears us */
	r = companion_get_files(fd, &files, &reason);
	if (r == 0)
		return files_detach(&files, c->id, err);
	log_debug("%s", reason.msg);
	return 0;
}

/* The size of a saved machine, which it has whatever the configuration says; 0: of a new one. */
static int read_memory(int image_fd, uint32_t *ret_mib, struct error *err)
{
	cleanup_shape struct shape shape = { 0 };
	int r = image_fd < 0 ? 0 : shape_read(image_fd, &shape, err);

	*ret_mib = shape_memory_mib(&shape);
	return r < 0 ? error_wrap(err, r, "image") : 0;
}

static int make(struct container *c, const struct container_create_request *request, int console_fd,
		int image_fd, pid_t *ret_pid, struct error *err)
{
	uint32_t memory_mib = 0;
	struct oci_resources resources;
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = is_member(c) ? note_membership(c, err) : 0;

	if (r == 0)
		r = read_memory(image_fd, &memory_mib, err);
	if (r < 0)
		return r;
	resources = sandbox_host_resources(c->config, memory_mib, true);
	r = request->no_cgroup ? 0 : backend_make_cgroup(c, &resources, &cg, err);
	if (r < 0)
		return r;
	if (is_member(c) && vm_size_is_limited(&c->config->linux_.resources))
		r = vm_size_fit(c, err);
	if (r == 0)
		r = launch_sandbox(c, request, console_fd, image_fd, cg, ret_pid, err);
	if (r < 0 && is_member(c))
		(void)leave_sandbox(c, NULL); /* the first error is the one to tell */
	if (r < 0) {
		(void)backend_remove_cgroup(c, cg, NULL); /* the first error counts */
		image_remove(state_dir_fd(c->dir));
	}
	return r;
}

static int create(struct container *c, const struct container_create_request *request,
		  int console_fd, pid_t *ret_pid, struct error *err)
{
	int r;

	if (request->preserved_fds)
		return error_set(err, -ENOTSUP, "a virtual machine cannot be given descriptors");
	r = vm_find_sandbox(c, err);
	return r < 0 ? r : make(c, request, console_fd, -1, ret_pid, err);
}

static int restore(struct container *c, const struct container_create_request *request,
		   int console_fd, pid_t *ret_pid, struct error *err)
{
	const char *path = request->restore->image_path;
	cleanup_fd int image_fd = -1;
	int r = vm_checkpoint_check(request->restore, false, err);

	if (r == 0)
		r = vm_find_sandbox(c, err);
	if (r < 0)
		return r;
	if (is_member(c))
		return error_set(err, -EOPNOTSUPP,
				 "a saved virtual machine cannot join that of '%s'",
				 c->record.sandbox);
	image_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (image_fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	return make(c, request, console_fd, image_fd, ret_pid, err);
}

static char *start_socket(const struct container *c)
{
	return xasprintf("%s/" SHIM_START_SOCKET, state_dir_path(c->dir));
}

static int update_network(const struct container *c, int fd, struct error *err)
{
	cleanup_sandbox_network struct sandbox_network network = { 0 };
	int r = sandbox_network_rescan(fd, &network, err);

	if (r < 0 || network.is_known)
		return r;
	log_debug("the network has changed since the virtual machine was made");
	r = vm_agent_tell_network(c, &network, err);
	return r < 0 ? r : sandbox_network_settle(fd, &network, err);
}

/* Some engines give the namespace its links between `create` and `start`. A pod's is the affair of
 * its sandbox's container; and where the caller has no rights, nobody can have changed it. */
static int rescan_network(const struct container *c, struct error *err)
{
	cleanup_fd int fd = is_member(c) ? -ESRCH : vm_open_network(c);
	int r;

	if (fd < 0) {
		log_debug("network: not looked at again: %s", strerror(-fd));
		return 0;
	}
	r = update_network(c, fd, err);
	return r < 0 ? error_wrap(err, r, "network") : 0;
}

static int start(struct container *c, struct error *err)
{
	cleanup_free char *path = start_socket(c);
	cleanup_fd int fd = unix_connect(path);
	int r;

	if (fd == -ENOENT)
		return error_set(err, -EINVAL, "cannot start an already running container");
	if (fd == -ECONNREFUSED)
		return error_set(err, -ESRCH, "cannot start a container that has stopped");
	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", path);
	r = rescan_network(c, err);
	if (r < 0)
		return r;
	r = rendezvous_send(fd, RENDEZVOUS_START, NULL);
	if (r < 0)
		return error_sys(err, r, "ask moat-shim to start the container");
	return rendezvous_wait(fd, RENDEZVOUS_STARTED, SHIM_TIMEOUT_MS, "moat-shim", NULL, err);
}

static int status(const struct container *c, enum oci_status *ret, struct error *err)
{
	bool waits = faccessat(state_dir_fd(c->dir), SHIM_START_SOCKET, F_OK, 0) == 0;

	if (c->record.is_paused)
		*ret = OCI_STATUS_PAUSED;
	else
		*ret = waits ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
	return 0;
}

/* SIGKILL works whatever the guest thinks of it: one that does not answer loses its VM. */
static int kill_container(struct container *c, int sig, bool all, struct error *err)
{
	struct error reason = ERROR_INIT;
	int r = vm_agent_signal(c, sig, all, &reason);

	if (r < 0 && sig == SIGKILL) {
		log_debug("kill: %s: ending the virtual machine", reason.msg);
		return backend_signal_process(c, SIGKILL, err);
	}
	if (r < 0 && err)
		*err = reason;
	return r;
}

/* A file in memory rather than an argument: it may be large, and others can read arguments. */
static int write_process(const struct oci_process *process, int *ret_fd, struct error *err)
{
	cleanup_free char *text = oci_process_text(process);
	cleanup_fd int fd = memfd_create("process.json", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make a file in memory");
	r = write_all(fd, text, strlen(text));
	if (r < 0)
		return error_sys(err, r, "write the process document");
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int launch_exec(struct container *c, char *const *cgroups, int process_fd, int console_fd,
		       struct cgroup *cg, pid_t *ret_pid, struct error *err)
{
	cleanup_strv char **more = NULL;
	struct shim_launch launch = {
		.command = "exec",
		.root = c->root,
		.id = c->id,
		.console_fd = console_fd,
		.process_fd = process_fd,
		.image_fd = -1,
		.cgroup = cg,
	};
	cleanup_fd int sync_fd = -1;
	cleanup_pid pid_t pid = 0;
	int r;

	strv_each(cgroup, cgroups) {
		strv_pushf(&more, "--cgroup=%s", cgroup);
	}
	launch.more = more;
	r = shim_launch(&launch, &pid, &sync_fd, err);
	if (r == 0)
		r = rendezvous_wait(sync_fd, RENDEZVOUS_STARTED, SHIM_TIMEOUT_MS, "moat-shim", NULL,
				    err);
	if (r < 0)
		return r;
	r = rendezvous_send(sync_fd, RENDEZVOUS_RECORDED, NULL);
	if (r < 0)
		return error_sys(err, r, "tell moat-shim that it is known");
	*ret_pid = steal_pid(&pid);
	return 0;
}

static int exec(struct container *c, const struct container_exec_request *request, int console_fd,
		pid_t *ret_pid, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	cleanup_fd int process_fd = -1;
	int r;

	if (request->preserved_fds)
		return error_set(err, -ENOTSUP, "a virtual machine cannot be given descriptors");
	r = backend_open_cgroup(c, &cg, err);
	if (r == 0)
		r = write_process(request->process, &process_fd, err);
	return r < 0 ? r
		     : launch_exec(c, request->cgroups, process_fd, console_fd, cg, ret_pid, err);
}

/* The guest cannot be asked whether it is paused, so the record says so: before it may be true, and
 * until it cannot be any more. Whoever is killed in between leaves a container that `resume`
 * cures. */
static int mark_paused(struct container *c, bool is_paused, struct error *err)
{
	c->record.is_paused = is_paused;
	return container_save(c, err);
}

/* A `checkpoint` that was killed may have left the machine paused, with all in it. */
static void wake_machine(const struct container *c)
{
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->root, c->record.sandbox);
	cleanup_free char *shape = xasprintf("%s/" SHAPE_NAME, dir);
	cleanup_free char *control = NULL;
	const struct hypervisor *driver;
	struct error err = ERROR_INIT;
	int r;

	if (access(shape, F_OK) < 0)
		return;
	r = hypervisor_running(dir, &driver, &control, &err);
	if (r == 0)
		r = driver->resume(control, &err);
	if (r < 0)
		log_debug("resume the virtual machine: %s", err.msg);
}

static int freeze(struct container *c, bool frozen, struct error *err)
{
	int r = frozen ? mark_paused(c, true, err) : 0;

	if (r < 0)
		return r;
	if (!frozen)
		wake_machine(c);
	r = vm_agent_freeze(c, frozen, err);
	if (r == 0)
		return frozen ? 0 : mark_paused(c, false, err);
	if (frozen)
		(void)mark_paused(c, false, NULL); /* the first error counts */
	return r;
}

static int checkpoint(struct container *c, const struct container_checkpoint_request *request,
		      struct error *err)
{
	int r = vm_checkpoint_check(request->options, request->is_pre_dump, err);

	return r < 0 ? r : vm_checkpoint(c, request->options, freeze, err);
}

/* Its memory is vm-size.c's affair. */
static int update_host(const struct container *c, struct error *err)
{
	struct oci_resources resources = sandbox_host_resources(c->config, 0, false);
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(c, &cg, err);

	resources.devices_count = 0;
	resources.memory = (struct oci_memory){ 0 };
	return r < 0 || !cg ? r : backend_update_cgroup(c, cg, &resources, &resources, err);
}

static int update_guest(const struct container *c, const struct oci_resources *changes,
			struct error *err)
{
	struct oci_resources guest;
	int r;

	fields_copy(&oci_resources_fields, &guest, changes);
	sandbox_guest_resources(&guest);
	r = vm_agent_update(c, &guest, err);
	fields_release(&oci_resources_fields, &guest);
	return r;
}

/* From the outside to the inside: the VM may not meet a limit that its guest does not know. */
static int update(struct container *c, const struct oci_resources *changes, struct error *err)
{
	int r = vm_size_is_limited(changes) ? vm_size_fit(c, err) : 0;

	if (r == 0)
		r = update_host(c, err);
	return r < 0 ? r : update_guest(c, changes, err);
}

/* With its shim the guest is gone, or the container in it. */
static bool has_ended(const struct container *c)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);

	return pidfd == -ESRCH;
}

static int pids(const struct container *c, pid_t **ret, size_t *ret_count, struct error *err)
{
	cleanup_free char *text = NULL;
	struct agent_bytes bytes;
	int r;

	*ret = NULL;
	*ret_count = 0;
	if (has_ended(c))
		return 0;
	r = vm_agent_list(c, "json", &text, err);
	if (r < 0)
		return r;
	bytes = (struct agent_bytes){ (const uint8_t *)text, strlen(text) };
	return guest_pids_parse(&bytes, ret, ret_count, err);
}

/* The guest has no ps program, and what the host's shows is a shim and a VMM. */
static int ps(const struct container *c, char *const *args, char **ret, struct error *err)
{
	if (args && args[0] && !(streq(args[0], "-ef") && !args[1]))
		return error_set(err, -EOPNOTSUPP,
				 "ps options mean nothing in a virtual machine: '%s'", args[0]);
	if (has_ended(c)) {
		*ret = process_table_text(NULL, 0);
		return 0;
	}
	return vm_agent_list(c, "table", ret, err);
}

/* A namespace that the container was given may be another one's next. One that it made ended with
 * it. */
static void leave_network(const struct container *c)
{
	const struct oci_namespace *ns =
		c->config ? oci_namespace_find(c->config, OCI_NS_NETWORK) : NULL;
	cleanup_fd int ns_fd = ns && ns->path ? open(ns->path, O_RDONLY | O_CLOEXEC) : -1;
	cleanup_fd int fd = ns_fd < 0 ? -1 : netlink_open_in(ns_fd, CLONE_NEWNET);
	struct error err = ERROR_INIT;

	if (fd >= 0 && net_part(fd, &err) < 0)
		log_debug("network: %s", err.msg);
}

/* The VMM and all the rest die with the shim, and what does not is in the cgroup. */
static int destroy(struct container *c, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(c, &cg, err);

	if (r == 0)
		r = backend_end_process(c, cg, err);
	if (r == 0)
		r = backend_remove_cgroup(c, cg, err);
	if (r == 0 && is_member(c))
		r = leave_sandbox(c, err);
	else if (r == 0)
		leave_network(c);
	if (r < 0)
		return r;
	image_remove(state_dir_fd(c->dir));
	r = remove_tree_at(state_dir_fd(c->dir), SHIM_VM_DIR);
	return r < 0 ? error_sys(err, r, "remove '%s/" SHIM_VM_DIR "'", state_dir_path(c->dir)) : 0;
}

const struct container_backend vm_backend = {
	.create = create,
	.restore = restore,
	.checkpoint = checkpoint,
	.start = start,
	.status = status,
	.kill = kill_container,
	.exec = exec,
	.freeze = freeze,
	.update = update,
	.stats = vm_agent_stats,
	.metrics_host = vm_metrics_add_host,
	.metrics_guest = vm_metrics_add_guest,
	.dial_console = vm_agent_dial_console,
	.watch_oom = vm_agent_watch_oom,
	.unwatch_oom = vm_agent_unwatch_oom,
	.pids = pids,
	.ps = ps,
	.destroy = destroy,
};
