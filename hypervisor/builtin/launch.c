/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/builtin/confine.h"
#include "hypervisor/builtin/files.h"
#include "hypervisor/builtin/machine.h"
#include "hypervisor/builtin/serve.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The VMM is a child of its owner's, which goes on without another program: it keeps the
 * descriptors of its machine, and of its owner's memory what it is made of. It ends by _exit():
 * nothing that its owner registered for its own end is the child's to do.
 */
struct vmm {
	const struct hv_config *config;
	struct loop *loop;
	struct machine *machine;
	struct server *server;
	int watch_fd;
};

/* The owner may have gone, or be busy: it is told as far as that is possible. */
static void say(const struct vmm *v, const char *word, const char *text)
{
	char line[BUILTIN_LINE_MAX];
	int len = snprintf(line, sizeof(line), "%s%s\n", word, text);

	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	(void)!send(v->watch_fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static _Noreturn void finish(const struct vmm *v, const char *reason, int status)
{
	say(v, BUILTIN_END, reason);
	_exit(status);
}

static void on_guest_end(void *ctx, const char *reason)
{
	finish(ctx, reason, 0);
}

static void on_quit(void *ctx, const char *reason)
{
	finish(ctx, reason, 0);
}

static void on_paused(void *ctx)
{
	const struct vmm *v = ctx;

	if (v->server)
		server_on_paused(v->server);
}

static int serve(struct vmm *v, struct error *err)
{
	if (v->config->control_fd < 0)
		return 0;
	return server_new(v->loop, v->config->control_fd, v->machine, on_quit, v, &v->server, err);
}

static uint64_t kept_rights(const struct hv_config *config)
{
	return config->share == HV_SHARE_NONE ? 0 : files_capabilities();
}

/* All that takes a name or a right; what is wrong with it, launch() says. */
static int prepare(void *ctx, struct error *err)
{
	struct vmm *v = ctx;
	struct machine_options options = {
		.config = v->config,
		.confine_vcpu = confine_vcpu,
		.on_end = on_guest_end,
		.on_paused = on_paused,
		.ctx = v,
	};
	int r = loop_new(&v->loop);

	if (r < 0)
		return error_sys(err, r, "make the event loop");
	options.loop = v->loop;
	r = machine_new(&options, &v->machine, err);
	if (r == 0)
		r = serve(v, err);
	return r < 0 ? r : confine_process(kept_rights(v->config), err);
}

/* The owner goes on meanwhile, and hears of what fails as of any other end. */
static _Noreturn void run(void *ctx)
{
	struct vmm *v = ctx;
	struct error err = ERROR_INIT;
	int r = machine_serve_files(v->machine, confine_files, &err);

	if (r == 0)
		r = confine_rights(0, &err);
	if (r == 0)
		r = machine_load(v->machine, &err);
	if (r == 0)
		r = confine_loop(&err);
	if (r < 0)
		finish(v, err.msg, EXIT_FAILURE);
	say(v, BUILTIN_READY, "");
	if (!machine_is_blank(v->machine))
		machine_resume(v->machine);
	r = loop_run(v->loop);
	finish(v, "the VMM's event loop ended", r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* The VMM's; a network interface's packets are carried by itself. */
#define MAX_FDS (4 + HV_DISKS_MAX + HV_NICS_MAX)

static size_t inherited(const struct hv_config *c, int ret[static MAX_FDS])
{
	size_t n = 0;

	ret[n++] = c->watch_fd;
	ret[n++] = c->console_fd;
	if (c->control_fd >= 0)
		ret[n++] = c->control_fd;
	if (c->memory)
		ret[n++] = c->memory->fd;
	for (size_t i = 0; i < c->disks_count; i++)
		ret[n++] = c->disks[i].fd;
	for (size_t i = 0; i < c->nics_count; i++)
		ret[n++] = c->nics[i].fd;
	return n;
}

static int launch(const struct hv_config *config, int log_fd, struct hv_vm *ret, struct error *err)
{
	struct vmm vmm = { .config = config, .watch_fd = config->watch_fd };
	const struct hv_fork fork = { "moat-vmm", prepare, run, &vmm };
	cleanup_strv char **plan = NULL;
	int fds[MAX_FDS];
	int r = builtin_plan(config, &plan, err);

	if (r < 0)
		return r;
	r = hv_fork(&fork, fds, inherited(config, fds), log_fd, ret, err);
	return r < 0 ? error_wrap(err, r, "start the built-in VMM") : 0;
}

/* It is wherever we are; what a saved machine was made by has a name and changes with it. */
static int find_program(enum hv_arch arch, const char *root, char **ret, struct error *err)
{
	char *path = realpath("/proc/self/exe", NULL);

	(void)arch;
	(void)root;
	if (!path)
		return error_sys(err, errno, "find the running program");
	*ret = path;
	return 0;
}

const struct hypervisor hypervisor_builtin = {
	.name = "builtin",
	.socket = "builtin.sock",
	.features = BUILTIN_FEATURES,
	.find_program = find_program,
	.plan = builtin_plan,
	.launch = launch,
	.watch = builtin_watch,
	.unwatch = builtin_unwatch,
	.drain = builtin_drain,
	.is_heard = builtin_is_heard,
	.query = builtin_query,
	.pause = builtin_pause,
	.resume = builtin_resume,
	.power_down = builtin_power_down,
	.quit = builtin_quit,
	.plug = builtin_plug,
	.unplug = builtin_unplug,
	.resize = builtin_resize,
	.save = builtin_save,
	.restore = builtin_restore,
	.metrics = builtin_metrics,
};
