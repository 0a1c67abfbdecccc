/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/ps.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/system-program.h"
#include "lib/linux/signals.h"

#define OUTPUT_MAX (64u << 20) /* a host's whole process table, with long command lines */
#define BLANKS " \t"

static bool has_pid(const pid_t *pids, size_t count, const char *word)
{
	uint32_t pid;

	if (parse_u32(word, &pid) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((uint32_t)pids[i] == pid)
			return true;
	return false;
}

/* The word number @column of a line, NULL when it has less. */
static char *copy_word(const char *line, size_t column)
{
	for (;; column--) {
		size_t len;

		line += strspn(line, BLANKS);
		len = strcspn(line, BLANKS);
		if (!len)
			return NULL;
		if (!column)
			return xstrndup(line, len);
		line += len;
	}
}

static int find_column(const char *header, size_t *ret, struct error *err)
{
	for (size_t i = 0;; i++) {
		cleanup_free char *word = copy_word(header, i);

		if (!word)
			return error_set(err, -EINVAL, "ps: couldn't find PID field in its output");
		if (streq(word, "PID")) {
			*ret = i;
			return 0;
		}
	}
}

int ps_filter(const char *table, const pid_t *pids, size_t count, char **ret, struct error *err)
{
	cleanup_strv char **lines = strv_split(table, '\n');
	cleanup_strbuf struct strbuf kept = STRBUF_INIT;
	size_t column = 0;
	int r = find_column(lines[0], &column, err);

	if (r < 0)
		return r;
	strbuf_addf(&kept, "%s\n", lines[0]);
	strv_each(line, lines + 1) {
		cleanup_free char *word = copy_word(line, column);

		if (word && has_pid(pids, count, word))
			strbuf_addf(&kept, "%s\n", line);
	}
	*ret = strbuf_steal(&kept);
	return 0;
}

__attribute__((noreturn)) static void become(const char *program, char *const *argv, int output)
{
	signals_reset();
	if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
		execv(program, argv);
	_exit(127);
}

/* A file in memory: the program writes all it has and ends, and so is waited for only. */
static int capture(const char *program, char *const *argv, int output, struct error *err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0)
		become(program, argv, output);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for '%s'", program);
	return exit_code_of(status);
}

static int read_output(int fd, char **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "ps: size of its output");
	if (st.st_size > OUTPUT_MAX)
		return error_set(err, -EFBIG, "ps: its output is too large");
	text = xmalloc((size_t)st.st_size + 1);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "ps: rewind its output");
	r = read_exact(fd, text, (size_t)st.st_size);
	if (r < 0)
		return error_sys(err, r, "ps: read its output");
	text[st.st_size] = '\0';
	*ret = steal_ptr(&text);
	return 0;
}

static int refuse(const char *program, int status, const char *output, struct error *err)
{
	error_set(err, -EINVAL, "'%s': exit status %d: %.400s", program, status, output);
	if (err)
		error_sanitize(err);
	return -EINVAL;
}

int ps_run(char *const *args, const pid_t *pids, size_t count, char **ret, struct error *err)
{
	static char *const everything[] = { (char *)"-ef", NULL };
	cleanup_free char *program = system_program_find("", "ps");
	cleanup_fd int output = memfd_create("ps-output", MFD_CLOEXEC);
	cleanup_free char *table = NULL;
	cleanup_strv char **argv = NULL;
	int status, r;

	if (!program)
		return error_set(err, -ENOENT, "there is no ps program on this host");
	if (output < 0)
		return error_sys(err, errno, "make a file in memory");
	strv_push(&argv, xstrdup("ps"));
	strv_each(arg, args && args[0] ? args : everything)
		strv_push(&argv, xstrdup(arg));
	status = capture(program, argv, output, err);
	if (status < 0)
		return status;
	r = read_output(output, &table, err);
	if (r < 0)
		return r;
	if (status > 0)
		return refuse(program, status, table, err);
	return ps_filter(table, pids, count, ret, err);
}
