/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/container/container.h"
#include "lib/metrics/metrics.h"

#define REQUEST_MAX 8192
#define REQUEST_TIMEOUT_MS 5000

struct values {
	bool is_http;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "http", 0, OPTION_FLAG, offsetof(struct values, is_http), NULL, NULL, "answer one HTTP request on standard input, as a socket unit of systemd's passes it" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int make_text(const char *root, const char *id, struct strbuf *ret, struct error *err)
{
	cleanup_metrics struct metrics *m = metrics_new();
	int r = container_metrics(root, id, m, err);

	if (r == 0)
		metrics_write(m, ret);
	return r < 0 && id ? error_wrap(err, r, "'%s'", id) : r;
}

/* Up to the empty line: a client that is answered before it has said all may miss the answer. */
static int read_request(char *buf, struct error *err)
{
	long long deadline = now_ms() + REQUEST_TIMEOUT_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
		long long left = deadline - now_ms();
		ssize_t n = left > 0 ? poll(&pfd, 1, (int)left) : 0;

		if (n == 0)
			return error_set(err, -ETIMEDOUT, "read request: it is not whole in time");
		if (n > 0)
			n = read(STDIN_FILENO, buf + len, REQUEST_MAX - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read request");
		len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, "\r\n\r\n") || strstr(buf, "\n\n"))
			return 0;
		if (n == 0)
			return error_set(err, -EBADMSG, "read request: it ends too soon");
		if (len == REQUEST_MAX)
			return error_set(err, -EMSGSIZE, "read request: it is too long");
	}
}

static int answer(const char *status, const char *type, const char *text, struct error *err)
{
	cleanup_free char *answer = xasprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\n"
					      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
					      status, type, strlen(text), text);
	int r = write_all(STDOUT_FILENO, answer, strlen(answer));

	return r < 0 ? error_sys(err, r, "write answer") : 0;
}

static int refuse(const char *status, struct error *err)
{
	cleanup_free char *text = xasprintf("%s\n", status);

	return answer(status, "text/plain; charset=utf-8", text, err);
}

static bool is_path(const char *rest)
{
	size_t len = rest ? strcspn(rest, " ?\r\n") : 0;

	return len == strlen("/metrics") && strncmp(rest, "/metrics", len) == 0;
}

static int serve(const char *root, const char *id, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char request[REQUEST_MAX + 1] = "";
	struct error reason = ERROR_INIT;
	const char *rest;
	int r = read_request(request, err);

	if (r < 0)
		return r;
	rest = str_after(request, "GET ");
	if (!rest)
		return refuse("405 Method Not Allowed", err);
	if (!is_path(rest))
		return refuse("404 Not Found", err);
	r = make_text(root, id, &text, &reason);
	if (r == 0)
		return answer("200 OK", "text/plain; version=0.0.4; charset=utf-8",
			      text.len ? text.buf : "", err);
	(void)refuse("500 Internal Server Error", NULL); /* the first error is the one to tell */
	if (err)
		*err = reason;
	return r;
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r;

	if (values->is_http)
		return serve(globals->root, args[0], err);
	r = make_text(globals->root, args[0], &text, err);
	if (r == 0 && text.len)
		fputs(text.buf, stdout);
	return r;
}

const struct command metrics_command = {
	.name = "metrics",
	.summary = "show metrics of one sandbox or all, as Prometheus reads them",
	.arguments = "[ID]",
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "metrics",
	.run = run,
};
