/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/criu/message.h"
#include "lib/linux/signals.h"

/*
 * `criu swrk FD` serves one client on FD, a socket that keeps message boundaries, and ends with it.
 * Whoever kills us ends the connection, and CRIU undoes what it has begun when it next speaks to
 * us; so it is not made to die with us, which would leave processes half-saved.
 *
 * Descriptors in a request are looked up in the process that has made the pair of sockets. That is
 * the one that becomes CRIU, so that its directories are of its own mount namespace: CRIU mounts in
 * them.
 */
#define PROGRAM "criu"
#define ANSWER_MAX (64u << 10)
#define LOG_MAX (256u << 20)

struct service {
	const struct criu_request *request;
	const char *work_path;
	struct criu_places places; /* descriptors of the child's */
	int fd;
	pid_t pid;
};

static const char *const log_names[] = {
	[CRIU_DUMP] = "dump.log",
	[CRIU_RESTORE] = "restore.log",
	[CRIU_PRE_DUMP] = "dump.log",
};

/* --- the child that becomes CRIU ---------------------------------------------------------- */

/* child → caller, with the caller's end of the connection; once more if execve(2) fails. */
struct report {
	struct error failure;
	int images_fd;
	int work_fd;
};

static int open_directory(const char *path, bool is_made, int *ret, struct error *err)
{
	int r = is_made ? mkdir_parents(path, 0700) : 0;

	if (r < 0)
		return error_sys(err, r, "make '%s'", path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? error_sys(err, errno, "open '%s'", path) : 0;
}

static int inherit(int fd, struct error *err)
{
	if (fcntl(fd, F_SETFD, 0) < 0)
		return error_sys(err, errno, "inherit descriptor %d", fd);
	return 0;
}

static int open_places(const struct service *s, struct report *report, struct error *err)
{
	const struct criu_request *request = s->request;
	const bool is_made = request->deed != CRIU_RESTORE;
	int r = open_directory(s->work_path, true, &report->work_fd, err);

	if (r == 0 && request->prepare_images)
		r = request->prepare_images(request->ctx, err);
	if (r == 0)
		r = open_directory(request->options->image_path, is_made, &report->images_fd, err);
	if (r == 0)
		r = inherit(report->images_fd, err);
	if (r == 0)
		r = inherit(report->work_fd, err);
	if (r == 0 && request->options->status_fd)
		r = inherit(request->options->status_fd, err);
	return r;
}

static int make_connection(int reporter, const struct report *report, int *ret_fd,
			   struct error *err)
{
	ssize_t n;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a pair of sockets");
	n = send_fds(reporter, report, sizeof(*report), &pair[0], 1);
	if (n < 0)
		return error_sys(err, (int)n, "hand over the connection");
	close(pair[0]);
	*ret_fd = pair[1];
	return inherit(pair[1], err);
}

static int execute(const struct service *s, int fd, struct error *err)
{
	const char *wanted = s->request->options->program;
	const char *program = wanted ? wanted : PROGRAM;
	cleanup_free char *number = xasprintf("%d", fd);

	execlp(program, program, "swrk", number, (char *)NULL);
	return error_sys(err, errno, "execute '%s'", program);
}

__attribute__((noreturn)) static void become_criu(const struct service *s, int reporter)
{
	struct report report = { .images_fd = -1, .work_fd = -1 };
	struct error *err = &report.failure;
	int fd = -1, r = 0;

	signals_reset();
	if (s->request->prepare)
		r = s->request->prepare(s->request->ctx, err);
	if (r == 0)
		r = open_places(s, &report, err);
	if (r == 0)
		r = make_connection(reporter, &report, &fd, err);
	if (r == 0)
		(void)execute(s, fd, err); /* it only returns to say why not */
	(void)send(reporter, &report, sizeof(report), MSG_NOSIGNAL); /* nobody may be there */
	_exit(1);
}

/* --- its start ---------------------------------------------------------------------------- */

/* *ret_fd stays as it is without a connection in it; at the end there is no report either. */
static int take_report(int listener, struct report *ret, int *ret_fd, struct error *err)
{
	size_t count = 1;
	ssize_t n = recv_fds(listener, ret, sizeof(*ret), ret_fd, &count);

	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(*ret))
		return error_sys(err, n < 0 ? (int)n : EBADMSG, "start criu");
	return ret->failure.code ? error_set(err, ret->failure.code, "%s", ret->failure.msg) : 0;
}

static int await_program(struct service *s, int listener, struct error *err)
{
	struct report report = { .images_fd = -1, .work_fd = -1 };
	int none = -1;
	int r = take_report(listener, &report, &s->fd, err);

	if (r < 0)
		return r;
	if (s->fd < 0)
		return error_set(err, -ECHILD, "start criu: its process has ended");
	s->places.images_fd = report.images_fd;
	s->places.work_fd = report.work_fd;
	/* The next thing to hear is execve(2), which closes the other side. */
	return take_report(listener, &report, &none, err);
}

static int start(struct service *s, struct error *err)
{
	cleanup_fd int listener = -1, reporter = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a pair of sockets");
	listener = pair[0];
	reporter = pair[1];
	s->pid = fork();
	if (s->pid < 0)
		return error_sys(err, errno, "fork");
	if (s->pid == 0)
		become_criu(s, reporter);
	close(steal_fd(&reporter));
	return await_program(s, listener, err);
}

static void stop(struct service *s)
{
	int status;

	close_fdp(&s->fd);
	while (s->pid > 0 && waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* --- what it has to say ------------------------------------------------------------------- */

/* "Dumping FAILED." and "Restoring FAILED." say that it has given up. Of the complaints before that
 * the last that come one after the other are the reason, and the first of those what began it;
 * earlier ones may be of what CRIU could do without. */
static char *find_complaint(const char *log)
{
	static const char mark[] = "Error (";
	cleanup_strv char **lines = strv_split(log, '\n');
	const char *first = NULL;
	bool is_going_on = false;

	strv_each(line, lines) {
		const char *complaint = strstr(line, mark);

		if (strstr(line, "ing FAILED."))
			break;
		if (complaint && !is_going_on)
			first = complaint;
		is_going_on = complaint;
	}
	return first ? xstrdup(first) : NULL;
}

static int refuse(const struct service *s, const struct criu_answer *answer, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s", s->work_path, s->places.log);
	cleanup_free char *log = NULL, *complaint = NULL;
	const char *reason = answer->reason ? answer->reason : "no reason given";

	if (read_file_at(AT_FDCWD, path, LOG_MAX, &log, NULL) == 0)
		complaint = find_complaint(log);
	error_set(err, -EIO, "criu: %.400s (its log: '%.300s')", complaint ? complaint : reason,
		  path);
	error_sanitize(err);
	return -EIO;
}

/* It says which stage it is at, and nothing of how much is left. */
static void await_word(const struct service *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	while (progress_is_wanted() && poll(&p, 1, PROGRESS_TICK_MS) == 0)
		progress_tick();
}

static int receive(const struct service *s, struct criu_answer *ret, int *ret_fd, struct error *err)
{
	cleanup_free char *buf = xmalloc(ANSWER_MAX);
	size_t count = 1;
	ssize_t n;

	await_word(s);
	n = recv_fds(s->fd, buf, ANSWER_MAX, ret_fd, &count);
	if (n < 0)
		return error_sys(err, (int)n, "hear criu");
	return n == 0 ? refuse(s, ret, err) : criu_message_answer(buf, (size_t)n, ret, err);
}

static int send_text(const struct service *s, const struct strbuf *text, struct error *err)
{
	if (send(s->fd, text->buf, text->len, MSG_NOSIGNAL) < 0)
		return error_sys(err, errno, "speak to criu");
	return 0;
}

static int acknowledge(const struct service *s, const struct criu_answer *answer, int fd,
		       struct error *err)
{
	const struct criu_request *request = s->request;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r = 0;

	if (request->on_stage && answer->stage)
		r = request->on_stage(request->ctx, answer->stage, answer->pid, fd, err);
	criu_message_heard(r == 0, &text);
	if (r == 0)
		return send_text(s, &text, err);
	(void)send_text(s, &text, NULL); /* the first error counts */
	return r;
}

/* CRIU undoes what it has done when a stage is refused, and ends. Not at once with
 * "orphan-pts-master", which its child only logs: then a later stage has to be refused, too. */
static void await_end(const struct service *s)
{
	struct error ignored = ERROR_INIT; /* what is to be said is known already */

	for (;;) {
		cleanup_criu_answer struct criu_answer answer = { 0 };
		cleanup_strbuf struct strbuf text = STRBUF_INIT;
		cleanup_fd int fd = -1;

		criu_message_heard(false, &text);
		if (receive(s, &answer, &fd, &ignored) < 0 || send_text(s, &text, &ignored) < 0)
			return;
	}
}

/* *ret_is_done: there is nothing more to hear. */
static int handle(const struct service *s, bool *ret_is_done, pid_t *ret_pid, struct error *err)
{
	cleanup_criu_answer struct criu_answer answer = { 0 };
	cleanup_fd int fd = -1;
	int r = receive(s, &answer, &fd, err);

	if (r < 0)
		return r;
	if (answer.type == CRIU_STAGE_NOTIFY) {
		log_debug("criu: %s", answer.stage ? answer.stage : "?");
		r = acknowledge(s, &answer, fd, err);
		if (r < 0)
			await_end(s);
		return r;
	}
	*ret_is_done = true;
	*ret_pid = answer.pid;
	return answer.is_success ? 0 : refuse(s, &answer, err);
}

static int converse(struct service *s, pid_t *ret_pid, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	bool is_done = false;
	int r = start(s, err);

	if (r == 0)
		r = criu_message_request(s->request, &s->places, &text, err);
	if (r == 0)
		r = send_text(s, &text, err);
	progress_at("waiting for criu", 0, 0);
	while (r == 0 && !is_done)
		r = handle(s, &is_done, ret_pid, err);
	progress_clear();
	return r;
}

int criu_run(const struct criu_request *request, pid_t *ret_pid, struct error *err)
{
	const struct criu_options *options = request->options;
	CLEANUP(stop)
	struct service s = {
		.request = request,
		.work_path = options->work_path ? options->work_path : options->image_path,
		.places = { .images_fd = -1, .work_fd = -1, .log = log_names[request->deed] },
		.fd = -1,
	};

	*ret_pid = 0;
	return converse(&s, ret_pid, err);
}
