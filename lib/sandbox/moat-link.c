/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/moat-link.h"

#include <errno.h>
#include <sys/epoll.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/sandbox/rendezvous.h"

#define RECORD_TIMEOUT_MS 60000

static void on_message(void *ctx, int fd, uint32_t events)
{
	struct moat_link *link = ctx;
	cleanup_free char *text = NULL;
	enum rendezvous_message message;
	int code, r = rendezvous_receive(fd, &message, &code, &text);

	if (r == -EAGAIN)
		return;
	if (r == 0 && message == RENDEZVOUS_RECORDED) {
		link->is_recorded = true;
		return;
	}
	loop_remove(link->source);
	link->source = NULL;
	if (!link->is_recorded)
		loop_quit(link->loop, -ECANCELED);
}

int moat_link_open(struct moat_link *link, struct loop *loop, int fd, struct error *err)
{
	int r = set_nonblock(fd, true);

	*link = (struct moat_link){ .loop = loop, .fd = fd };
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_message, link, &link->source);
	return r < 0 ? error_sys(err, r, "watch the rendezvous") : 0;
}

int moat_link_await(struct moat_link *link, struct error *err)
{
	int r = loop_run_until(link->loop, &link->is_recorded, RECORD_TIMEOUT_MS);

	return r < 0 ? error_set(err, -ECANCELED, "moat died before 'recorded'") : 0;
}
