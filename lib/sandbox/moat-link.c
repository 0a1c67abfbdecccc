/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/moat-link.h"

#include <errno.h>
#include <sys/epoll.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/sandbox/rendezvous.h"

/* Hooks of the caller run in between. */
#define ANSWER_TIMEOUT_MS 600000

static void on_message(void *ctx, int fd, uint32_t events)
{
	struct moat_link *link = ctx;
	cleanup_free char *text = NULL;
	enum rendezvous_message message;
	int code, r = rendezvous_receive(fd, &message, &code, &text);

	if (r == -EAGAIN)
		return;
	if (r == 0 && (message == RENDEZVOUS_HOOKED || message == RENDEZVOUS_RECORDED)) {
		link->has[message] = true;
		return;
	}
	loop_remove(link->source);
	link->source = NULL;
	close_fdp(&link->fd);
	link->fd = -1;
	if (!link->has[RENDEZVOUS_RECORDED])
		loop_quit(link->loop, -ECANCELED);
}

int moat_link_open(struct moat_link *link, struct loop *loop, int fd, struct error *err)
{
	int r;

	*link = (struct moat_link){ .loop = loop, .fd = fd };
	r = set_nonblock(fd, true);
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_message, link, &link->source);
	return r < 0 ? error_sys(err, r, "watch the rendezvous") : 0;
}

int moat_link_tell(const struct moat_link *link, enum rendezvous_message message, const char *text,
		   struct error *err)
{
	int r = link->fd < 0 ? -EPIPE : rendezvous_send(link->fd, message, text);

	return r < 0 ? error_sys(err, r, "report to moat") : 0;
}

void moat_link_fail(struct moat_link *link, struct error *failure)
{
	error_sanitize(failure);
	if (link->fd >= 0)
		(void)rendezvous_send_failure(link->fd, failure); /* nobody else to tell */
}

int moat_link_await(struct moat_link *link, enum rendezvous_message message, struct error *err)
{
	int r = loop_run_until(link->loop, &link->has[message], ANSWER_TIMEOUT_MS);

	return r < 0 ? error_set(err, -ECANCELED, "moat died before '%s'", rendezvous_name(message))
		     : 0;
}
