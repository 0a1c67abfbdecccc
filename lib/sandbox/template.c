/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/progress.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/confine.h"
#include "lib/sandbox/moat-link.h"
#include "lib/sandbox/netns.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/rendezvous.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shim.h"
#include "lib/sandbox/template-store.h"
#include "lib/sandbox/template-warm.h"
#include "lib/sandbox/vm.h"
#include "lib/settings/settings.h"
#include "lib/state/record.h"

#define GOODBYE_TIMEOUT_MS 10000
#define MAKE_TIMEOUT_MS 300000
#define SETTLE_MS 2000

int template_dir(const struct settings_vm *settings, char **ret, struct error *err)
{
	*ret = settings->template_dir ? xstrdup(settings->template_dir) : template_store_default();
	return *ret ? 0
		    : error_set(err, -ENOENT,
				"no place for templates: neither XDG_CACHE_HOME nor HOME is set");
}

/* --- making ------------------------------------------------------------------------------- */

struct making {
	struct vm *vm;
	const struct template_request *request;
	struct sandbox_plan plan;
	struct sandbox_network network;
	struct template_info info;
	struct template_draft draft;
	char *store, *vm_dir, *shared_dir;
};

/* Larger than any that comes in its place: what the guest believes of its size, until it hears of
 * the other's, keeps it from nothing. */
#define BLANK_DISK_BYTES ((off_t)1 << 40)

static const char *const disk_ids[SANDBOX_DISKS_MAX] = { "blank0", "blank1" };

/* Where nothing is shared a container's root is a disk. */
static void plan_disks(struct making *m)
{
	const bool has_root =
		m->vm->share == HV_SHARE_NONE && (m->vm->driver->features & HV_FEATURE_OTHER_DISKS);

	m->plan.disks_count = m->request->disks ? m->request->disks : has_root;
	for (size_t i = 0; i < m->plan.disks_count; i++)
		m->plan.disks[i].id = disk_ids[i];
}

static int describe(struct making *m, struct error *err)
{
	const struct template_request *request = m->request;
	const struct settings_vm *settings = m->vm->settings;
	int r;

	m->plan = (struct sandbox_plan){
		.size = { .memory_mib = request->memory_mib, .vcpus = request->vcpus },
		.machine = { .has_low_ports = request->has_low_ports,
			     .has_members = request->has_disk_slots },
	};
	if (!m->plan.size.memory_mib)
		m->plan.size.memory_mib = settings->memory_mib.is_set ? settings->memory_mib.value
								      : SETTINGS_DEFAULT_MEMORY_MIB;
	if (!m->plan.size.vcpus)
		m->plan.size.vcpus =
			settings->vcpus.is_set ? settings->vcpus.value : SETTINGS_DEFAULT_VCPUS;
	plan_disks(m);
	r = template_dir(settings, &m->store, err);
	return r < 0 ? r : vm_describe(m->vm, &m->plan, request->nics, &m->info, err);
}

/* What the draft's directory has besides its files, until it is whole. */
static int make_directories(struct making *m, struct error *err)
{
	m->vm_dir = xasprintf("%s/" SHIM_VM_DIR, m->draft.dir);
	m->shared_dir = xasprintf("%s/" SHIM_SHARED_DIR, m->vm_dir);
	if (mkdir(m->vm_dir, 0700) < 0 || mkdir(m->shared_dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", m->shared_dir);
	m->vm->dir = m->vm_dir;
	m->vm->draft = &m->draft;
	return 0;
}

static int make_disk(struct making *m, struct sandbox_disk *disk, struct error *err)
{
	cleanup_fd int fd = -1;

	disk->host_path = xasprintf("%s/%s", m->vm_dir, disk->id);
	fd = open(disk->host_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, BLANK_DISK_BYTES) < 0)
		return error_sys(err, errno, "make '%s'", disk->host_path);
	return 0;
}

static int make_disks(struct making *m, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->plan.disks_count; i++)
		r = make_disk(m, &m->plan.disks[i], err);
	return r;
}

/* Interfaces of a namespace that nobody else is in: real taps, since what a guest's driver agrees
 * on with its device depends on what is behind that. */
static int make_network(struct making *m, struct error *err)
{
	int r = rights_are_missing() ? rights_make(err) : 0;

	if (r == 0)
		r = netns_enter(NULL, err);
	if (r == 0)
		r = sandbox_network_make(&m->network, m->request->nics,
					 m->vm->accel == HV_ACCEL_KVM, err);
	if (r == 0 && m->network.nics_count != m->request->nics)
		r = error_set(err, -EPERM, "network interfaces: no right to make taps");
	return r < 0 ? r : sandbox_network_use_template(&m->network, err);
}

struct goodbye {
	bool is_done;
};

static void on_hang_up(void *ctx, int fd, uint32_t events)
{
	char c;

	if (read(fd, &c, 1) <= 0)
		((struct goodbye *)ctx)->is_done = true;
}

/* A socket of the VMM's own refuses until the guest is up, all others wait. */
static int dial(const struct making *m, int *ret_fd, struct error *err)
{
	const struct opt_u32 *timeout = &m->vm->settings->boot_timeout_s;
	const uint32_t timeout_s =
		timeout->is_set ? timeout->value : SETTINGS_DEFAULT_BOOT_TIMEOUT_S;
	const bool is_hybrid = m->vm->channel_kind == HV_CHANNEL_HYBRID;

	return (is_hybrid ? agent_await : agent_dial)(m->vm->loop, channel_address(m->vm->channel),
						      AGENT_PORT_RPC, (int)timeout_s * 1000, ret_fd,
						      NULL, err);
}

static int use_agent(struct making *m, struct error *err)
{
	struct agent_client *client;
	int fd = -1, r = dial(m, &fd, err);

	if (r < 0)
		return r;
	r = agent_client_new(m->vm->loop, fd, &client);
	if (r < 0)
		return error_sys(err, r, "use the connection");
	r = template_warm_up(client, m->vm->share, m->shared_dir, err);
	agent_client_free(client);
	return r;
}

/* It hangs up before it is saved: no connection is left that later ones could be mistaken for. */
static int leave_agent(struct making *m, struct error *err)
{
	struct loop_source *source = NULL;
	struct goodbye goodbye = { false };
	cleanup_fd int fd = -1;
	int r = dial(m, &fd, err);

	if (r < 0)
		return r;
	if (shutdown(fd, SHUT_WR) < 0)
		return error_sys(err, errno, "hang up");
	r = loop_add_fd(m->vm->loop, fd, EPOLLIN, on_hang_up, &goodbye, &source);
	if (r == 0)
		r = loop_run_until(m->vm->loop, &goodbye.is_done, GOODBYE_TIMEOUT_MS);
	loop_remove(source);
	return r < 0 ? error_sys(err, r, "wait for the agent to hang up") : 0;
}

/* What the guest's kernel puts off would be done again in every machine: what is left of the
 * warm-up's container goes in several periods of RCU, and a second after it has begun the kernel
 * changes its clock, and rewrites itself for that. Nobody outside can tell when it is done. */
static int settle(struct making *m, struct error *err)
{
	int r = loop_run_until(m->vm->loop, &m->vm->has_ended, SETTLE_MS);

	if (r == 0)
		return error_set(err, -EPIPE, "the virtual machine ended");
	return r == -ETIMEDOUT ? 0 : error_sys(err, r, "wait for the guest");
}

static int boot_and_save(struct making *m, struct error *err)
{
	int r = make_directories(m, err);

	if (r == 0)
		r = make_disks(m, err);
	if (r == 0)
		r = make_network(m, err);
	if (r == 0)
		r = confine_children(confine_vmm_caps(false), err);
	if (r == 0)
		r = vm_launch(m->vm,
			      &(struct vm_use){ m->info.name, m->shared_dir, &m->plan,
						&m->network },
			      err);
	if (r < 0)
		return r;
	sandbox_network_close_taps(&m->network);
	progress_at("booting a virtual machine", 0, 0);
	r = use_agent(m, err);
	if (r == 0)
		r = leave_agent(m, err);
	if (r == 0)
		r = settle(m, err);
	if (r < 0)
		vm_explain(m->vm, err);
	progress_at("saving it", 0, 0);
	if (r == 0)
		r = vm_save(m->vm, err);
	vm_stop(m->vm);
	if (r == 0)
		r = remove_tree_at(m->draft.dir_fd, SHIM_VM_DIR);
	return r < 0 && !err->code ? error_sys(err, r, "remove '%s'", m->vm_dir) : r;
}

static int make(struct making *m, char **ret_name, struct error *err)
{
	int r = describe(m, err);

	if (r == 0)
		r = template_begin(m->store, &m->info, m->request->replaces, &m->draft, err);
	if (r < 0)
		return r;
	*ret_name = xstrdup(m->info.name);
	if (r > 0)
		return 1;
	r = boot_and_save(m, err);
	return r < 0 ? r : template_commit(&m->draft, &m->info, err);
}

int template_make(struct vm *vm, const struct template_request *request, char **ret_name,
		  struct error *err)
{
	struct making m = { .vm = vm, .request = request, .draft = TEMPLATE_DRAFT_INIT };
	cleanup_free char *name = NULL;
	int r = make(&m, &name, err);

	vm->draft = NULL;
	template_abandon(&m.draft);
	template_info_done(&m.info);
	sandbox_network_done(&m.network);
	for (size_t i = 0; i < m.plan.disks_count; i++)
		free(m.plan.disks[i].host_path);
	free(m.store);
	free(m.vm_dir);
	free(m.shared_dir);
	if (r >= 0)
		*ret_name = steal_ptr(&name);
	return r < 0 ? error_wrap(err, r, "make a template") : r;
}

/* --- for a sandbox -------------------------------------------------------------------------- */

/* In a process of its own, which dies with the shim. */
static _Noreturn void make_in_child(const struct vm *vm, const struct template_request *request,
				    int fd, pid_t parent)
{
	struct vm own = *vm;
	cleanup_free char *name = NULL;
	struct error err = ERROR_INIT;
	struct moat_link link;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	r = loop_new(&own.loop);
	if (r == 0)
		r = moat_link_open(&link, own.loop, fd, &err);
	if (r == 0)
		r = template_make(&own, request, &name, &err);
	if (r < 0)
		(void)rendezvous_send_failure(fd, &err); /* as below */
	else
		(void)rendezvous_send(fd, RENDEZVOUS_CREATED, name); /* it need not listen */
	_exit(0);
}

static int make_for(const struct vm *vm, const struct template_request *request, struct error *err)
{
	cleanup_fd int ours = -1, theirs = -1;
	cleanup_pid pid_t pid = 0;
	pid_t parent = getpid();
	int r = rendezvous_pair(&ours, &theirs);

	if (r < 0)
		return error_sys(err, r, "make the rendezvous");
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0)
		make_in_child(vm, request, theirs, parent);
	close_fdp(&theirs);
	return rendezvous_wait(ours, RENDEZVOUS_CREATED, MAKE_TIMEOUT_MS, "template maker", NULL,
			       err);
}

static int find(struct vm *vm, const struct sandbox_plan *plan, size_t nics_count,
		struct error *err)
{
	cleanup_template_info struct template_info info = { 0 };
	cleanup_free char *store = NULL;
	const struct template_request request = {
		.memory_mib = plan->size.memory_mib,
		.vcpus = plan->size.vcpus,
		.nics = (uint32_t)nics_count,
		.disks = (uint32_t)plan->disks_count,
		.has_disk_slots = vm_has_disk_slots(vm, plan),
		.has_low_ports = plan->machine.has_low_ports,
		.replaces = true,
	};
	int r = template_dir(vm->settings, &store, err);

	if (r == 0)
		r = vm_describe(vm, plan, nics_count, &info, err);
	if (r == 0)
		r = template_open(store, &info, &vm->template, err);
	if (r == 0 || r == -ENOTSUP || !store || vm->settings->template_use != TEMPLATE_ON)
		return r;
	r = make_for(vm, &request, err);
	return r < 0 ? r : template_open(store, &info, &vm->template, err);
}

/* Who has none wants none, unless it was asked for; one that cannot be used is worth a word. */
static bool is_quiet(const struct vm *vm, int r)
{
	return r == -ENOTSUP ||
	       (vm->settings->template_use != TEMPLATE_ON && (r == -ENOENT || r == -ESTALE));
}

void template_find(struct vm *vm, const struct sandbox_plan *plan, struct sandbox_network *network)
{
	struct error err = ERROR_INIT;
	int r;

	if (vm->settings->template_use == TEMPLATE_OFF)
		return;
	r = find(vm, plan, network->nics_count, &err);
	if (r == 0)
		r = sandbox_network_use_template(network, &err);
	if (r == 0)
		return;
	template_close(&vm->template);
	if (is_quiet(vm, r))
		log_debug("no template: %s", err.msg);
	else
		log_warning("no template: %s; the virtual machine boots", err.msg);
}

/* --- the shim's command --------------------------------------------------------------------- */

int shim_template(const struct shim_options *options)
{
	cleanup_free char *cache_dir = state_cache_dir(options->root);
	const struct sandbox_machine machine = { .arch = HV_ARCH_COUNT };
	struct moat_link moat = { .fd = options->sync_fd };
	struct vm vm = { .journal_fd = -1, .saved_fd = -1, .template = TEMPLATE_INIT };
	cleanup_settings struct settings settings;
	cleanup_free char *name = NULL;
	struct error err = ERROR_INIT;
	int r = loop_new(&vm.loop);

	settings_init(&settings);
	if (r < 0)
		error_sys(&err, r, "make the event loop");
	if (r == 0)
		r = moat_link_open(&moat, vm.loop, options->sync_fd, &err);
	if (r == 0)
		r = settings_load(&settings, &err);
	if (r == 0)
		r = vm_choose(&vm, cache_dir, &settings.vm, &machine, &err);
	progress_relay(rendezvous_send_progress, &moat.fd);
	if (r == 0)
		r = template_make(&vm, &options->template, &name, &err);
	if (r < 0)
		moat_link_fail(&moat, &err);
	else
		(void)moat_link_tell(&moat, RENDEZVOUS_CREATED, name,
				     NULL); /* nor need it listen */
	guest_image_done(&vm.guest);
	loop_free(vm.loop);
	return r < 0;
}
