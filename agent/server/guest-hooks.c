/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/hooks.h"

/*
 * Hooks of containers, which the host may have put into the guest's image. Those until the start
 * are the engine's; here are those that run while the agent has the container: poststart before
 * StartContainer is answered, poststop before RemoveContainer is. Both take their time, so they are
 * a worker's. Where there are hooks, there is a bundle: they may want to read the configuration.
 */
#define CONFIG "config.json"

/* which there are */

/* Executable files, in the order in which the directory gives them. */
static void add_hooks(const char *hook_path, const char *kind, struct oci_hook **hooks,
		      size_t *count)
{
	cleanup_free char *path = xasprintf("%s/%s", hook_path, kind);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct oci_hook *hook;
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
			continue;
		*hooks = xrealloc(*hooks, *count + 1, sizeof(**hooks));
		hook = &(*hooks)[(*count)++];
		*hook = (struct oci_hook){ .path = xasprintf("%s/%s", path, entry->d_name) };
		strv_push(&hook->args, xstrdup(entry->d_name));
		strv_push(&hook->args, xstrdup(kind));
	}
}

void guest_hooks_add(struct container *container)
{
	const struct agent_server *server = container->server;
	struct oci_hooks *hooks = &container->config->hooks;
	const char *path = server->sandbox.hook_path;

	if (path) {
		add_hooks(path, "prestart", &hooks->prestart, &hooks->prestart_count);
		add_hooks(path, "poststart", &hooks->poststart, &hooks->poststart_count);
		add_hooks(path, "poststop", &hooks->poststop, &hooks->poststop_count);
	}
	if (hooks->prestart_count || hooks->create_runtime_count || hooks->poststart_count ||
	    hooks->poststop_count)
		container->bundle =
			xasprintf("%s/%s", server_run_dir(&server->options), container->id);
}

int guest_hooks_make_bundle(const struct container *container, struct error *err)
{
	cleanup_free char *text = NULL;
	cleanup_fd int fd = -1;
	int r;

	if (!container->bundle)
		return 0;
	text = oci_config_text(container->config, false);
	r = mkdir_parents(container->bundle, 0755);
	if (r == 0) {
		fd = open(container->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : write_atomic_at(fd, CONFIG, text, strlen(text), 0644);
	}
	return r < 0 ? error_sys(err, r, "write '%s/" CONFIG "'", container->bundle) : 0;
}

void guest_hooks_remove_bundle(struct container *container)
{
	cleanup_free char *bundle = steal_ptr(&container->bundle);
	cleanup_free char *path = NULL;

	if (!bundle)
		return;
	path = xasprintf("%s/" CONFIG, bundle);
	(void)unlink(path);
	(void)rmdir(bundle); /* a storage may still have something in there */
}

/* running them */

struct hook_run {
	struct agent_server *server;
	char *id;
	struct container *container;
	struct rpc_call *calls;
};

static int run(const struct container *container, const char *kind, struct error *err)
{
	const struct oci_hooks *hooks = &container->config->hooks;
	bool is_last = streq(kind, "poststop");
	const struct hooks_context context = {
		.kind = kind,
		.id = container->id,
		.bundle = container->bundle,
		.annotations = &container->config->annotations,
		.pid = is_last ? 0 : container->init->pid,
		.status = is_last ? OCI_STATUS_STOPPED : OCI_STATUS_RUNNING,
	};

	if (!is_last)
		return hooks_run(&context, hooks->poststart, hooks->poststart_count, err);
	for (size_t i = 0; i < hooks->poststop_count; i++) {
		/* One by one: the first that fails would end a list. */
		if (hooks_run(&context, &hooks->poststop[i], 1, err) < 0)
			log_warning("container '%s': %s", container->id, err->msg);
	}
	return 0;
}

static struct hook_run *new_run(struct container *container)
{
	struct hook_run *h = xcalloc(1, sizeof(*h));

	*h = (struct hook_run){
		.server = container->server,
		.id = xstrdup(container->id),
		.container = container,
	};
	return h;
}

static void drop(void *ctx, const struct worker_result *result)
{
	struct hook_run *h = ctx;

	free(h->id);
	free(h);
}

/* poststart: the container may be removed before its turn comes, or meanwhile */

static int begin_start(void *ctx, struct error *err)
{
	struct hook_run *h = ctx;

	h->container = container_find(h->server, h->id, err);
	return h->container ? 0 : err->code;
}

static int run_start(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct hook_run *h = ctx;

	return run(h->container, "poststart", &result->err);
}

static void finish_start(void *ctx, const struct worker_result *result)
{
	struct hook_run *h = ctx;

	rpc_finish_all(&h->calls, &result->err);
	drop(h, result);
}

static const struct worker_task start_task = {
	"poststart hooks", begin_start, run_start, finish_start, drop,
};

int guest_hooks_after_start(struct container *container, const struct rpc_call *call)
{
	struct hook_run *h;

	if (!container->config->hooks.poststart_count)
		return 0;
	h = new_run(container);
	(void)rpc_wait(call, &h->calls);
	worker_add(container->server, &start_task, h);
	return RPC_LATER;
}

/* poststop: the container stays until they have run */

static int run_stop(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct hook_run *h = ctx;
	struct error err = ERROR_INIT;

	return run(h->container, "poststop", &err);
}

static void finish_stop(void *ctx, const struct worker_result *result)
{
	struct container *container = ((struct hook_run *)ctx)->container;

	drop(ctx, result);
	container->stop_hooks = STOP_HOOKS_DONE;
	container_finish_removal(container);
}

static const struct worker_task stop_task = {
	"poststop hooks", NULL, run_stop, finish_stop, drop,
};

bool guest_hooks_before_end(struct container *container)
{
	bool was_made = container->init && container->init->pid;

	if (container->stop_hooks == STOP_HOOKS_DUE && was_made &&
	    container->config->hooks.poststop_count) {
		container->stop_hooks = STOP_HOOKS_RUNNING;
		worker_add(container->server, &stop_task, new_run(container));
		return true;
	}
	return container->stop_hooks == STOP_HOOKS_RUNNING;
}
