/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/fs.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* Of the descriptors that a process may have, some are for all the rest. */
#define RESERVED 256
#define DESCRIPTORS_MAX (1 << 18)

struct files {
	struct loop *loop;
	int self_fd; /* the device's */
	int (*confine)(struct error *err);

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool has_begun;
	struct error error; /* why it has not */
};

#define CAP(name) (UINT64_C(1) << CAP_##name)

uint64_t files_capabilities(void)
{
	return CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP) |
	       CAP(MKNOD);
}

/* Each file that the guest knows is a descriptor of ours. */
static unsigned int raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return RESERVED;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* else there are fewer */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > DESCRIPTORS_MAX + RESERVED)
		return DESCRIPTORS_MAX;
	return limit.rlim_cur > 2 * RESERVED ? (unsigned int)limit.rlim_cur - RESERVED : RESERVED;
}

static int make_device(const char *path, const char *tag, struct files *f,
		       struct virtio_device **ret, struct error *err)
{
	cleanup_fd int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), self = -1;
	struct virtio_fs_options options = { .tag = tag, .descriptors_max = raise_limit() };
	int r;

	if (root < 0)
		return error_sys(err, errno, "open '%s'", path);
	r = virtio_fs_open_self(&self);
	if (r < 0)
		return error_sys(err, r, "open '/proc/self/fd'");
	options.root_fd = root;
	options.self_fd = self;
	r = virtio_fs_new(&options, ret, err);
	if (r < 0)
		return r;
	(void)steal_fd(&root);
	f->self_fd = steal_fd(&self);
	return 0;
}

int files_new(const char *path, const char *tag, struct files **ret,
	      struct virtio_device **ret_device, struct error *err)
{
	struct files *f = xcalloc(1, sizeof(*f));
	int r = loop_new(&f->loop);

	pthread_mutex_init(&f->lock, NULL); /* cannot fail on Linux, as the next */
	pthread_cond_init(&f->changed, NULL);
	if (r < 0)
		(void)error_sys(err, r, "make an event loop");
	else
		r = make_device(path, tag, f, ret_device, err);
	if (r < 0) {
		files_free(f);
		return error_wrap(err, r, "shared directory");
	}
	*ret = f;
	return 0;
}

void files_free(struct files *f)
{
	if (!f)
		return;
	loop_free(f->loop);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct loop *files_loop(const struct files *f)
{
	return f->loop;
}

static void say_begun(struct files *f, const struct error *error)
{
	pthread_mutex_lock(&f->lock);
	f->has_begun = true;
	f->error = *error;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void *serve(void *ctx)
{
	struct files *f = ctx;
	struct error err = ERROR_INIT;
	int r = virtio_fs_enter(f->self_fd, &err);

	if (r == 0)
		r = f->confine(&err);
	say_begun(f, &err);
	if (r < 0)
		return NULL;
	(void)loop_run(f->loop);
	/* Its guest would wait for ever. */
	_exit(EXIT_FAILURE);
}

int files_start(struct files *f, int (*confine)(struct error *err), struct error *err)
{
	pthread_t thread;
	int r;

	f->confine = confine;
	r = pthread_create(&thread, NULL, serve, f);
	if (r != 0)
		return error_sys(err, r, "start the thread that serves files");
	(void)pthread_detach(thread); /* it ends with the process */
	pthread_mutex_lock(&f->lock);
	while (!f->has_begun)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
	if (f->error.code < 0 && err)
		*err = f->error;
	return f->error.code < 0 ? f->error.code : 0;
}
