/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/path.h"
#include "lib/base/rfc3339.h"
#include "lib/base/steps.h"
#include "lib/container/creation.h"
#include "lib/container/isolation.h"
#include "lib/container/notify.h"
#include "lib/container/preserved.h"
#include "lib/container/report.h"
#include "lib/linux/selfexe.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * The order matters to whoever kills us half-way: nothing exists before the record that names it
 * does, so `delete --force` finds it; and nothing is told to the caller before it is true.
 */

static int check_preserved(void *ctx, struct error *err)
{
	return preserved_check(((struct creation *)ctx)->request.preserved_fds, err);
}

/* What runs natively is made by a copy of this program, which begins again from here: so as early
 * as it is known. */
static int set_isolation(struct creation *creation, int isolation, struct error *err)
{
	const struct container_create_request *request = &creation->request;
	int r = container_find_backend(isolation, &creation->backend, err);

	if (r < 0)
		return r;
	creation->c->record.isolation = isolation;
	if (isolation != ISOLATION_NATIVE || !request->argv)
		return 0;
	return selfexe_protect(request->argv, err);
}

static int choose_isolation_early(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	int isolation;
	int r = isolation_choose_early(creation->request.isolation, program_invocation_short_name,
				       &isolation, err);

	return r < 0 || isolation < 0 ? r : set_isolation(creation, isolation, err);
}

static int choose_isolation(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	const struct container_create_request *request = &creation->request;
	int isolation, r;

	if (creation->backend)
		return 0;
	r = isolation_choose(creation->c->config, request->allowed_annotations,
			     request->configured_isolation, &isolation, err);
	return r < 0 ? r : set_isolation(creation, isolation, err);
}

static int resolve_bundle(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	const char *given = creation->request.bundle ? creation->request.bundle : ".";
	char *bundle = realpath(given, NULL);

	if (!bundle)
		return error_sys(err, errno, "bundle '%s'", given);
	creation->c->record.bundle = bundle;
	return 0;
}

static int read_config(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	struct container *c = creation->c;
	const char *wanted = creation->request.config_path;
	cleanup_free char *path =
		wanted ? xstrdup(wanted) : xasprintf("%s/config.json", c->record.bundle);
	int r = read_file_at(AT_FDCWD, path, OCI_CONFIG_MAX_BYTES, &creation->config_text,
			     &creation->config_len);

	if (r < 0)
		return error_sys(err, r, "open '%s'", path);
	r = oci_config_parse("config.json", creation->config_text, creation->config_len, &c->config,
			     err);
	if (r == 0)
		r = oci_annotations_apply(c->config, creation->request.ignored_annotations, err);
	if (r < 0)
		return r;
	if (!c->config->process)
		return error_set(err, -EINVAL, "config.json: process: missing");
	return 0;
}

static char *format_now(void)
{
	char text[RFC3339_SIZE];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	rfc3339_format(now.tv_sec, now.tv_nsec, text);
	return xstrdup(text);
}

static int fill_record(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	struct container *c = creation->c;
	const char *rootfs = c->config->root.path;

	c->record.version = RECORD_VERSION;
	c->record.id = xstrdup(c->id);
	c->record.phase = RECORD_CREATING;
	c->record.created = format_now();
	c->record.owner = geteuid();
	c->record.has_terminal = c->config->process->terminal;
	c->record.has_no_keyring = creation->request.no_new_keyring;
	c->record.ignored_annotations = strv_copy(creation->request.ignored_annotations);
	if (rootfs && *rootfs != '/') {
		cleanup_free char *joined = xasprintf("%s/%s", c->record.bundle, rootfs);

		c->record.rootfs = path_clean(joined);
	} else if (rootfs) {
		c->record.rootfs = path_clean(rootfs);
	}
	return 0;
}

/* A relayed terminal is ready before the program can look at it: its size is ours. */
static int decide_start(void *ctx, struct error *err)
{
	struct creation *creation = ctx;

	if (creation->c->record.has_terminal && !creation->is_detached &&
	    !creation->request.restore)
		creation->request.runs_at_once = false;
	return 0;
}

static int open_console(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	const struct console_request request = {
		.has_terminal = creation->c->record.has_terminal,
		.is_detached = creation->is_detached,
		.socket_path = creation->request.console_socket,
		.socket_fd = creation->request.console_fd,
	};

	return console_open(&request, &creation->console, err);
}

static void remove_state(void *ctx)
{
	struct creation *creation = ctx;
	struct error err = ERROR_INIT;

	if (creation->has_place && state_dir_remove(creation->c->dir, &err) < 0)
		log_warning("undo: %s", err.msg);
	creation->has_place = false;
}

static int write_state(struct creation *creation, struct error *err)
{
	struct container *c = creation->c;
	int r = container_save(c, err);

	if (r < 0)
		return r;
	r = write_atomic_at(state_dir_fd(c->dir), "config.json", creation->config_text,
			    creation->config_len, 0600);
	return r < 0 ? error_sys(err, r, "write '%s/config.json'", state_dir_path(c->dir)) : 0;
}

static int make_state(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	struct container *c = creation->c;
	int r = state_dir_create(c->root, c->id, &c->dir, err);

	if (r < 0)
		return r;
	creation->has_place = true;
	container_keep_log(c);
	r = write_state(creation, err);
	if (r < 0)
		remove_state(creation);
	return r;
}

static int open_notify(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	int r = notify_prepare(creation->c, err);

	/* A restored program has said that it is ready, or will to nobody. */
	if (creation->request.restore)
		return r;
	return r == 0 && creation->is_run ? notify_open(creation->c, &creation->notify, err) : r;
}

static void destroy_container(void *ctx)
{
	struct creation *creation = ctx;
	struct error err = ERROR_INIT;

	if (container_destroy(creation->c, &err) < 0)
		log_warning("undo: %s", err.msg);
}

static int make(struct creation *creation, struct error *err)
{
	const struct container_create_request *request = &creation->request;
	const struct container_backend *backend = creation->backend;
	int console = creation->console.container_end;

	if (!request->restore)
		return backend->create(creation->c, request, console, &creation->pid, err);
	return backend->restore(creation->c, request, console, &creation->pid, err);
}

static int make_container(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	int r = make(creation, err);

	kill_reap_pid(&creation->c->holder);
	/* Its hooks may have run, and those that clean up after them belong to them. */
	if (r < 0)
		container_run_poststop(creation->c);
	return r;
}

static int mark_created(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	struct container *c = creation->c;

	c->record.phase = RECORD_CREATED;
	log_info("%s: isolation %s, process %d", creation->request.restore ? "restored" : "created",
		 names_get(&isolation_names, (size_t)c->record.isolation), (int)creation->pid);
	return container_save(c, err);
}

static int run_poststart(void *ctx, struct error *err)
{
	struct creation *creation = ctx;

	return creation->request.runs_at_once ? container_run_poststart(creation->c, err) : 0;
}

static int tell_caller(void *ctx, struct error *err)
{
	struct creation *creation = ctx;
	const char *receiver = oci_annotation(creation->c->config, "run.oci.pidfd_receiver");
	const struct report report = {
		.pid_file = creation->request.pid_file,
		.pidfd_socket =
			creation->request.pidfd_socket ? creation->request.pidfd_socket : receiver,
		.kind = "standard",
	};

	return report_process(&report, creation->pid, err);
}

/* Without names: what they say is clear without "record: " in front. */
static const struct step steps[] = {
	{ NULL, check_preserved, NULL },
	{ NULL, choose_isolation_early, NULL },
	{ NULL, resolve_bundle, NULL },
	{ NULL, read_config, NULL, "configuration read" },
	{ NULL, choose_isolation, NULL },
	{ NULL, fill_record, NULL },
	{ NULL, decide_start, NULL },
	/* Before there is any state: a bad command line leaves nothing to undo. */
	{ NULL, open_console, NULL },
	{ NULL, make_state, remove_state, "state directory made" },
	{ NULL, open_notify, NULL },
	{ NULL, make_container, destroy_container, "container made" },
	{ NULL, mark_created, NULL },
	{ NULL, run_poststart, NULL },
	{ NULL, tell_caller, NULL },
};

int creation_run(struct creation *creation, struct error *err)
{
	const struct container_create_request *request = &creation->request;
	int r = state_check_id(request->id, err);

	if (r < 0)
		return r;
	creation->is_run = request->runs_at_once;
	creation->c = xcalloc(1, sizeof(*creation->c));
	creation->c->root = xstrdup(request->root);
	creation->c->id = xstrdup(request->id);
	creation->c->is_lenient = request->is_lenient;
	creation->c->uses_systemd = request->uses_systemd;
	return steps_run(steps, ARRAY_SIZE(steps), creation, err);
}

void creation_done(struct creation *creation)
{
	console_done(&creation->console);
	notify_free(creation->notify);
	free(creation->config_text);
	container_close(creation->c);
}

int container_create(const struct container_create_request *request, pid_t *ret_pid,
		     struct error *err)
{
	cleanup_creation struct creation creation = {
		.request = *request,
		.is_detached = true,
		.console = CONSOLE_INIT,
	};
	int r = creation_run(&creation, err);

	if (r == 0 && ret_pid)
		*ret_pid = creation.pid;
	return r;
}
