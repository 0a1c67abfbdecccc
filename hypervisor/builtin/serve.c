/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/serve.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/builtin/machine.h"
#include "hypervisor/counters.h"
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
	struct loop_source *client, *timer;
	char request[REQUEST_MAX];
	size_t len;
	int passed_fd;			       /* what came with it; -1: nothing */
	bool saves_devices;		       /* not its memory */
	void (*when_paused)(struct server *s); /* NULL: it does not wait for that */
};

static void let_go(struct server *s)
{
	loop_remove(steal_ptr(&s->client));
	loop_remove(steal_ptr(&s->timer));
	close_fdp(&s->client_fd);
	close_fdp(&s->passed_fd);
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

static void serve_query(struct server *s, char *const *words)
{
	const bool is_paused = machine_is_paused(s->machine);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct hv_metrics metrics;

	machine_measure(s->machine, &metrics);
	strbuf_addf(&text, BUILTIN_OK "state %s\nvcpus %u\nmemory %llu\n",
		    names_get(&hv_state_names, is_paused ? HV_STATE_PAUSED : HV_STATE_RUNNING),
		    metrics.vcpus, (unsigned long long)metrics.memory_bytes);
	hv_counters_write(&metrics, &text);
	answer(s, text.buf);
}

static void finish(struct server *s, int r, const struct error *err)
{
	if (r < 0)
		refuse(s, err);
	else
		answer(s, BUILTIN_OK);
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

static void serve_pause(struct server *s, char *const *words)
{
	await_pause(s, answer_ok);
}

static void serve_resume(struct server *s, char *const *words)
{
	if (refuse_blank(s))
		return;
	if (machine_is_paused(s->machine))
		machine_resume(s->machine);
	answer(s, BUILTIN_OK);
}

static enum hv_saved what_of(const struct server *s)
{
	return s->saves_devices ? HV_SAVED_DEVICES : HV_SAVED_ALL;
}

/* "save all", "restore devices" */
static int take_saved(struct server *s, const char *word, struct error *err)
{
	s->saves_devices = streq(word, "devices");
	if (s->passed_fd >= 0)
		return 0;
	return error_set(err, -EBADF, "no descriptor came with it");
}

static void save_now(struct server *s)
{
	struct error err = ERROR_INIT;

	finish(s, machine_save(s->machine, what_of(s), s->passed_fd, &err), &err);
}

static void serve_save(struct server *s, char *const *words)
{
	struct error err = ERROR_INIT;

	if (refuse_blank(s))
		return;
	if (take_saved(s, words[1], &err) < 0)
		refuse(s, &err);
	else
		await_pause(s, save_now);
}

/* What could not be restored is of no use to anybody. */
static void serve_restore(struct server *s, char *const *words)
{
	struct error err = ERROR_INIT;
	int r = take_saved(s, words[1], &err);

	if (r == 0 && !machine_is_blank(s->machine))
		r = error_set(&err, -EBUSY, "the machine runs already");
	if (r < 0) {
		refuse(s, &err);
		return;
	}
	if (machine_restore(s->machine, what_of(s), s->passed_fd, &err) == 0) {
		machine_resume(s->machine);
		answer(s, BUILTIN_OK);
		return;
	}
	log_warning("%s", err.msg);
	refuse(s, &err);
	s->on_quit(s->ctx, err.msg);
}

static void serve_quit(struct server *s, char *const *words)
{
	answer(s, BUILTIN_OK);
	s->on_quit(s->ctx, "the VMM was told to end over its control socket");
}

/* Ids come from whoever may open the socket, and are checked as if they did not. */
static void serve_plug(struct server *s, char *const *words)
{
	const bool is_readonly = streq(words[2], "ro");
	struct error err = ERROR_INIT;
	int r = hv_check_disk_id(words[1], &err);

	if (r == 0 && s->passed_fd < 0)
		r = error_set(&err, -EBADF, "no descriptor came with it");
	if (r == 0)
		r = machine_plug(s->machine, words[1], s->passed_fd, is_readonly, &err);
	if (r == 0)
		s->passed_fd = -1;
	finish(s, r, &err);
}

static void serve_unplug(struct server *s, char *const *words)
{
	struct error err = ERROR_INIT;

	finish(s, machine_unplug(s->machine, words[1], &err), &err);
}

/* clang-format off */
static const struct {
	const char *word;
	size_t words;
	void (*serve)(struct server *s, char *const *words);
} requests[] = {
	{ "query", 1, serve_query },
	{ "pause", 1, serve_pause },
	{ "resume", 1, serve_resume },
	{ "quit", 1, serve_quit },
	{ "plug", 3, serve_plug },
	{ "unplug", 2, serve_unplug },
	{ "save", 2, serve_save },
	{ "restore", 2, serve_restore },
};
/* clang-format on */

static void serve(struct server *s)
{
	const size_t len = strcspn(s->request, "\n");
	cleanup_free char *line = xstrndup(s->request, len);
	cleanup_strv char **words = strv_split(line, ' ');
	struct error err = ERROR_INIT;

	for (size_t i = 0; s->request[len] && i < ARRAY_SIZE(requests); i++) {
		if (!streq(words[0], requests[i].word) || strv_len(words) != requests[i].words)
			continue;
		requests[i].serve(s, words);
		return;
	}
	error_set(&err, -ENOTSUP, "the VMM has no such request");
	refuse(s, &err);
}

/* While a request is under way nothing more is read; who goes meanwhile is let go. */
static void on_client(void *ctx, int fd, uint32_t events)
{
	struct server *s = ctx;
	size_t count = s->passed_fd < 0;
	ssize_t n = recv_fds(fd, s->request + s->len, sizeof(s->request) - 1 - s->len,
			     &s->passed_fd, &count);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0 || s->when_paused) {
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
	struct error err = ERROR_INIT;

	s->timer = NULL;
	if (s->when_paused)
		machine_resume(s->machine);
	error_set(&err, -ETIMEDOUT, "the VMM cannot do it in time");
	refuse(s, &err);
}

static void on_connection(void *ctx, int listen_fd, uint32_t events)
{
	struct server *s = ctx;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

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
		.passed_fd = -1,
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
