/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/process-table.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#define STAT_MAX 4096
#define ARGUMENTS_MAX (2u << 20) /* execve(2) takes no more under a common stack limit */
#define ARGUMENTS_SHOWN 4096

/* Fields of proc_pid_stat(5), counted from 1. */
enum { STAT_STATE = 3, STAT_PPID = 4, STAT_TTY = 7, STAT_UTIME = 14, STAT_STIME = 15, STAT_END };

struct process_line {
	char name[64];
	uint64_t fields[STAT_END]; /* those that are numbers */
};

static bool parse_stat(char *text, struct process_line *ret)
{
	/* The name may hold spaces and parentheses, what follows it does not. */
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *rest;

	if (!open || !close || close < open)
		return false;
	*close = '\0';
	snprintf(ret->name, sizeof(ret->name), "%s", open + 1);
	rest = close + 1;
	for (int field = STAT_STATE; field < STAT_END; field++) {
		const char *word;

		rest += strspn(rest, " ");
		word = strsep(&rest, " \n");
		if (!rest)
			return false;
		if (parse_u64(word, &ret->fields[field]) < 0)
			ret->fields[field] = 0; /* the state's letter, a negative number */
	}
	return true;
}

static void add_clean(struct strbuf *sb, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		strbuf_addch(sb, c == '\0' ? ' ' : c < ' ' || c == 0x7f ? '?' : (char)c);
	}
}

static void add_command(struct strbuf *sb, int dirfd, const struct process_line *line)
{
	cleanup_free char *arguments = NULL;
	size_t len = 0;

	if (read_file_at(dirfd, "cmdline", ARGUMENTS_MAX, &arguments, &len) == 0) {
		while (len && !arguments[len - 1])
			len--;
	}
	if (len) {
		add_clean(sb, arguments, len < ARGUMENTS_SHOWN ? len : ARGUMENTS_SHOWN);
		return;
	}
	/* A zombie, or a thread of the kernel. */
	strbuf_addch(sb, '[');
	add_clean(sb, line->name, strlen(line->name));
	strbuf_addch(sb, ']');
}

#define PTS_MAJOR 136

static void add_tty(struct strbuf *sb, uint64_t device)
{
	unsigned int major = device >> 8 & 0xfff,
		     minor = (device & 0xff) | (device >> 12 & 0xfff00);

	if (major == PTS_MAJOR)
		strbuf_addf(sb, "pts/%-3u", minor);
	else
		strbuf_addf(sb, "%-7s", "?");
}

static void add_line(struct strbuf *sb, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d", (int)pid);
	cleanup_fd int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	struct process_line line = { 0 };
	uint64_t seconds;
	struct stat st;

	if (dirfd < 0 || fstat(dirfd, &st) < 0 ||
	    read_file_at(dirfd, "stat", STAT_MAX, &text, NULL) < 0 || !parse_stat(text, &line))
		return;
	seconds = (line.fields[STAT_UTIME] + line.fields[STAT_STIME]) /
		  (uint64_t)sysconf(_SC_CLK_TCK);
	strbuf_addf(sb, "%-8u %7d %7" PRIu64 " ", st.st_uid, (int)pid, line.fields[STAT_PPID]);
	add_tty(sb, line.fields[STAT_TTY]);
	strbuf_addf(sb, " %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " ", seconds / 3600,
		    seconds / 60 % 60, seconds % 60);
	add_command(sb, dirfd, &line);
	strbuf_addch(sb, '\n');
}

char *process_table_text(const pid_t *pids, size_t count)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%-8s %7s %7s %-7s %8s CMD\n", "UID", "PID", "PPID", "TTY", "TIME");
	for (size_t i = 0; i < count; i++)
		add_line(&sb, pids[i]);
	return strbuf_steal(&sb);
}
