/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/container/vm-sandbox.h"
#include "lib/criu/criu.h"
#include "lib/sandbox/companions.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/image.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/shim.h"
#include "lib/sandbox/vm.h"
#include "oci/config.h"

/*
 * A container's virtual machine as files: its state (memory and devices), its disk, what it is made
 * of. The container is frozen first, so that all it had written has left the guest, and thawed when
 * it goes on, here or elsewhere. Then the channel to the agent rests: the agent is at the beginning
 * of a frame, where another host can tell it that there is another one.
 */

/* By which podman knows a checkpoint that is complete: CRIU's list of what there is. Nobody reads
 * ours. */
#define INVENTORY_NAME "inventory.img"

struct saving {
	struct container *c;
	const struct criu_options *options;
	int (*freeze)(struct container *c, bool frozen, struct error *err);
	char *vm_dir, *control;
	const struct hypervisor *driver;
	int image_fd, shim_fd;
};

static void saving_done(struct saving *s)
{
	close_fdp(&s->image_fd);
	close_fdp(&s->shim_fd);
	free(s->vm_dir);
	free(s->control);
}

/* --- what cannot be ----------------------------------------------------------------------- */

int vm_checkpoint_check(const struct criu_options *options, bool is_pre_dump, struct error *err)
{
	const struct {
		const char *name;
		bool is_given;
	} refused[] = {
		{ "pre-dump", is_pre_dump },
		{ "parent-path", options->parent_path },
		{ "page-server", options->page_server },
		{ "lazy-pages", options->lazy_pages },
		{ "empty-ns", options->empty_namespaces && *options->empty_namespaces },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].is_given)
			return error_set(err, -EOPNOTSUPP,
					 "option '--%s': a virtual machine is saved as a whole",
					 refused[i].name);
	return 0;
}

static int refuse_others(const struct container *c, struct error *err)
{
	cleanup_strv char **ids = NULL;
	int r = state_list(c->root, &ids, err);

	if (r < 0)
		return r;
	strv_each(id, ids) {
		cleanup_state_dir struct state_dir *dir = NULL;
		cleanup_record struct record record = { 0 };

		if (!streq(id, c->id) && state_dir_open(c->root, id, &dir, NULL) == 0 &&
		    record_read(dir, &record, NULL) == 0 && streq_null(record.sandbox, c->id))
			return error_set(err, -EBUSY,
					 "container '%s' is in the same virtual machine", id);
	}
	return 0;
}

static int check(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	const struct container *c = s->c;
	int r = hypervisor_running(s->vm_dir, &s->driver, &s->control, err);

	if (r < 0)
		return r;
	if (!(s->driver->features & HV_FEATURE_SAVE))
		return error_set(err, -EOPNOTSUPP, "a virtual machine of %s cannot be saved",
				 s->driver->name);
	if (s->options->leave_running && (s->driver->features & HV_FEATURE_SAVE_HANGS_UP))
		return error_set(
			err, -EOPNOTSUPP,
			"option '--leave-running': a virtual machine of %s loses its "
			"connections when it is saved\nhint: it goes on by 'restore' alone",
			s->driver->name);
	if (!streq_null(c->record.sandbox, c->id))
		return error_set(
			err, -EOPNOTSUPP,
			"it runs in the virtual machine of '%s', and is saved with that alone",
			c->record.sandbox);
	if (files_are_shared(s->vm_dir))
		return error_set(
			err, -EOPNOTSUPP,
			"a virtual machine that shares files with the host cannot be "
			"saved\nhint: with vm.share 'none' in moat.json one shares nothing");
	if (faccessat(state_dir_fd(c->dir), IMAGE_NAME, F_OK, 0) < 0)
		return error_set(err, -EOPNOTSUPP,
				 "a virtual machine with a disk of the host's cannot be saved");
	return refuse_others(c, err);
}

/* --- saving ------------------------------------------------------------------------------- */

static int open_image(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	int r = mkdir_parents(s->options->image_path, 0700);

	if (r < 0)
		return error_sys(err, r, "make '%s'", s->options->image_path);
	s->image_fd = open(s->options->image_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->image_fd < 0 ? error_sys(err, errno, "open '%s'", s->options->image_path) : 0;
}

/* The shape comes last, so that without it there is nothing that could be restored. */
static void drop_files(void *ctx)
{
	const struct saving *s = ctx;

	(void)unlinkat(s->image_fd, SHAPE_NAME, 0); /* none was made yet */
	(void)unlinkat(s->image_fd, INVENTORY_NAME, 0);
	(void)unlinkat(s->image_fd, SHAPE_STATE_NAME, 0);
	(void)remove_tree_at(s->image_fd, SHAPE_STATE_NAME); /* one of several files */
	(void)unlinkat(s->image_fd, SHAPE_DISK_NAME, 0);
}

static int begin_files(void *ctx, struct error *err)
{
	drop_files(ctx);
	return 0;
}

/* What is known of the size: the disk as far as it is used, and the memory if all is written. */
static int check_room(void *ctx, struct error *err)
{
	const struct saving *s = ctx;
	struct hv_status status = { .memory_bytes = 0 };
	struct statvfs fs;
	struct stat disk;
	uint64_t wanted, free_bytes;
	int r = 0;

	if (s->driver->features & HV_FEATURE_SAVE_FILES)
		r = s->driver->query(s->control, &status, err);
	if (r < 0)
		return r;
	if (fstatat(state_dir_fd(s->c->dir), IMAGE_NAME, &disk, 0) < 0)
		return error_sys(err, errno, "look at '" IMAGE_NAME "'");
	if (fstatvfs(s->image_fd, &fs) < 0)
		return error_sys(err, errno, "look at '%s'", s->options->image_path);
	wanted = status.memory_bytes + (uint64_t)disk.st_blocks * 512;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (!fs.f_blocks || wanted <= free_bytes) /* some have no size */
		return 0;
	return error_set(err, -ENOSPC,
			 "no room in '%s': %llu MiB are needed, %llu MiB are free\n"
			 "hint: --image-path chooses another directory",
			 s->options->image_path, (unsigned long long)wanted >> 20,
			 (unsigned long long)free_bytes >> 20);
}

static int freeze(void *ctx, struct error *err)
{
	struct saving *s = ctx;

	return s->freeze(s->c, true, err);
}

static void thaw(void *ctx)
{
	struct saving *s = ctx;
	struct error err = ERROR_INIT;

	if (s->freeze(s->c, false, &err) < 0)
		log_warning("resume '%s': %s", s->c->id, err.msg);
}

static int hold_channel(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	cleanup_free char *path = xasprintf("%s/" COMPANIONS_SOCKET, s->vm_dir);
	int r = companion_connect(path, &s->shim_fd, err);

	return r < 0 ? r : companion_hold(s->shim_fd, err);
}

static void release_channel(void *ctx)
{
	struct saving *s = ctx;

	close_fdp(&s->shim_fd);
	s->shim_fd = -1;
}

static int make_file(const struct saving *s, const char *name, int *ret_fd, struct error *err)
{
	*ret_fd = openat(s->image_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_sys(err, errno, "make '%s/%s'", s->options->image_path, name)
			   : 0;
}

static int make_directory(const struct saving *s, const char *name, int *ret_fd, struct error *err)
{
	if (mkdirat(s->image_fd, name, 0700) < 0)
		return error_sys(err, errno, "make '%s/%s'", s->options->image_path, name);
	*ret_fd = openat(s->image_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? error_sys(err, errno, "open '%s/%s'", s->options->image_path, name)
			   : 0;
}

/* It stays paused, also when it failed half-way. */
static int save_state(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	cleanup_fd int fd = -1;
	const bool has_files = s->driver->features & HV_FEATURE_SAVE_FILES;
	int r = (has_files ? make_directory : make_file)(s, SHAPE_STATE_NAME, &fd, err);

	if (r == 0)
		r = s->driver->save(s->control, HV_SAVED_ALL, fd, err);
	if (r < 0)
		(void)s->driver->resume(s->control, NULL); /* the first error counts */
	return r;
}

static void resume(void *ctx)
{
	const struct saving *s = ctx;
	struct error err = ERROR_INIT;

	if (s->driver->resume(s->control, &err) < 0)
		log_warning("resume the virtual machine: %s", err.msg);
}

static int save_disk(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	cleanup_fd int from = openat(state_dir_fd(s->c->dir), IMAGE_NAME, O_RDONLY | O_CLOEXEC);
	cleanup_fd int to = -1;
	int r;

	if (from < 0)
		return error_sys(err, errno, "open '" IMAGE_NAME "'");
	r = make_file(s, SHAPE_DISK_NAME, &to, err);
	if (r < 0)
		return r;
	progress_at("saving the disk", 0, 0);
	r = image_pack(from, to);
	return r < 0 ? error_sys(err, r, "copy the disk") : 0;
}

static int save_config(const struct saving *s, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(state_dir_fd(s->c->dir), "config.json", OCI_CONFIG_MAX_BYTES, &text,
			     &len);

	if (r == 0)
		r = write_atomic_at(s->image_fd, "config.json", text, len, 0600);
	return r < 0 ? error_sys(err, r, "copy 'config.json'") : 0;
}

/* What it is by now: `start` may have given it a network, `update` a size. */
static int note_changes(const struct saving *s, struct shape *shape, struct error *err)
{
	cleanup_fd int fd = vm_open_network(s->c);
	struct hv_status status;
	char **nics = NULL;
	int r = s->driver->query(s->control, &status, err);

	if (r == 0)
		r = shape_note_size(shape, &status, err);
	if (r == 0 && fd < 0)
		r = error_sys(err, fd, "open its network namespace");
	if (r == 0)
		r = sandbox_network_addresses(fd, &nics, err);
	if (r < 0)
		return r;
	strv_free(shape->nics);
	shape->nics = nics;
	return 0;
}

static int save_shape(void *ctx, struct error *err)
{
	struct saving *s = ctx;
	cleanup_fd int vm_fd = open(s->vm_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_shape struct shape shape = { 0 };
	int r = save_config(s, err);

	if (r < 0)
		return r;
	if (vm_fd < 0)
		return error_sys(err, errno, "open '%s'", s->vm_dir);
	r = shape_read(vm_fd, &shape, err);
	if (r == 0)
		r = note_changes(s, &shape, err);
	if (r == 0)
		r = shape_write(s->image_fd, &shape, err);
	if (r < 0)
		return r;
	r = write_atomic_at(s->image_fd, INVENTORY_NAME, "", 0, 0600);
	return r < 0 ? error_sys(err, r, "write '" INVENTORY_NAME "'") : 0;
}

static const struct step steps[] = {
	{ NULL, check },
	{ NULL, open_image },
	{ NULL, begin_files, drop_files },
	{ NULL, check_room },
	{ "freeze", freeze, thaw },
	{ "agent", hold_channel, release_channel },
	{ "virtual machine", save_state, resume },
	{ "disk", save_disk },
	{ NULL, save_shape },
};

int vm_checkpoint(struct container *c, const struct criu_options *options,
		  int (*freeze_fn)(struct container *c, bool frozen, struct error *err),
		  struct error *err)
{
	CLEANUP(saving_done)
	struct saving s = {
		.c = c,
		.options = options,
		.freeze = freeze_fn,
		.vm_dir = xasprintf("%s/" SHIM_VM_DIR, state_dir_path(c->dir)),
		.image_fd = -1,
		.shim_fd = -1,
	};
	int r;

	r = steps_run(steps, ARRAY_SIZE(steps), &s, err);
	progress_clear();
	if (r < 0 || !options->leave_running)
		return r;
	resume(&s);
	release_channel(&s);
	thaw(&s);
	return 0;
}
