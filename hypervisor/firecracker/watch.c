/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hypervisor/firecracker/counters.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* Firecracker tells of no events; but it holds the other end as long as it lives. Before that it is
 * launch()'s, which sends two descriptors: of the FIFO into which Firecracker writes what it has
 * counted, and of the directory for the sums. */
struct hv_watch {
	struct hv_watch_handlers handlers;
	struct loop *loop;
	struct loop_source *source, *counting;
	int fd, fifo_fd, dir_fd;
	bool is_told; /* by launch(); nobody else has anything to send */

	struct strbuf line;
	bool is_skipping; /* of a line that is too long */
	uint64_t serial;
	struct hv_metrics sum;
};

static void end(struct hv_watch *watch)
{
	struct error err = ERROR_INIT;

	loop_remove(steal_ptr(&watch->source));
	error_set(&err, -EPIPE, "firecracker closed the connection");
	watch->handlers.on_end(watch->handlers.ctx, &err);
}

static void take_line(struct hv_watch *watch)
{
	struct error err = ERROR_INIT;
	int r = fc_counters_add(&watch->sum, watch->line.buf, watch->line.len, &err);

	if (r == 0) {
		r = fc_counters_keep(watch->dir_fd, ++watch->serial, &watch->sum);
		if (r < 0)
			error_sys(&err, r, "write '" FC_COUNTERS_NAME "'");
	}
	error_sanitize(&err);
	if (r < 0)
		log_debug("firecracker: %s", err.msg);
}

static void take(struct hv_watch *watch, const char *data, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;

		watch->is_skipping |= watch->line.len + n > FC_COUNTERS_LINE_MAX;
		if (!watch->is_skipping)
			strbuf_add(&watch->line, data, n);
		if (!newline)
			return;
		if (!watch->is_skipping)
			take_line(watch);
		watch->is_skipping = false;
		strbuf_done(&watch->line);
		data = newline + 1;
		len -= n + 1;
	}
}

static void on_counters(void *ctx, int fd, uint32_t what)
{
	struct hv_watch *watch = ctx;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		take(watch, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		loop_remove(steal_ptr(&watch->counting)); /* it has closed it */
}

static void learn(struct hv_watch *watch, const int *fds)
{
	watch->fifo_fd = fds[0];
	watch->dir_fd = fds[1];
	if (loop_add_fd(watch->loop, watch->fifo_fd, EPOLLIN, on_counters, watch,
			&watch->counting) < 0)
		log_debug("firecracker: nobody reads its counters");
}

static void on_message(void *ctx, int fd, uint32_t what)
{
	struct hv_watch *watch = ctx;
	int fds[] = { -1, -1 };
	size_t count = watch->is_told ? 0 : ARRAY_SIZE(fds);
	char byte;
	ssize_t n = recv_fds(fd, &byte, 1, fds, &count);

	if (n > 0 && !watch->is_told && count == ARRAY_SIZE(fds)) {
		watch->is_told = true;
		learn(watch, fds);
		return;
	}
	while (count > 0)
		close(fds[--count]);
	end(watch);
}

int fc_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	     struct hv_watch **ret, struct error *err)
{
	struct hv_watch *watch = xcalloc(1, sizeof(*watch));
	int r;

	*watch = (struct hv_watch){
		.handlers = *handlers,
		.loop = loop,
		.fd = fd,
		.fifo_fd = -1,
		.dir_fd = -1,
		.line = STRBUF_INIT,
	};
	r = loop_add_fd(loop, fd, EPOLLIN, on_message, watch, &watch->source);
	if (r < 0) {
		fc_unwatch(watch);
		return error_sys(err, r, "watch the VMM");
	}
	*ret = watch;
	return 0;
}

void fc_unwatch(struct hv_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->source);
	loop_remove(watch->counting);
	close_fdp(&watch->fd);
	close_fdp(&watch->fifo_fd);
	close_fdp(&watch->dir_fd);
	strbuf_done(&watch->line);
	free(watch);
}

/* Its end shows as its process's, too. */
void fc_drain(struct hv_watch *watch)
{
	(void)watch;
}

/* launch() has talked with it. */
bool fc_is_heard(const struct hv_watch *watch)
{
	(void)watch;
	return true;
}
