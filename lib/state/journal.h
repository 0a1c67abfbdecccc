/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"

/*
 * What is said about a container, kept until it is deleted: log/SOURCE in its directory, a JSON
 * object a line. Guests decide how much is said, so each source has two files of a bounded size,
 * of which the older one goes; and none can push out what another has said. Several processes may
 * write the same source.
 */
enum journal_source {
	JOURNAL_RUNTIME, /* moat's commands */
	JOURNAL_SHIM,
	JOURNAL_VMM, /* and virtiofsd: what they print */
	JOURNAL_AGENT,
	JOURNAL_CONSOLE, /* all else that the guest prints */
	JOURNAL_SOURCE_COUNT,
};
extern const struct names journal_source_names;

#define JOURNAL_DIR "log"
#define JOURNAL_FILE_BYTES (128u * 1024)
#define JOURNAL_LINE_BYTES 1024 /* of a message; more is cut */

struct journal;

/* @dirfd: the container's directory. Nothing is made before something is written. NULL: no
 * descriptors are left. */
struct journal *journal_new(int dirfd, enum journal_source source);
void journal_free(struct journal *journal);
/* Never fails: a full disk takes the log, not the container. NULL is accepted. */
void journal_write(struct journal *journal, enum log_level level, const char *msg);

/* What this process logs from now on goes there too, from information on. Kept until its end. */
void journal_keep_log(int dirfd, enum journal_source source);

struct journal_entry {
	char *time; /* RFC 3339 with nanoseconds, UTC */
	int source; /* enum journal_source */
	int level;  /* enum log_level */
	char *msg;  /* printable, one line */
};

struct journal_reader;
struct journal_reader *journal_reader_new(void);
void journal_reader_free(struct journal_reader *reader);
DEFINE_CLEANUP(journal_reader_free_p, struct journal_reader *, journal_reader_free)
#define cleanup_journal_reader CLEANUP(journal_reader_free_p)
/* As above; each source once. */
void journal_reader_add(struct journal_reader *reader, int dirfd, enum journal_source source);
/* Calls @fn with everything that was not read before, in the order of time. */
void journal_read(struct journal_reader *reader,
		  void (*fn)(void *ctx, const struct journal_entry *entry), void *ctx);
