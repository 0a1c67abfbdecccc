/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <poll.h>

#include "fake-vmm.h"

/* Of a REST interface: method, path and body are a line each of what it hears, and a rule's text is
 * in the first. A rule's answer is one of HTTP as it is, or one of: */
#define FAKE_SILENCE "silence" /* it never answers */
#define FAKE_CLOSE "close"     /* it hangs up instead */
#define FAKE_DEATH "death"     /* it ends */
#define FAKE_FLOOD "flood"     /* an answer without an end */

#define FAKE_SERVER "Server: fake\r\nConnection: keep-alive\r\n"
#define FAKE_DONE "HTTP/1.1 204 \r\n" FAKE_SERVER "\r\n"

/* An answer with @body, for free(3). */
static inline char *fake_body(int status, const char *body)
{
	return xasprintf("HTTP/1.1 %d \r\n" FAKE_SERVER
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 status, strlen(body), body);
}

static inline void fake_flood(int fd)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
}

static inline void fake_answer(int fd, const char *answer)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (streq(answer, FAKE_DEATH))
		_exit(0);
	if (streq(answer, FAKE_SILENCE))
		(void)poll(&pfd, 1, -1); /* until the other side has had enough */
	else if (streq(answer, FAKE_FLOOD))
		fake_flood(fd);
	else if (!streq(answer, FAKE_CLOSE))
		(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

/* A request whole; what is behind its head is its body, in one piece from our own client. */
static inline void fake_request(int fd, int heard, const struct fake_rule *rules)
{
	cleanup_free char *line = NULL, *note = NULL;
	char text[16384] = "";
	size_t len = 0;
	const char *body = NULL;
	ssize_t n;

	while (!body && len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			return;
		len += (size_t)n;
		text[len] = '\0';
		body = strstr(text, "\r\n\r\n");
	}
	line = xstrndup(text, strcspn(text, "\r"));
	*strstr(line, " HTTP/1.1") = '\0';
	note = xasprintf("%s%s%s\n", line, body && body[4] ? " " : "", body ? body + 4 : "");
	(void)write_all(heard, note, strlen(note));
	while (rules->text && !strstr(line, rules->text))
		rules++;
	fake_answer(fd, rules->text ? rules->answer : FAKE_DONE);
}

static inline void fake_serve_rest(int fd, int heard, const char *greeting,
				   const struct fake_rule *rules)
{
	fake_request(fd, heard, rules);
	close(fd);
}

static inline _Noreturn void fake_rest_run(int listening, int heard, const struct fake_rule *rules)
{
	fake_vmm_run(listening, heard, fake_serve_rest, NULL, rules);
}

/* What no rule fits is done without a word. */
static inline void fake_rest_start(struct fake_vmm *f, const struct fake_rule *rules)
{
	fake_vmm_start(f, fake_serve_rest, NULL, rules);
}
