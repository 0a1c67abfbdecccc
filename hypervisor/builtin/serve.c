/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/serve.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/builtin/machine.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define CLIENT_TIMEOUT_MS 5000
#define REQUEST_MAX 64

struct server {
	struct loop *loop;
	struct machine *machine;
	void (*on_quit)(void *ctx);
	void *ctx;

	int listen_fd;
	struct loop_source *listening;

	/* The one that is served. */
	int client_fd; /* -1: none */
	struct loop_source *client, *timer;
	char request[REQUEST_MAX];
	size_t len;
	bool awaits_pause;
};

static void let_go(struct server *s)
{
	loop_remove(steal_ptr(&s->client));
	loop_remove(steal_ptr(&s->timer));
	close_fdp(&s->client_fd);
	s->client_fd = -1;
	s->len = 0;
	s->awaits_pause = false;
	loop_set_events(s->listening, EPOLLIN);
}

/* An answer is smaller than any socket's buffer. */
static void answer(struct server *s, const char *text)
{
	(void)!send(s->client_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	let_go(s);
}

static void add_disks(struct strbuf *text, const struct hv_metrics *metrics)
{
	for (size_t i = 0; i < metrics->disks_count; i++) {
		const struct hv_disk_metrics *disk = &metrics->disks[i];

		strbuf_addf(text, "disk %s %llu %llu %llu %llu\n", disk->id,
			    (unsigned long long)disk->read_bytes,
			    (unsigned long long)disk->written_bytes,
			    (unsigned long long)disk->reads, (unsigned long long)disk->writes);
	}
}

static void add_exits(struct strbuf *text, const struct hv_metrics *metrics)
{
	for (size_t i = 0; i < HV_EXIT_COUNT; i++)
		strbuf_addf(text, "exits %s %llu\n", names_get(&hv_exit_names, i),
			    (unsigned long long)metrics->exits[i]);
}

static void serve_query(struct server *s)
{
	const bool is_paused = machine_is_paused(s->machine);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct hv_metrics metrics;

	machine_measure(s->machine, &metrics);
	strbuf_addf(&text, BUILTIN_OK "state %s\nvcpus %u\nmemory %llu\n",
		    names_get(&hv_state_names, is_paused ? HV_STATE_PAUSED : HV_STATE_RUNNING),
		    metrics.vcpus, (unsigned long long)metrics.memory_bytes);
	add_exits(&text, &metrics);
	add_disks(&text, &metrics);
	answer(s, text.buf);
}

static void serve_pause(struct server *s)
{
	if (machine_is_paused(s->machine)) {
		answer(s, BUILTIN_OK);
		return;
	}
	s->awaits_pause = true;
	machine_pause(s->machine);
}

static void serve_resume(struct server *s)
{
	if (machine_is_paused(s->machine))
		machine_resume(s->machine);
	answer(s, BUILTIN_OK);
}

static void serve_quit(struct server *s)
{
	answer(s, BUILTIN_OK);
	s->on_quit(s->ctx);
}

/* clang-format off */
static const struct {
	const char *request;
	void (*serve)(struct server *s);
} requests[] = {
	{ "query\n", serve_query },
	{ "pause\n", serve_pause },
	{ "resume\n", serve_resume },
	{ "quit\n", serve_quit },
};
/* clang-format on */

static void serve(struct server *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!streq(s->request, requests[i].request))
			continue;
		requests[i].serve(s);
		return;
	}
	answer(s, BUILTIN_ERROR "95 the VMM has no such request\n");
}

/* While a request is under way nothing more is read; who goes meanwhile is let go. */
static void on_client(void *ctx, int fd, uint32_t events)
{
	struct server *s = ctx;
	ssize_t n = recv(fd, s->request + s->len, sizeof(s->request) - 1 - s->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || s->awaits_pause) {
		let_go(s);
		return;
	}
	s->len += (size_t)n;
	s->request[s->len] = '\0';
	if (strchr(s->request, '\n') || s->len == sizeof(s->request) - 1)
		serve(s);
}

static void on_timeout(void *ctx)
{
	struct server *s = ctx;

	s->timer = NULL;
	if (s->awaits_pause)
		machine_resume(s->machine);
	answer(s, BUILTIN_ERROR "110 the VMM cannot do it in time\n");
}

static void on_connection(void *ctx, int listen_fd, uint32_t events)
{
	struct server *s = ctx;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return; /* it has gone again */
	s->client_fd = fd;
	loop_set_events(s->listening, 0);
	if (loop_add_fd(s->loop, fd, EPOLLIN, on_client, s, &s->client) < 0) {
		let_go(s);
		return;
	}
	s->timer = loop_add_timer(s->loop, CLIENT_TIMEOUT_MS, on_timeout, s);
}

int server_new(struct loop *loop, int listen_fd, struct machine *machine,
	       void (*on_quit)(void *ctx), void *ctx, struct server **ret, struct error *err)
{
	struct server *s = xcalloc(1, sizeof(*s));
	int r;

	*s = (struct server){
		.loop = loop,
		.machine = machine,
		.on_quit = on_quit,
		.ctx = ctx,
		.listen_fd = listen_fd,
		.client_fd = -1,
	};
	r = loop_add_fd(loop, listen_fd, EPOLLIN, on_connection, s, &s->listening);
	if (r < 0) {
		free(s);
		return error_sys(err, r, "serve the control socket");
	}
	*ret = s;
	return 0;
}

void server_on_paused(struct server *s)
{
	if (s->awaits_pause)
		answer(s, BUILTIN_OK);
}
