/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/rest.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/str.h"

#define HEAD_END "\r\n\r\n"

const struct json_limits rest_limits = {
	.max_bytes = REST_BODY_MAX,
	.max_depth = 32,
	.max_values = 50000,
};

/* --- an answer ----------------------------------------------------------------------------- */

/* "HTTP/1.1 204 No Content"; of the version these servers have only two. */
static int parse_status(const char *line, unsigned int *ret)
{
	const char *rest = str_after(line, "HTTP/1.");
	unsigned int status = 0;

	if (!rest || (*rest != '0' && *rest != '1') || rest[1] != ' ')
		return -EPROTO;
	rest += 2;
	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)rest[i]))
			return -EPROTO;
		status = status * 10 + (unsigned int)(rest[i] - '0');
	}
	if (rest[3] && rest[3] != ' ')
		return -EPROTO;
	*ret = status;
	return 0;
}

static const char *header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

/* A body whose length is said otherwise is one that no VMM sends. */
static int parse_header(const char *line, struct rest_head *head)
{
	const char *length = header_value(line, "content-length");
	uint64_t value;

	if (header_value(line, "transfer-encoding"))
		return -EPROTO;
	if (!length)
		return 0;
	if (parse_u64(length, &value) < 0)
		return -EPROTO;
	if (value > REST_BODY_MAX)
		return -EMSGSIZE;
	head->body_len = value;
	return 0;
}

int rest_head_parse(const char *text, size_t len, struct rest_head *ret, struct error *err)
{
	struct rest_head head = { 0 };
	cleanup_free char *copy = NULL;
	cleanup_strv char **lines = NULL;
	int r;

	if (len > REST_HEAD_MAX || memchr(text, '\0', len))
		return error_set(err, -EPROTO, "not an answer of HTTP");
	copy = xstrndup(text, len);
	lines = strv_split(copy, '\n');
	strv_each(line, lines) {
		size_t end = strlen(line);

		if (end && line[end - 1] == '\r')
			line[end - 1] = '\0';
	}
	r = parse_status(lines[0], &head.status);
	for (size_t i = 1; r == 0 && lines[i] && *lines[i]; i++)
		r = parse_header(lines[i], &head);
	if (r == -EMSGSIZE)
		return error_set(err, -EPROTO, "an answer of more than %u bytes", REST_BODY_MAX);
	if (r < 0)
		return error_set(err, -EPROTO, "not an answer of HTTP");
	*ret = head;
	return 0;
}

static int add_word(void *ctx, const struct json_event *event, struct error *err)
{
	struct strbuf *words = ctx;

	if (event->type == JSON_STRING)
		strbuf_addf(words, "%s%s", words->len ? ": " : "", event->text);
	return 0;
}

/* Cloud Hypervisor sends a list of reasons, the outermost first, Firecracker one in an object. */
char *rest_words(const char *body, size_t len)
{
	cleanup_strbuf struct strbuf words = STRBUF_INIT;

	if (json_parse("answer", body, len, &rest_limits, add_word, &words, NULL) == 0 && words.len)
		return strbuf_steal(&words);
	return len ? xstrndup(body, len) : xstrdup("no reason given");
}

/* --- a conversation ------------------------------------------------------------------------ */

struct talk {
	int fd;
	int alive_fd;
	long long deadline;
	struct strbuf in;
};

static void end_talk(struct talk *talk)
{
	close_fdp(&talk->fd);
	strbuf_done(&talk->in);
}
#define cleanup_talk CLEANUP(end_talk)

/* Until there is something to do; what has arrived is read before the VMM's end is believed. */
static int await(const struct talk *talk, short events)
{
	struct pollfd pfds[] = {
		{ .fd = talk->fd, .events = events },
		{ .fd = talk->alive_fd, .events = POLLIN },
	};
	long long left = talk->deadline - now_ms();
	int n = poll(pfds, ARRAY_SIZE(pfds), left > 0 ? (int)left : 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ETIMEDOUT;
	return pfds[0].revents ? 0 : -EPIPE;
}

/* What goes with descriptors is smaller than any socket's buffer. */
static int send_all(const struct talk *talk, const struct rest_request *q, const char *text,
		    size_t len)
{
	if (q->fds_count) {
		ssize_t n = send_fds(talk->fd, text, len, q->fds, q->fds_count);

		if (n < 0)
			return n == -ECONNRESET ? -EPIPE : (int)n;
		text += n;
		len -= (size_t)n;
	}
	while (len) {
		ssize_t n = send(talk->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n > 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		r = await(talk, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive_some(struct talk *talk, size_t at_most)
{
	char buf[4096];
	ssize_t n =
		recv(talk->fd, buf, at_most < sizeof(buf) ? at_most : sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		strbuf_add(&talk->in, buf, (size_t)n);
	if (n > 0)
		return 0;
	if (n == 0 || errno == ECONNRESET)
		return -EPIPE;
	return errno == EAGAIN || errno == EINTR ? await(talk, POLLIN) : -errno;
}

static int receive_head(struct talk *talk, struct rest_head *ret, size_t *ret_len,
			struct error *err)
{
	const char *end = NULL;
	int r = 0;

	while (!end) {
		if (talk->in.len >= REST_HEAD_MAX)
			return error_set(err, -EPROTO, "not an answer of HTTP");
		r = receive_some(talk, REST_HEAD_MAX - talk->in.len);
		if (r < 0)
			return r;
		if (talk->in.len)
			end = memmem(talk->in.buf, talk->in.len, HEAD_END, strlen(HEAD_END));
	}
	*ret_len = (size_t)(end - talk->in.buf) + strlen(HEAD_END);
	return rest_head_parse(talk->in.buf, *ret_len, ret, err);
}

static int receive(struct talk *talk, struct rest_head *head, size_t *ret_body, struct error *err)
{
	int r = receive_head(talk, head, ret_body, err);

	while (r == 0 && talk->in.len < *ret_body + head->body_len)
		r = receive_some(talk, *ret_body + head->body_len - talk->in.len);
	return r;
}

static char *format_request(const struct rest_request *q)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
		    q->method, q->path);
	if (q->body)
		strbuf_addf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			    strlen(q->body));
	strbuf_addf(&text, "\r\n%s", q->body ? q->body : "");
	return strbuf_steal(&text);
}

static int parse(const struct rest_request *q, const char *body, size_t len,
		 const struct fields *fields, void *result, struct error *err)
{
	cleanup_free char *whole = NULL;

	if (q->member) {
		whole = xasprintf("{\"%s\":%.*s}", q->member, (int)len, body);
		body = whole;
		len = strlen(whole);
	}
	return fields_parse(fields, "answer", body, len, &rest_limits, result, err);
}

/* What the status means, in our codes. */
static int judge(const struct rest_request *q, const struct rest_head *head, const char *body,
		 const struct fields *fields, void *result, struct error *err)
{
	cleanup_free char *words = NULL;
	int r = 0;

	if (head->status < 200 || head->status >= 300) {
		words = rest_words(body, head->body_len);
		r = error_set(err, -EIO, "%.600s", words);
	} else if (fields) {
		r = parse(q, body, head->body_len, fields, result, err);
	}
	if (r < 0)
		error_sanitize(err);
	return r;
}

/* Leaf codes have no words yet. */
static int converse(struct talk *talk, const struct rest_request *q, const struct fields *fields,
		    void *result, struct error *err)
{
	cleanup_free char *text = format_request(q);
	struct error reason = ERROR_INIT;
	struct rest_head head = { 0 };
	size_t body = 0;
	int r = send_all(talk, q, text, strlen(text));

	if (r == 0)
		r = receive(talk, &head, &body, &reason);
	if (r == 0)
		return judge(q, &head, talk->in.buf + body, fields, result, err);
	if (reason.code)
		return error_set(err, r, "%s", reason.msg);
	if (r == -EPIPE)
		return error_set(err, r, "the VMM closed the connection");
	if (r == -ETIMEDOUT)
		return error_set(err, r, "no answer in %d ms", q->timeout_ms);
	return error_sys(err, r, "ask");
}

int rest_call(const char *socket, const struct rest_request *q, const struct fields *fields,
	      void *result, struct error *err)
{
	cleanup_talk struct talk talk = {
		.fd = unix_connect(socket),
		.alive_fd = q->alive_fd,
		.deadline = now_ms() + q->timeout_ms,
		.in = STRBUF_INIT,
	};
	int r;

	if (talk.fd < 0)
		return error_sys(err, talk.fd, "connect to '%s'", socket);
	r = converse(&talk, q, fields, result, err);
	return r < 0 ? error_wrap(err, r, "%s %s", q->method, q->path) : 0;
}
