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
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/confine.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/moat-link.h"
#include "lib/sandbox/netns.h"
#include "lib/sandbox/process.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/start.h"
#include "lib/sandbox/terminal.h"
#include "lib/sandbox/vm.h"
#include "lib/settings/settings.h"
#include "lib/state/record.h"
#include "oci/config.h"

/*
 * The shim of a sandbox's first container: it makes the sandbox and the container in it, step by
 * step, tells moat, and stays for as long as the container's init runs.
 *
 * Namespaces: the sandbox's network namespace and a mount namespace of its own, from the steps of
 * those names on; else the caller's. Rights: all of root's until the VM runs, none after that.
 */

/* A cold guest under emulation on a busy host. */
#define BOOT_TIMEOUT_MS 30000
#define CALL_TIMEOUT_MS 60000
#define DESTROY_TIMEOUT_MS 5000

struct creation {
	const struct shim_options *options;
	struct error *err; /* of the step that failed, so that undoing may explain it */
	struct loop *loop;
	struct moat_link moat;
	bool is_running; /* the container is all that counts now */

	struct state_dir *dir;
	struct record record;
	struct settings settings;
	struct oci_config *config;
	struct sandbox_plan *plan;
	char *vm_dir, *shared_dir;
	struct vm vm;
	struct agent_client *client;
	struct guest_process process;
	struct start_gate *gate;
};

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
	r = read_file_at(state_dir_fd(c->dir), "config.json", OCI_CONFIG_MAX_BYTES, &text, &len);
	if (r < 0)
		return error_sys(err, r, "read '%s/config.json'", state_dir_path(c->dir));
	return oci_config_parse("config.json", text, len, &c->config, err);
}

/* moat.json sizes what the container leaves open. */
static void apply_settings(struct creation *c)
{
	const struct oci_resources *resources = &c->config->linux_.resources;
	const struct settings_vm *vm = &c->settings.vm;

	if (vm->memory_mib.is_set && resources->memory.limit.value <= 0)
		c->plan->memory_mib = vm->memory_mib.value;
	if (vm->vcpus.is_set && resources->cpu.quota.value <= 0)
		c->plan->vcpus = vm->vcpus.value;
}

static int plan(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r;

	if (c->config->process && c->config->process->terminal && c->options->console_fd < 0)
		return error_set(err, -EINVAL, "process.terminal: no console socket to send it to");
	r = sandbox_plan_new(c->record.id, c->record.bundle, c->config, &c->plan, err);
	if (r == 0)
		apply_settings(c);
	return r;
}

static int make_directories(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	c->vm_dir = xasprintf("%s/" SHIM_VM_DIR, state_dir_path(c->dir));
	c->shared_dir = xasprintf("%s/shared", c->vm_dir);
	if (mkdir(c->vm_dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", c->vm_dir);
	if (mkdir(c->shared_dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", c->shared_dir);
	return 0;
}

static int choose_vm(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *cache_dir = state_cache_dir(c->options->root);

	c->vm = (struct vm){ .loop = c->loop, .dir = c->vm_dir, .on_end = on_vm_end, .ctx = c };
	return vm_choose(&c->vm, cache_dir, &c->settings.vm, err);
}

static int enter_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return netns_enter(oci_namespace_find(c->config, OCI_NS_NETWORK)->path, err);
}

static int share_files(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = files_isolate(err);

	return r < 0 ? r : files_share(c->shared_dir, c->plan, err);
}

static int launch_vm(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return vm_launch(&c->vm, c->record.id, c->shared_dir, c->plan, err);
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

	return confine_self(confine_vmm_caps(c->vm.share == HV_SHARE_VIRTIOFS), err);
}

/* Connecting waits for the guest to come up; the first call makes sure that it is an agent that
 * came up. */
static int meet_agent(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_CheckRequest request = grpc_CheckRequest_init_zero;
	grpc_HealthCheckResponse response;
	int fd, r;

	r = agent_dial(c->loop, channel_address(c->vm.channel), AGENT_PORT_RPC, BOOT_TIMEOUT_MS,
		       &fd, NULL, err);
	if (r < 0)
		return r;
	r = agent_client_new(c->loop, fd, &c->client);
	if (r < 0)
		return error_sys(err, r, "use the connection");
	r = agent_call(c->client, AGENT_CHECK, &request, &response, CALL_TIMEOUT_MS, err);
	if (r < 0) {
		agent_client_free(steal_ptr(&c->client));
		return r;
	}
	agent_response_release(AGENT_CHECK, &response);
	log_debug("the guest's agent answers");
	return 0;
}

static void leave_agent(void *ctx)
{
	struct creation *c = ctx;

	agent_client_free(steal_ptr(&c->client));
}

/* Calls without an answer worth reading. */
static int call(struct creation *c, enum agent_method method, const void *request, int timeout_ms,
		struct error *err)
{
	grpc_Empty response;
	int r = agent_call(c->client, method, request, &response, timeout_ms, err);

	if (r == 0)
		agent_response_release(method, &response);
	return r;
}

/* How the guest mounts the shared directory. 9p: only what is mapped is cached, so the host's
 * changes show at once. */
static grpc_Storage share_storage(const struct vm *vm)
{
	static char trans[] = "trans=virtio", version[] = "version=9p2000.L",
		    msize[] = "msize=524288", cache[] = "cache=mmap";
	static char *options_9p[] = { trans, version, msize, cache };
	const bool is_9p = vm->share == HV_SHARE_9P;

	return (grpc_Storage){
		.driver = (char *)(is_9p ? "9p" : "virtio-fs"),
		.fstype = (char *)(is_9p ? "9p" : "virtiofs"),
		.source = (char *)SANDBOX_SHARE_TAG,
		.mount_point = (char *)SANDBOX_SHARE_GUEST_DIR,
		.options = is_9p ? options_9p : NULL,
		.options_count = is_9p ? ARRAY_SIZE(options_9p) : 0,
	};
}

static int create_sandbox(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	grpc_Storage storage = share_storage(&c->vm);
	const grpc_CreateSandboxRequest request = {
		.sandbox_id = c->record.id,
		.hostname = c->config->hostname,
		.storages = &storage,
		.storages_count = 1,
	};

	return call(c, AGENT_CREATE_SANDBOX, &request, CALL_TIMEOUT_MS, err);
}

static int open_terminal(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return c->process.has_terminal ? terminal_open(c->options->console_fd, err) : 0;
}

static int init_process(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct oci_process *process = c->config->process;

	guest_process_init(&c->process, c->loop, c->client, c->record.id, c->record.id,
			   process && process->terminal);
	return 0;
}

static int connect_stdio(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return guest_process_dial(&c->process, channel_address(c->vm.channel), err);
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
	const grpc_CreateContainerRequest request = {
		.container_id = c->record.id,
		.exec_id = c->record.id,
		.stdin_port = c->process.ports[0],
		.stdout_port = c->process.ports[1],
		.stderr_port = c->process.ports[2],
		.oci_json = { (const uint8_t *)json, strlen(json) },
	};

	return call(c, AGENT_CREATE_CONTAINER, &request, CALL_TIMEOUT_MS, err);
}

/* Before anybody hears of the container: a signal sent to its pid must find us ready. */
static int stand_for_it(void *ctx, struct error *err)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct creation *c = ctx;
	int tty = c->process.has_terminal ? STDIN_FILENO : -1;
	int r = guest_process_wait(&c->process, err);

	if (r == 0)
		r = guest_process_take_signals(&c->process, tty, err);
	if (r == 0)
		r = guest_process_relay(&c->process, stdio, err);
	if (r == 0)
		guest_process_resize(&c->process);
	return r;
}

static int open_gate(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *path = NULL;

	if (c->options->runs_at_once)
		return 0;
	path = xasprintf("%s/" SHIM_START_SOCKET, state_dir_path(c->dir));
	return start_gate_open(c->loop, c->client, c->record.id, path, &c->gate, err);
}

static void close_gate(void *ctx)
{
	struct creation *c = ctx;

	start_gate_free(steal_ptr(&c->gate));
}

static int report_created(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = moat_link_tell(&c->moat, RENDEZVOUS_CREATED, channel_address(c->vm.channel), err);

	return r < 0 ? r : moat_link_await(&c->moat, err);
}

static int start_at_once(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_StartContainerRequest request = { .container_id = c->record.id };
	int r;

	if (!c->options->runs_at_once)
		return 0;
	r = call(c, AGENT_START_CONTAINER, &request, CALL_TIMEOUT_MS, err);
	if (r == 0)
		(void)moat_link_tell(&c->moat, RENDEZVOUS_STARTED, NULL, NULL); /* it may go now */
	return r;
}

/* The cheap refusals first, then what the host gives, then the guest. Files are shared after the
 * network is entered, since a namespace's path may be one that our mount namespace would hide;
 * the VMM starts when both are as it shall have them. */
static const struct step steps[] = {
	{ NULL, load },
	{ NULL, plan },
	{ NULL, make_directories },
	{ "virtual machine", choose_vm },
	{ "network namespace", enter_network },
	{ "shared files", share_files },
	{ "privileges", limit_vmm },
	{ "virtual machine", launch_vm, undo_vm },
	{ "privileges", confine },
	{ "agent", meet_agent, leave_agent },
	{ "sandbox", create_sandbox },
	{ NULL, init_process },
	{ "terminal", open_terminal },
	{ "stdio", connect_stdio, close_stdio },
	{ "container", create_container },
	{ NULL, stand_for_it },
	{ NULL, open_gate, close_gate },
	{ NULL, report_created },
	{ "start", start_at_once },
};

static int prepare(struct creation *c, struct error *err)
{
	int r = loop_new(&c->loop);

	if (r < 0)
		return error_sys(err, r, "make the event loop");
	return moat_link_open(&c->moat, c->loop, c->options->sync_fd, err);
}

/* The VM goes without ceremony once the guest has written back what it holds of our files. */
static void end_sandbox(struct creation *c)
{
	const grpc_DestroySandboxRequest request = grpc_DestroySandboxRequest_init_zero;
	struct error err = ERROR_INIT;

	if (c->vm.has_ended)
		return;
	if (call(c, AGENT_DESTROY_SANDBOX, &request, DESTROY_TIMEOUT_MS, &err) < 0)
		log_debug("destroy sandbox: %s", err.msg);
}

static int stand(struct creation *c)
{
	struct error err = ERROR_INIT;

	c->is_running = true;
	if (c->vm.has_ended)
		guest_process_lose(&c->process);
	(void)loop_run_until(c->loop, &c->process.is_finished, -1);
	if (!c->process.is_lost) {
		end_sandbox(c);
		return c->process.status;
	}
	error_set(&err, -EIO, "container '%s': its virtual machine ended", c->record.id);
	vm_explain(&c->vm, &err);
	log_failure(&err);
	return GUEST_STATUS_LOST;
}

static void release(struct creation *c)
{
	sandbox_plan_free(c->plan);
	oci_config_free(c->config);
	settings_done(&c->settings);
	record_done(&c->record);
	state_dir_close(c->dir);
	free(c->vm_dir);
	free(c->shared_dir);
	loop_free(c->loop);
}

int shim_create(const struct shim_options *options)
{
	struct error err = ERROR_INIT;
	struct creation c = { .options = options, .err = &err, .moat = { .fd = options->sync_fd } };
	int status = 1;

	if (prepare(&c, &err) == 0 && steps_run(steps, ARRAY_SIZE(steps), &c, &err) == 0) {
		status = stand(&c);
		steps_undo(steps, ARRAY_SIZE(steps), &c);
	} else {
		moat_link_fail(&c.moat, &err);
	}
	release(&c);
	return status;
}
