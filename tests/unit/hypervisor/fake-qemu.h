/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fake-vmm.h"

/* Of QEMU's QMP: it greets whoever connects. A rule's answer is what stands before the id, such as
 * "\"return\": {}", or one of: */
#define FAKE_SILENCE "silence"
#define FAKE_DEATH "death"
#define FAKE_GARBAGE "garbage"

#define FAKE_GREETING                                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}},"         \
	" \"capabilities\": [\"oob\"]}}\r\n"

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

static inline void fake_serve_qmp(int fd, int heard, const char *greeting,
				  const struct fake_rule *rules)
{
	FILE *in = fdopen(fd, "r");
	char line[4096];

	fake_say(fd, greeting);
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

/* What no rule fits is answered well. @greeting may be "". */
static inline void fake_qemu_start(struct fake_vmm *f, const char *greeting,
				   const struct fake_rule *rules)
{
	fake_vmm_start(f, fake_serve_qmp, greeting, rules);
}
