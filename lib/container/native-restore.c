/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/container/backend.h"
#include "lib/container/handle.h"
#include "lib/container/native-criu.h"
#include "lib/criu/criu.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/hooks.h"
#include "lib/linux/cgroupfs.h"
#include "oci/config.h"

/*
 * CRIU runs in the container's cgroup, where its children become the container's processes, and
 * in a mount namespace of its own, in which the root is a mount point as CRIU wants it. Nothing of
 * that is left when it has ended, however it does.
 */
#define STREAMS_MAX_BYTES (64u << 10)

struct restore {
	const struct native_criu_restore *wish;
	struct criu_request request;
	size_t streams_count;
	int joined[CRIU_JOINED_COUNT];
};

static void restore_done(struct restore *r)
{
	criu_request_done(&r->request);
	for (size_t i = 0; i < CRIU_JOINED_COUNT; i++)
		close_fdp(&r->joined[i]);
}

/* --- what comes from the host ------------------------------------------------------------- */

static int name_mounts(struct restore *r, struct error *err)
{
	struct criu_mount *mounts = NULL;
	size_t count = 0;
	int result = criu_mounts_plan(r->wish->c, &mounts, &count, err);

	for (size_t i = 0; i < count; i++)
		criu_add_external(&r->request, "mnt", mounts[i].destination, mounts[i].source);
	criu_mounts_free(mounts, count);
	return result;
}

static int open_namespaces(struct restore *r, struct error *err)
{
	for (size_t i = 0; i < CRIU_JOINED_COUNT; i++) {
		const struct oci_namespace *ns =
			oci_namespace_find(r->wish->c->config, criu_joined[i].type);

		if (!ns || !ns->path)
			continue;
		r->joined[i] = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (r->joined[i] < 0)
			return error_sys(err, errno, "open namespace '%s'", ns->path);
		criu_add_inherited(&r->request, criu_joined[i].name, r->joined[i]);
	}
	return 0;
}

/* Pipes and files that were the caller's are replaced by our own standard streams. */
static int take_stream(void *ctx, const struct json_event *event, struct error *err)
{
	struct restore *r = ctx;

	if (event->type != JSON_STRING || r->streams_count >= CRIU_STREAMS_COUNT)
		return 0;
	if (str_after(event->text, "pipe:") || str_after(event->text, "file["))
		criu_add_inherited(&r->request, event->text, (int)r->streams_count);
	r->streams_count++;
	return 0;
}

static int name_streams(struct restore *r, struct error *err)
{
	static const struct json_limits limits = { STREAMS_MAX_BYTES, 2, 2 * CRIU_STREAMS_COUNT };
	cleanup_free char *path = xasprintf("%s/" CRIU_STREAMS_FILE, r->wish->options->image_path);
	cleanup_free char *text = NULL;
	size_t len;
	int result = read_file_at(AT_FDCWD, path, STREAMS_MAX_BYTES, &text, &len);

	if (result < 0)
		return error_sys(err, result, "open '%s'", path);
	return json_parse(path, text, len, &limits, take_stream, r, err);
}

/* "cpu,cpuacct", "name=systemd", or "" for version 2: as in /proc/PID/cgroup. */
static char *name_controllers(const struct cgroupfs_mount *mount)
{
	cleanup_strv char **names = NULL;

	strv_each(option, mount->options)
		if (!mount->is_v2 && cgroupfs_is_identity(option))
			strv_push(&names, xstrdup(option));
	return names ? strv_join(names, ",") : xstrdup("");
}

/* So that what was in the saved container's cgroup, whatever that was called, is in this one's. */
static int name_cgroups(struct restore *r, struct error *err)
{
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;
	int result = r->wish->cgroup ? cgroupfs_read_mounts(&mounts, &count) : 0;

	if (result < 0)
		return error_sys(err, result, "read cgroup mounts");
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *controllers = name_controllers(&mounts[i]);

		criu_add_cgroup_root(&r->request, controllers, r->wish->cgroup->path);
	}
	cgroupfs_free_mounts(mounts, count);
	return 0;
}

/* As at `create`, the process's user can open them anew; and in a user namespace its root, who
 * opens what was inherited, has rights over what belongs to a user and a group of it. What cannot
 * have another owner stays as it is. */
static void own_streams(const struct restore *r)
{
	const struct oci_config *config = r->wish->c->config;
	const struct oci_linux *linux_ = &config->linux_;
	uint32_t uid, gid;

	if (!oci_id_on_host(linux_->uid_mappings, linux_->uid_mappings_count,
			    config->process ? config->process->user.uid : 0, &uid) ||
	    !oci_id_on_host(linux_->gid_mappings, linux_->gid_mappings_count, 0, &gid))
		return;
	for (size_t i = 0; i < r->request.inherited_count; i++) {
		int fd = r->request.inherited[i].fd;

		if (fd < CRIU_STREAMS_COUNT && fchown(fd, uid, gid) < 0)
			log_debug("restore: owner of descriptor %d: %s", fd, strerror(errno));
	}
}

/* --- in the child that becomes CRIU ------------------------------------------------------- */

static int make_root(const char *root, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return error_sys(err, errno, "make mounts private");
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_sys(err, errno, "bind root '%s'", root);
	return 0;
}

static int make_layers(int fd, struct error *err)
{
	if (mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0700) < 0)
		return error_sys(err, errno, "make directories");
	return 0;
}

/*
 * Processes that are restored in a user namespace of their own open files of the image directory,
 * by then as its root; but nobody else than ours may look into that directory. So CRIU has an
 * overlay of it, of its mount namespace alone, that may be searched.
 */
static int prepare_images(void *ctx, struct error *err)
{
	const struct restore *restore = ctx;
	const char *path = restore->wish->options->image_path;
	cleanup_fd int lower = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), upper = -1;
	cleanup_free char *options = NULL;
	int r;

	if (lower < 0)
		return error_sys(err, errno, "open '%s'", path);
	if (mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=755") < 0)
		return error_sys(err, errno, "mount tmpfs on '%s'", path);
	upper = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return error_sys(err, errno, "open '%s'", path);
	r = make_layers(upper, err);
	if (r < 0)
		return r;
	options = xasprintf("lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d/upper,"
			    "workdir=/proc/self/fd/%d/work",
			    lower, upper, upper);
	if (mount("overlay", path, "overlay", MS_NODEV | MS_NOSUID | MS_NOEXEC, options) < 0)
		return error_sys(err, errno, "mount overlay on '%s'", path);
	return 0;
}

static int prepare(void *ctx, struct error *err)
{
	const struct restore *r = ctx;
	int result = r->wish->cgroup ? cgroup_attach(r->wish->cgroup, 0, false, err) : 0;

	if (result < 0)
		return result;
	for (size_t i = 0; i < CRIU_JOINED_COUNT; i++)
		if (r->joined[i] >= 0 && fcntl(r->joined[i], F_SETFD, 0) < 0)
			return error_sys(err, errno, "inherit descriptor %d", r->joined[i]);
	own_streams(r);
	return make_root(r->wish->c->record.rootfs, err);
}

/* --- while it is restored ----------------------------------------------------------------- */

static int run_hooks(const struct restore *r, struct error *err)
{
	const struct oci_hooks *hooks = &r->wish->c->config->hooks;
	struct hooks_context context =
		container_hooks_context(r->wish->c, "prestart", OCI_STATUS_CREATED);
	int result = hooks_run(&context, hooks->prestart, hooks->prestart_count, err);

	context.kind = "createRuntime";
	return result < 0 ? result
			  : hooks_run(&context, hooks->create_runtime, hooks->create_runtime_count,
				      err);
}

static int on_namespaces(const struct restore *r, pid_t pid, struct error *err)
{
	int result = r->wish->on_pid(r->wish->ctx, pid, err);

	return result < 0 ? result : run_hooks(r, err);
}

static int send_terminal(const struct restore *r, int fd, struct error *err)
{
	static const char name[] = "/dev/ptmx";
	ssize_t n;

	if (fd < 0 || r->wish->console_fd < 0)
		return error_set(err, -EINVAL, "no console socket for the saved terminal");
	n = send_fds(r->wish->console_fd, name, sizeof(name) - 1, &fd, 1);
	return n < 0 ? error_sys(err, (int)n, "send terminal to the console socket") : 0;
}

static int on_stage(void *ctx, const char *stage, pid_t pid, int fd, struct error *err)
{
	const struct restore *r = ctx;

	if (streq(stage, "setup-namespaces"))
		return on_namespaces(r, pid, err);
	if (streq(stage, "orphan-pts-master"))
		return send_terminal(r, fd, err);
	return 0;
}

static int describe(struct restore *r, struct error *err)
{
	int result = name_mounts(r, err);

	if (result == 0)
		result = open_namespaces(r, err);
	if (result == 0)
		result = name_streams(r, err);
	return result < 0 ? result : name_cgroups(r, err);
}

int native_criu_restore(const struct native_criu_restore *wish, pid_t *ret_pid, struct error *err)
{
	const bool has_own_ids = wish->c->config->linux_.uid_mappings_count > 0;
	CLEANUP(restore_done) struct restore r = {
		.wish = wish,
		.joined = { -1, -1 },
		.request = {
			.deed = CRIU_RESTORE,
			.options = wish->options,
			.root = wish->c->record.rootfs,
			.is_sibling = true,
			.inherits_terminal = wish->options->shell_job && wish->console_fd < 0,
			.prepare = prepare,
			.prepare_images = has_own_ids ? prepare_images : NULL,
			.on_stage = on_stage,
		},
	};
	int result = describe(&r, err);

	r.request.ctx = &r;
	return result < 0 ? result : criu_run(&r.request, ret_pid, err);
}
