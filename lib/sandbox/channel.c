/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define VSOCK_DEVICE "/dev/vhost-vsock"
#define FIRST_GUEST_CID 3
#define CID_TRIES 50
#define REST_MS 200

struct channel {
	struct loop *loop;
	char *address;
	void (*on_end)(void *ctx, const struct error *err);
	void *ctx;
	struct yamux *session;
	int listen_fd;
	struct loop_source *listening;
	struct loop_source *resting; /* out of descriptors */
};

enum hv_channel channel_choose(unsigned int features, const struct guest_image *guest)
{
	cleanup_fd int fd = -1;

	if (!(features & HV_FEATURE_CHANNEL_SERIAL))
		return HV_CHANNEL_HYBRID;
	if (!guest->has_vsock)
		return HV_CHANNEL_SERIAL;
	fd = open(VSOCK_DEVICE, O_RDWR | O_CLOEXEC);
	return fd < 0 ? HV_CHANNEL_SERIAL : HV_CHANNEL_VSOCK;
}

static void end_session(void *ctx, const struct error *err)
{
	struct channel *c = ctx;

	c->on_end(c->ctx, err);
}

static void on_rested(void *ctx)
{
	struct channel *c = ctx;

	c->resting = NULL;
	loop_set_events(c->listening, EPOLLIN);
}

/* The client stays in the backlog, and would be reported over and over. */
static void rest(struct channel *c)
{
	loop_set_events(c->listening, 0);
	if (!c->resting)
		c->resting = loop_add_timer(c->loop, REST_MS, on_rested, c);
}

static void on_connection(void *ctx, int listen_fd, uint32_t events)
{
	struct channel *c = ctx;
	cleanup_fd int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct error err = ERROR_INIT;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			rest(c);
		return; /* else the client has gone again */
	}
	if (yamux_open(c->session, steal_fd(&fd), &err) < 0)
		log_debug("agent channel: %s", err.msg);
}

static int serve(struct channel *c, const char *path, struct error *err)
{
	int r;

	c->listen_fd = unix_listen(path, 0600);
	if (c->listen_fd < 0)
		return error_sys(err, c->listen_fd, "listen on '%s'", path);
	r = loop_add_fd(c->loop, c->listen_fd, EPOLLIN, on_connection, c, &c->listening);
	if (r < 0)
		return error_sys(err, r, "watch '%s'", path);
	c->address = xasprintf("hvsock://%s", path);
	return 0;
}

static int open_serial(struct channel *c, const char *path, struct channel_ends *ret,
		       struct error *err)
{
	const struct yamux_handlers handlers = { .on_end = end_session, .ctx = c };
	cleanup_fd int vmm_fd = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket pair");
	vmm_fd = pair[1];
	r = yamux_new(c->loop, pair[0], true, &handlers, &c->session);
	if (r < 0)
		return error_sys(err, r, "start the yamux session");
	r = serve(c, path, err);
	if (r < 0)
		return r;
	ret->vmm_fd = steal_fd(&vmm_fd);
	return 0;
}

/* Context ids are the host's, and nobody hands them out: take one that is free. */
static int take_cid(int fd, uint32_t *ret)
{
	for (int i = 0; i < CID_TRIES; i++) {
		uint64_t cid = 0;

		if (getrandom(&cid, sizeof(uint32_t), 0) < 0)
			return -errno;
		if (cid < FIRST_GUEST_CID || cid == UINT32_MAX)
			continue;
		if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
			*ret = (uint32_t)cid;
			return 0;
		}
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

static int open_vsock(struct channel *c, const char *path, struct channel_ends *ret,
		      struct error *err)
{
	cleanup_fd int fd = open(VSOCK_DEVICE, O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open '" VSOCK_DEVICE "'");
	r = take_cid(fd, &ret->cid);
	if (r < 0)
		return error_sys(err, r, "take a vsock context id");
	c->address = xasprintf("vsock://%u", ret->cid);
	ret->vmm_fd = steal_fd(&fd);
	return 0;
}

/* Nothing of it is here. */
static int open_hybrid(struct channel *c, const char *path, struct channel_ends *ret,
		       struct error *err)
{
	c->address = xasprintf("hvsock://%s", path);
	ret->path = strstr(c->address, "://") + strlen("://");
	return 0;
}

static int (*const openers[HV_CHANNEL_COUNT])(struct channel *c, const char *path,
					      struct channel_ends *ret, struct error *err) = {
	[HV_CHANNEL_SERIAL] = open_serial,
	[HV_CHANNEL_VSOCK] = open_vsock,
	[HV_CHANNEL_HYBRID] = open_hybrid,
};

int channel_new(struct loop *loop, enum hv_channel kind, const char *path,
		void (*on_end)(void *ctx, const struct error *err), void *ctx, struct channel **ret,
		struct channel_ends *ret_ends, struct error *err)
{
	struct channel *c = xcalloc(1, sizeof(*c));
	int r;

	*c = (struct channel){ .loop = loop, .on_end = on_end, .ctx = ctx, .listen_fd = -1 };
	*ret_ends = (struct channel_ends){ .vmm_fd = -1 };
	r = openers[kind](c, path, ret_ends, err);
	if (r < 0) {
		channel_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	loop_remove(c->resting);
	loop_remove(c->listening);
	close_fdp(&c->listen_fd);
	yamux_free(c->session);
	free(c->address);
	free(c);
}

int channel_restart(struct channel *c, struct error *err)
{
	int r = c->session ? yamux_restart(c->session) : 0;

	return r < 0 ? error_sys(err, r, "restart the yamux session") : 0;
}

void channel_hold(struct channel *c, void (*on_held)(void *ctx), void *ctx)
{
	if (c->session)
		yamux_hold(c->session, on_held, ctx);
	else
		on_held(ctx);
}

void channel_release(struct channel *c)
{
	if (c->session)
		yamux_release(c->session);
}

const char *channel_address(const struct channel *c)
{
	return c->address;
}

char *channel_local_address(const char *address)
{
	const char *path = strstr(address, "://");
	const char *slash = path ? strrchr(path + strlen("://"), '/') : NULL;

	return slash ? xasprintf("%.*s://%s", (int)(path - address), address, slash + 1)
		     : xstrdup(address);
}
