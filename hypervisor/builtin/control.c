/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/counters.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* What any process can ask of a running one. */

#define TIMEOUT_S 10
#define MOVE_TIMEOUT_S 600 /* the whole memory, on a slow disk */
#define MACHINE_NAME "builtin"

static int refused(const char *answer, struct error *err)
{
	const char *text = str_after(answer, BUILTIN_ERROR);
	const char *space = text ? strchr(text, ' ') : NULL;
	cleanup_free char *number = space ? xstrndup(text, (size_t)(space - text)) : NULL;
	uint32_t code;
	int r;

	if (!number || parse_u32(number, &code) < 0 || !code || code > 4095)
		return error_set(err, -EPROTO, "the VMM's answer makes no sense");
	r = error_set(err, -(int)code, "%.*s", (int)strcspn(space + 1, "\n"), space + 1);
	error_sanitize(err);
	return r;
}

/* @passed_fd: goes with the request; -1: none. *ret_answer: the lines behind the first. */
static int ask_with(const char *control, const char *request, int passed_fd, int timeout_s,
		    char **ret_answer, struct error *err)
{
	const struct timeval timeout = { .tv_sec = timeout_s };
	cleanup_fd int fd = unix_connect(control);
	cleanup_free char *answer = NULL;
	const char *rest;
	ssize_t sent;
	size_t len;
	int r;

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", control);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return error_sys(err, errno, "use '%s'", control);
	/* A request is smaller than any socket's buffer. */
	sent = send_fds(fd, request, strlen(request), &passed_fd, passed_fd >= 0);
	r = sent < 0 ? (int)sent : 0;
	if (r == 0)
		r = read_whole_fd(fd, BUILTIN_ANSWER_MAX, &answer, &len);
	if (r == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "the VMM does not answer");
	if (r < 0)
		return error_sys(err, r, "ask the VMM");
	rest = str_after(answer, BUILTIN_OK);
	if (!rest)
		return refused(answer, err);
	if (ret_answer)
		*ret_answer = xstrdup(rest);
	return 0;
}

static int ask(const char *control, const char *request, char **ret_answer, struct error *err)
{
	return ask_with(control, request, -1, TIMEOUT_S, ret_answer, err);
}

/* --- answers ------------------------------------------------------------------------------ */

static int take_state(struct builtin_answer *a, char *const *words)
{
	int state = names_find(&hv_state_names, words[1]);

	if (state >= 0)
		a->status.state = (enum hv_state)state;
	return state;
}

static int take_vcpus(struct builtin_answer *a, char *const *words)
{
	return parse_u32(words[1], &a->status.vcpus);
}

static int take_memory(struct builtin_answer *a, char *const *words)
{
	return parse_u64(words[1], &a->status.memory_bytes);
}

/* clang-format off */
static const struct {
	const char *word;
	size_t words;
	int (*take)(struct builtin_answer *a, char *const *words);
} lines[] = {
	{ "state", 2, take_state },
	{ "vcpus", 2, take_vcpus },
	{ "memory", 2, take_memory },
};
/* clang-format on */

/* One of a newer VMM's that we do not know is passed over. */
static int take_line(struct builtin_answer *a, const char *line)
{
	cleanup_strv char **words = strv_split(line, ' ');
	int r = hv_counters_take(words, &a->metrics);

	if (r != 0)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (streq(words[0], lines[i].word))
			return strv_len(words) == lines[i].words ? lines[i].take(a, words)
								 : -EINVAL;
	return 0;
}

int builtin_answer_parse(const char *text, struct builtin_answer *ret)
{
	struct builtin_answer answer = { .status = { .state = HV_STATE_OTHER } };
	cleanup_strv char **pieces = strv_split(text, '\n');

	strv_each(line, pieces) {
		if (*line && take_line(&answer, line) < 0)
			return -EPROTO;
	}
	answer.metrics.vcpus = answer.status.vcpus;
	answer.metrics.memory_bytes = answer.status.memory_bytes;
	*ret = answer;
	return 0;
}

static int ask_all(const char *control, struct builtin_answer *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	int r = ask(control, "query\n", &text, err);

	if (r == 0 && builtin_answer_parse(text, ret) < 0)
		r = error_set(err, -EPROTO, "the VMM's answer makes no sense");
	return r;
}

/* --- slots -------------------------------------------------------------------------------- */

int builtin_query(const char *control, struct hv_status *ret, struct error *err)
{
	struct builtin_answer answer;
	int r = ask_all(control, &answer, err);

	if (r < 0)
		return r;
	answer.status.features = BUILTIN_FEATURES;
	snprintf(answer.status.machine, sizeof(answer.status.machine), MACHINE_NAME);
	*ret = answer.status;
	return 0;
}

int builtin_metrics(const char *control, struct hv_metrics *ret, struct error *err)
{
	struct builtin_answer answer;
	int r = ask_all(control, &answer, err);

	if (r < 0)
		return r;
	*ret = answer.metrics;
	return 0;
}

int builtin_pause(const char *control, struct error *err)
{
	return ask(control, "pause\n", NULL, err);
}

int builtin_resume(const char *control, struct error *err)
{
	return ask(control, "resume\n", NULL, err);
}

int builtin_quit(const char *control, struct error *err)
{
	return ask(control, "quit\n", NULL, err);
}

static int cannot(const char *what, struct error *err)
{
	return error_set(err, -ENOTSUP, "the built-in VMM cannot %s", what);
}

int builtin_power_down(const char *control, struct error *err)
{
	return cannot("ask its guest to power off", err);
}

int builtin_plug(const char *control, const struct hv_disk *disk, struct error *err)
{
	cleanup_free char *request =
		xasprintf("plug %s %s\n", disk->id, disk->is_readonly ? "ro" : "rw");
	int r = hv_check_disk_id(disk->id, err);

	return r < 0 ? r : ask_with(control, request, disk->fd, TIMEOUT_S, NULL, err);
}

int builtin_unplug(const char *control, const char *id, struct error *err)
{
	cleanup_free char *request = xasprintf("unplug %s\n", id);
	int r = hv_check_disk_id(id, err);

	return r < 0 ? r : ask(control, request, NULL, err);
}

int builtin_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err)
{
	return cannot("be given vcpus or memory", err);
}

int builtin_save(const char *control, enum hv_saved what, int fd, struct error *err)
{
	const char *request = what == HV_SAVED_ALL ? BUILTIN_SAVE_ALL : BUILTIN_SAVE_DEVICES;
	int r = ask_with(control, request, fd, MOVE_TIMEOUT_S, NULL, err);

	return r < 0 ? error_wrap(err, r, "save") : 0;
}

int builtin_restore(const char *control, enum hv_saved what, int fd, struct error *err)
{
	const char *request = what == HV_SAVED_ALL ? BUILTIN_RESTORE_ALL : BUILTIN_RESTORE_DEVICES;
	int r = ask_with(control, request, fd, MOVE_TIMEOUT_S, NULL, err);

	return r < 0 ? error_wrap(err, r, "restore") : 0;
}
