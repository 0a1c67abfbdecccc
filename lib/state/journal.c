/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/rfc3339.h"
#include "lib/base/str.h"

static const char *const source_words[] = {
	[JOURNAL_RUNTIME] = "runtime", [JOURNAL_SHIM] = "shim",	      [JOURNAL_VMM] = "vmm",
	[JOURNAL_AGENT] = "agent",     [JOURNAL_CONSOLE] = "console",
};
const struct names journal_source_names = NAMES(source_words);

struct journal {
	int dirfd;
	int fd; /* -1: nothing was written yet, or it could not be */
	const char *path;
	const char *old_path;
};

static const char *const paths[][2] = {
	[JOURNAL_RUNTIME] = { JOURNAL_DIR "/runtime", JOURNAL_DIR "/runtime.1" },
	[JOURNAL_SHIM] = { JOURNAL_DIR "/shim", JOURNAL_DIR "/shim.1" },
	[JOURNAL_VMM] = { JOURNAL_DIR "/vmm", JOURNAL_DIR "/vmm.1" },
	[JOURNAL_AGENT] = { JOURNAL_DIR "/agent", JOURNAL_DIR "/agent.1" },
	[JOURNAL_CONSOLE] = { JOURNAL_DIR "/console", JOURNAL_DIR "/console.1" },
};

struct journal *journal_new(int dirfd, enum journal_source source)
{
	int owned = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	struct journal *j = owned < 0 ? NULL : xcalloc(1, sizeof(*j));

	if (j)
		*j = (struct journal){ owned, -1, paths[source][0], paths[source][1] };
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	close_fdp(&j->fd);
	close_fdp(&j->dirfd);
	free(j);
}

static void open_file(struct journal *j)
{
	close_fdp(&j->fd);
	(void)mkdirat(j->dirfd, JOURNAL_DIR, 0700); /* usually it is there */
	j->fd = openat(j->dirfd, j->path,
		       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
}

/* Another writer may have moved the file that we have open out of the way before us. */
static void make_room(struct journal *j, size_t len)
{
	struct stat own, current;

	if (fstat(j->fd, &own) < 0 || (size_t)own.st_size + len <= JOURNAL_FILE_BYTES)
		return;
	if (fstatat(j->dirfd, j->path, &current, AT_SYMLINK_NOFOLLOW) == 0 &&
	    current.st_ino == own.st_ino)
		(void)renameat(j->dirfd, j->path, j->dirfd, j->old_path); /* else it grows */
	open_file(j);
}

static void add_member(struct strbuf *line, const char *name, const char *value)
{
	strbuf_addf(line, "%s\"%s\":", line->len ? "," : "{", name);
	json_quote(line, value);
}

void journal_write(struct journal *j, enum log_level level, const char *msg)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	cleanup_free char *text = xstrndup(msg, JOURNAL_LINE_BYTES);
	char when[RFC3339_SIZE];
	struct timespec now;

	if (!j)
		return;
	str_sanitize(text, false);
	clock_gettime(CLOCK_REALTIME, &now);
	rfc3339_format(now.tv_sec, now.tv_nsec, when);
	add_member(&line, "time", when);
	add_member(&line, "level", names_get(&log_level_names, level));
	add_member(&line, "msg", text);
	strbuf_addstr(&line, "}\n");
	if (j->fd < 0)
		open_file(j);
	if (j->fd >= 0)
		make_room(j, line.len);
	if (j->fd >= 0)
		(void)write_all(j->fd, line.buf, line.len); /* there is nowhere left to say so */
}

static void keep(void *ctx, enum log_level level, const char *msg)
{
	journal_write(ctx, level, msg);
}

void journal_keep_log(int dirfd, enum journal_source source)
{
	static struct journal *kept;

	journal_free(kept);
	kept = journal_new(dirfd, source);
	log_set_keeper(keep, kept);
}
