/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fields.h"
#include "lib/base/str.h"
#include "lib/state/journal.h"

/* More than a source's two files hold is nothing that we have written. */
#define READ_MAX (4 * JOURNAL_FILE_BYTES)
#define LINE_MAX_BYTES (8 * JOURNAL_LINE_BYTES) /* escapes included */

static const struct field entry_fields[] = {
	FIELD(struct journal_entry, "time", STRING, time),
	FIELD_ENUM(struct journal_entry, "level", level, &log_level_names),
	FIELD(struct journal_entry, "msg", STRING, msg),
};
static const struct fields entry_object = FIELDS(struct journal_entry, entry_fields);

struct source {
	int dirfd;	    /* -1: it is not read */
	int fd;		    /* the newer file, or -1 */
	struct strbuf rest; /* a line that has no end yet */
};

struct journal_reader {
	struct source sources[JOURNAL_SOURCE_COUNT];
	struct journal_entry *entries;
	size_t count;
	size_t room;
};

struct journal_reader *journal_reader_new(void)
{
	struct journal_reader *reader = xcalloc(1, sizeof(*reader));

	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++)
		reader->sources[i] = (struct source){ -1, -1, STRBUF_INIT };
	return reader;
}

void journal_reader_free(struct journal_reader *reader)
{
	if (!reader)
		return;
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++) {
		close_fdp(&reader->sources[i].dirfd);
		close_fdp(&reader->sources[i].fd);
		strbuf_done(&reader->sources[i].rest);
	}
	free(reader->entries);
	free(reader);
}

static void add_line(struct journal_reader *reader, int source, const char *line, size_t len)
{
	static const struct json_limits limits = { LINE_MAX_BYTES, 4, 16, false };
	struct journal_entry entry = { 0 };

	if (fields_parse(&entry_object, "log", line, len, &limits, &entry, NULL) < 0 ||
	    !entry.time || !entry.msg) {
		fields_release(&entry_object, &entry);
		return;
	}
	entry.source = source;
	str_sanitize(entry.time, false);
	str_sanitize(entry.msg, false);
	if (reader->count == reader->room) {
		reader->room = reader->room ? reader->room * 2 : 64;
		reader->entries = xrealloc(reader->entries, reader->room, sizeof(*reader->entries));
	}
	reader->entries[reader->count++] = entry;
}

static size_t left(const struct strbuf *text, const char *from)
{
	return (size_t)(text->buf + text->len - from);
}

/* What follows what was read of a file before. */
static void read_file(struct journal_reader *reader, int source, int fd)
{
	struct strbuf *rest = &reader->sources[source].rest;
	char buf[16384], *line, *end;
	size_t done = 0;
	ssize_t n;

	while (done < READ_MAX && (n = read(fd, buf, sizeof(buf))) > 0) {
		strbuf_add(rest, buf, (size_t)n);
		done += (size_t)n;
	}
	if (!rest->len)
		return;
	for (line = rest->buf; (end = memchr(line, '\n', left(rest, line))); line = end + 1)
		add_line(reader, source, line, (size_t)(end - line));
	rest->len = left(rest, line) > LINE_MAX_BYTES ? 0 : left(rest, line);
	memmove(rest->buf, line, rest->len);
}

static int open_file(const struct source *s, int source, const char *suffix)
{
	cleanup_free char *path = xasprintf(
		JOURNAL_DIR "/%s%s", names_get(&journal_source_names, (size_t)source), suffix);

	return openat(s->dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/* First what was added to the file that we know, which may be the older one by now. */
static void read_source(struct journal_reader *reader, int source)
{
	struct source *s = &reader->sources[source];
	int newer;

	if (s->dirfd < 0)
		return;
	if (s->fd >= 0)
		read_file(reader, source, s->fd);
	newer = open_file(s, source, "");
	if (newer < 0)
		return;
	if (is_same(newer, s->fd)) {
		close(newer);
		return;
	}
	close_fdp(&s->fd);
	s->fd = newer;
	read_file(reader, source, s->fd);
}

void journal_reader_add(struct journal_reader *reader, int dirfd, enum journal_source source)
{
	struct source *s = &reader->sources[source];
	cleanup_fd int older = -1;

	s->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	older = s->dirfd < 0 ? -1 : open_file(s, (int)source, ".1");
	if (older >= 0)
		read_file(reader, (int)source, older);
}

static int compare(const void *a, const void *b)
{
	const struct journal_entry *x = a, *y = b;
	int r = strcmp(x->time, y->time);

	return r ? r : x->source - y->source;
}

void journal_read(struct journal_reader *reader,
		  void (*fn)(void *ctx, const struct journal_entry *entry), void *ctx)
{
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++)
		read_source(reader, i);
	if (!reader->count)
		return;
	qsort(reader->entries, reader->count, sizeof(*reader->entries), compare);
	for (size_t i = 0; i < reader->count; i++) {
		fn(ctx, &reader->entries[i]);
		fields_release(&entry_object, &reader->entries[i]);
	}
	reader->count = 0;
}
