/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * QEMU as far as its control socket shows: a process that greets whoever connects and answers each
 * command by the first rule whose text is in it. What it hears, it writes into a file.
 */
struct fake_rule {
	const char *text;
	const char *answer; /* what stands before the id: "\"return\": {}", or one of: */
};
#define FAKE_SILENCE "silence"
#define FAKE_DEATH "death"
#define FAKE_GARBAGE "garbage"

#define FAKE_GREETING                                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}},"         \
	" \"capabilities\": [\"oob\"]}}\r\n"

struct fake_qemu {
	char dir[32];
	char *control; /* path of its socket */
	pid_t pid;
};

static inline void fake_say(int fd, const char *text)
{
	if (write_all(fd, text, strlen(text)) < 0)
		_exit(0);
}

/* A command's own id is its last member. */
static inline int fake_id(const char *line)
{
	const char *id = NULL;

	for (const char *p = line; (p = strstr(p, "\"id\":")); p++)
		id = p;
	return id ? atoi(id + strlen("\"id\":")) : 0;
}

static inline void fake_answer(int fd, const struct fake_rule *rule, const char *line)
{
	cleanup_free char *text = NULL;

	if (streq(rule->answer, FAKE_SILENCE))
		return;
	if (streq(rule->answer, FAKE_DEATH))
		_exit(0);
	if (streq(rule->answer, FAKE_GARBAGE)) {
		fake_say(fd, "\001\002 hello {\n");
		return;
	}
	text = xasprintf("{%s, \"id\": %d}\r\n", rule->answer, fake_id(line));
	fake_say(fd, text);
}

static inline void fake_serve(int fd, int heard, const struct fake_rule *rules)
{
	FILE *in = fdopen(fd, "r");
	char line[4096];

	while (fgets(line, sizeof(line), in)) {
		const struct fake_rule *rule = rules;

		(void)write_all(heard, line, strlen(line));
		while (rule->text && !strstr(line, rule->text))
			rule++;
		if (rule->text)
			fake_answer(fd, rule, line);
		else
			fake_answer(fd, &(struct fake_rule){ "", "\"return\": {}" }, line);
	}
	(void)fclose(in);
}

/* @rules end in { NULL }; what none fits is answered well. @greeting may be "". */
static inline void fake_qemu_start(struct fake_qemu *q, const char *greeting,
				   const struct fake_rule *rules)
{
	cleanup_free char *path = NULL;
	int listening, heard;

	strcpy(q->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(q->dir));
	q->control = xasprintf("%s/qmp.sock", q->dir);
	path = xasprintf("%s/heard", q->dir);
	listening = unix_listen(q->control, 0600);
	heard = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(listening >= 0 && heard >= 0);
	q->pid = fork();
	assert_true(q->pid >= 0);
	if (q->pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody */
	for (int fd; q->pid == 0;) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0)
			_exit(1);
		fake_say(fd, greeting);
		fake_serve(fd, heard, rules);
	}
	close(listening);
	close(heard);
}

/* What it has heard so far, for free(3). */
static inline char *fake_qemu_heard(const struct fake_qemu *q)
{
	cleanup_free char *path = xasprintf("%s/heard", q->dir);
	char *text;

	assert_int_equal(read_file_at(AT_FDCWD, path, 1u << 20, &text, NULL), 0);
	return text;
}

static inline void fake_qemu_stop(struct fake_qemu *q)
{
	kill_reap_pid(&q->pid);
	assert_int_equal(remove_tree_at(AT_FDCWD, q->dir), 0);
	free(q->control);
}
