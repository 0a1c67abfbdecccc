/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/child.h"
#include "lib/engine/entrance.h"
#include "lib/engine/helper.h"
#include "lib/engine/hooks.h"
#include "lib/engine/id-map.h"
#include "lib/engine/init.h"
#include "lib/engine/net-devices.h"
#include "lib/engine/plan.h"
#include "lib/engine/rootfs.h"
#include "lib/linux/caps.h"
#include "oci/annotations.h"

/*
 * engine_create(): the caller's process, in the host's namespaces. It plans, opens what is joined,
 * clones init, and then does what only it can, while init works: recording the pid, the seccomp
 * program, the runtime's hooks.
 */
struct launch {
	const struct engine_container *c;
	struct container_plan plan;
	struct id_map_plan ids; /* of a new user namespace */
	struct rootfs_sources sources;
	struct net_devices net_devices;
	struct child child;
	struct init init;
	struct helper helper;
};

/* The descriptors that the program is to inherit are checked while nothing else is open yet that
 * could have taken their numbers. */
static int check_preserved(unsigned int count, struct error *err)
{
	for (unsigned int i = 0; i < count; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return error_sys(err, errno, "unable to stat preserved-fd %u (of %u)", i,
					 count);
	return 0;
}

static int plan_ids(struct launch *l, const struct caps *caps, struct error *err)
{
	const struct id_map_rights rights = {
		.uid = geteuid(),
		.gid = getegid(),
		.may_set_uids = caps->effective & 1ull << CAP_SETUID,
		.may_set_gids = caps->effective & 1ull << CAP_SETGID,
	};

	const struct oci_process *process = l->c->config->process;
	struct oci_user user;
	int r;

	if (!l->plan.namespaces.unshares_user)
		return 0;
	r = id_map_plan(&l->c->config->linux_, &rights, &l->ids, err);
	if (r < 0 || !process)
		return r;
	user = process->user;
	if (l->plan.process.keeps_groups)
		user.additional_gids_count = 0;
	return id_map_check_user(&l->ids, &user, err);
}

static int plan(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	uint64_t available;
	struct caps caps;
	int r = check_preserved(l->c->preserved_fds, err);

	if (r < 0)
		return r;
	r = caps_get(&caps);
	if (r < 0)
		return error_sys(err, r, "read own capabilities");
	/* Who enters a user namespace has every capability in it. */
	available = oci_namespace_find(l->c->config, OCI_NS_USER) ? ~0ull : caps.permitted;
	r = container_plan(l->c, available, &l->plan, err);
	return r < 0 ? r : plan_ids(l, &caps, err);
}

static int open_namespaces(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	return namespaces_open(&l->plan.namespaces, err);
}

static int check(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	return container_plan_check(l->c, &l->plan, err);
}

static int open_sources(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	return rootfs_open_sources(l->c, &l->plan, &l->sources, err);
}

static int enter(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	return entrance_pass(&l->plan, &l->init.sync, err);
}

static int map_ids(void *ctx, pid_t helper, struct error *err)
{
	return id_map_write(&((struct launch *)ctx)->ids, helper, err);
}

__attribute__((noreturn)) static void run_init(void *ctx)
{
	struct launch *l = ctx;

	init_main(&l->init);
}

static void run(void *ctx, int sync_fd)
{
	struct launch *l = ctx;

	l->init = (struct init){
		.c = l->c,
		.plan = &l->plan,
		.filter = &l->child.filter.program,
		.sources = &l->sources,
		.sync = { .fd = sync_fd, .peer = "caller" },
	};
	if (!l->plan.namespaces.needs_helper)
		init_main(&l->init);
	l->helper = (struct helper){
		.sync = &l->init.sync,
		.enter = enter,
		.clone_flags = (unsigned int)l->plan.namespaces.clone_flags,
		.run = run_init,
		.ctx = l,
	};
	helper_main(&l->helper);
}

static int start(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	const struct namespace_plan *ns = &l->plan.namespaces;
	const struct child_start start = {
		.clone_flags = ns->needs_helper ? 0 : (unsigned int)ns->clone_flags,
		.run = run,
		.ctx = l,
		.is_helped = ns->needs_helper,
		.map_ids = ns->unshares_user ? map_ids : NULL,
	};

	return child_start(&l->child, &start, err);
}

static int move_devices(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	return net_devices_move(&l->net_devices, &l->plan.namespaces, l->child.pid, err);
}

static void bring_devices_back(void *ctx)
{
	net_devices_bring_back(&((struct launch *)ctx)->net_devices);
}

static int record(void *ctx, struct error *err)
{
	return child_record(&((struct launch *)ctx)->child, err);
}

/* The program's user, as which it is to manage the cgroup. */
static uid_t find_user(const struct launch *l)
{
	const struct oci_config *config = l->c->config;
	const struct oci_linux *linux_ = &config->linux_;
	uid_t uid = config->process ? config->process->user.uid : 0;

	if (namespaces_have_user(&l->plan.namespaces) &&
	    !oci_id_on_host(linux_->uid_mappings, linux_->uid_mappings_count, uid, &uid))
		return geteuid();
	return uid;
}

static int delegate(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	int r;

	if (!l->plan.delegate)
		return 0;
	r = sync_wait(&l->child.sync, SYNC_CGROUP_DUE, err);
	if (r == 0)
		r = cgroup_delegate(l->c->cgroup, l->plan.delegate, find_user(l), l->child.pid,
				    err);
	return r < 0 ? r : sync_send(&l->child.sync, SYNC_CGROUP_LEFT, err);
}

static int find_filter(void *ctx, struct error *err)
{
	struct launch *l = ctx;

	child_find_filter(&l->child, l->c->cache_dir);
	return 0;
}

static int make_filter(void *ctx, struct error *err)
{
	return filter_make(&((struct launch *)ctx)->child.filter, err);
}

static int run_hooks(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	const struct oci_hooks *hooks = &l->c->config->hooks;
	struct hooks_context context = {
		.id = l->c->id,
		.bundle = l->c->bundle,
		.annotations = &l->c->config->annotations,
		.stdout_path = oci_annotation(l->c->config, "run.oci.hooks.stdout"),
		.stderr_path = oci_annotation(l->c->config, "run.oci.hooks.stderr"),
		.pid = l->child.pid,
		.status = OCI_STATUS_CREATED,
	};
	int r;

	if (!hooks->prestart_count && !hooks->create_runtime_count)
		return 0;
	r = sync_wait(&l->child.sync, SYNC_HOOKS_DUE, err);
	if (r < 0)
		return r;
	context.kind = "prestart";
	r = hooks_run(&context, hooks->prestart, hooks->prestart_count, err);
	if (r < 0)
		return r;
	context.kind = "createRuntime";
	r = hooks_run(&context, hooks->create_runtime, hooks->create_runtime_count, err);
	return r < 0 ? r : sync_send(&l->child.sync, SYNC_HOOKS_RUN, err);
}

static int send_filter(void *ctx, struct error *err)
{
	struct child *child = &((struct launch *)ctx)->child;

	return filter_send(&child->filter, &child->sync, err);
}

static int forward_listener(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	const struct oci_state state = {
		.id = l->c->id,
		.status = OCI_STATUS_CREATING,
		.pid = l->child.pid,
		.bundle = l->c->bundle,
		.annotations = &l->c->config->annotations,
	};

	return child_forward_listener(&l->child, &state, err);
}

static int await_ready(void *ctx, struct error *err)
{
	struct launch *l = ctx;
	int r = sync_wait(&l->child.sync, SYNC_READY, err);

	if (r < 0 || l->c->start_fd >= 0)
		return r;
	return sync_wait_exec(&l->child.sync, err);
}

/* clang-format off */
static const struct step create_steps[] = {
	{ NULL, plan, NULL, "container planned" },
	{ "linux.namespaces", open_namespaces, NULL },
	{ NULL, check, NULL },
	{ NULL, open_sources, NULL, "mount sources opened" },
	{ NULL, find_filter, NULL },
	{ "start init", start, NULL, "init cloned" },
	{ NULL, move_devices, bring_devices_back },
	{ NULL, record, NULL },
	{ NULL, delegate, NULL },
	{ NULL, make_filter, NULL, "seccomp filter made" },
	{ NULL, run_hooks, NULL, "hooks of the host done" },
	{ NULL, send_filter, NULL },
	{ NULL, forward_listener, NULL },
	{ NULL, await_ready, NULL, "init ready" },
};
/* clang-format on */

int engine_create(const struct engine_container *c, pid_t *ret_pid, struct error *err)
{
	struct launch l = { .c = c, .net_devices = NET_DEVICES_INIT, .child = CHILD_INIT };
	int r;

	l.net_devices.linux_ = &c->config->linux_;
	l.child.cgroup = c->cgroup;
	l.child.plan = &l.plan.process;
	l.child.on_pid = c->on_pid;
	l.child.ctx = c->ctx;
	r = steps_run(create_steps, ARRAY_SIZE(create_steps), &l, err);
	if (r == 0)
		*ret_pid = steal_pid(&l.child.pid);
	child_done(&l.child);
	net_devices_done(&l.net_devices);
	rootfs_close_sources(&l.sources);
	namespaces_close(&l.plan.namespaces);
	container_plan_done(&l.plan);
	return r;
}
