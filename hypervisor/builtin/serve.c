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
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define CLIENT_TIMEOUT_MS 5000
#define REQUEST_MAX 64

struct server {
	struct loop *loop;
	struct machine *machine;
	void (*on_quit)(void *ctx, const char *reason);
	void *ctx;

	int listen_fd;
	struct loop_source *listening;

	/* The one that is served. */
	int client_fd; /* -1: none */
	int state_fd;  /* that came with the request; -1: none */
	struct loop_source *client, *timer;
	char request[REQUEST_MAX];
	size_t len;
	void (*when_paused)(struct server *s); /* NULL: it does not wait for that */
};

static void let_go(struct server *s)
{
	loop_remove(steal_ptr(&s->client));
	loop_remove(steal_ptr(&s->timer));
	close_fdp(&s->client_fd);
	close_fdp(&s->state_fd);
	s->client_fd = s->state_fd = -1;
	s->len = 0;
	s->when_paused = NULL;
	loop_set_events(s->listening, EPOLLIN);
}

/* An answer is smaller than any socket's buffer. */
static void answer(struct server *s, const char *text)
{
	(void)!send(s->client_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	let_go(s);
}

static void refuse(struct server *s, const struct error *err)
{
	cleanup_free char *text = xasprintf(BUILTIN_ERROR "%d %s\n", -err->code, err->msg);

	answer(s, text);
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

static void answer_ok(struct server *s)
{
	answer(s, BUILTIN_OK);
}

static void await_pause(struct server *s, void (*then)(struct server *s))
{
	if (machine_is_paused(s->machine)) {
		then(s);
		return;
	}
	s->when_paused = then;
	machine_pause(s->machine);
}

static bool refuse_blank(struct server *s)
{
	struct error err = ERROR_INIT;

	if (!machine_is_blank(s->machine))
		return false;
	error_set(&err, -EBUSY, "the machine waits for the state of a saved one");
	refuse(s, &err);
	return true;
}

static void serve_pause(struct server *s)
{
	await_pause(s, answer_ok);
}

static void serve_resume(struct server *s)
{
	if (refuse_blank(s))
		return;
	if (machine_is_paused(s->machine))
		machine_resume(s->machine);
	answer(s, BUILTIN_OK);
}

static enum hv_saved what_of(const struct server *s)
{
	return strstr(s->request, " devices") ? HV_SAVED_DEVICES : HV_SAVED_ALL;
}

static void save_now(struct server *s)
{
	struct error err = ERROR_INIT;

	if (machine_save(s->machine, what_of(s), s->state_fd, &err) < 0)
		refuse(s, &err);
	else
		answer(s, BUILTIN_OK);
}

static void serve_save(struct server *s)
{
	if (!refuse_blank(s))
		await_pause(s, save_now);
}

/* What could not be restored is of no use to anybody. */
static void serve_restore(struct server *s)
{
	struct error err = ERROR_INIT;

	if (!machine_is_blank(s->machine)) {
		error_set(&err, -EBUSY, "the machine runs already");
		refuse(s, &err);
		return;
	}
	if (machine_restore(s->machine, what_of(s), s->state_fd, &err) == 0) {
		machine_resume(s->machine);
		answer(s, BUILTIN_OK);
		return;
	}
	log_warning("%s", err.msg);
	refuse(s, &err);
	s->on_quit(s->ctx, err.msg);
}

static void serve_quit(struct server *s)
{
	answer(s, BUILTIN_OK);
	s->on_quit(s->ctx, "the VMM was told to end over its control socket");
}

/* clang-format off */
static const struct {
	const char *request;
	void (*serve)(struct server *s);
	bool has_state;
} requests[] = {
	{ "query\n", serve_query },
	{ "pause\n", serve_pause },
	{ "resume\n", serve_resume },
	{ "quit\n", serve_quit },
	{ BUILTIN_SAVE_ALL, serve_save, true },
	{ BUILTIN_SAVE_DEVICES, serve_save, true },
	{ BUILTIN_RESTORE_ALL, serve_restore, true },
	{ BUILTIN_RESTORE_DEVICES, serve_restore, true },
};
/* clang-format on */

static void serve(struct server *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!streq(s->request, requests[i].request) ||
		    requests[i].has_state != (s->state_fd >= 0))
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
	int state_fd = -1;
	size_t count = 1;
	ssize_t n = recv_fds(fd, s->request + s->len, sizeof(s->request) - 1 - s->len, &state_fd,
			     &count);

	if (n <= 0 || s->when_paused || (count && s->state_fd >= 0)) {
		close_fdp(&state_fd);
		let_go(s);
		return;
	}
	if (count)
		s->state_fd = state_fd;
	s->len += (size_t)n;
	s->request[s->len] = '\0';
	if (strchr(s->request, '\n') || s->len == sizeof(s->request) - 1)
		serve(s);
}

static void on_timeout(void *ctx)
{
	struct server *s = ctx;

	s->timer = NULL;
	if (s->when_paused)
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
	       void (*on_quit)(void *ctx, const char *reason), void *ctx, struct server **ret,
	       struct error *err)
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
		.state_fd = -1,
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
	void (*then)(struct server * s) = s->when_paused;

	s->when_paused = NULL;
	if (then)
		then(s);
}
