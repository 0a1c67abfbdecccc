/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/metrics/metrics.h"

/*
 * Files of /proc as metrics, on the host and in the guest alike. What cannot be read is left out: a
 * metric is no reason to fail. Paths are looked up at a directory's descriptor, which may be
 * AT_FDCWD.
 */

/* The text of a file, empty if it cannot be read; free(3) it. */
char *metrics_read(int dirfd, const char *path);
/* The next word of *@rest, which moves on; NULL at the end of the line. */
char *metrics_next_word(char **rest);

/* Lines "KEY: 123" or "KEY: 123 kB". */
struct metrics_fields {
	struct metrics_family family;
	uint64_t kb; /* what "kB" stands for */
	/* What a key is called, to be freed, or NULL: it is none. NULL here: as the kernel does. */
	char *(*name)(const char *key);
};
void metrics_add_fields(struct metrics *m, const struct metrics_fields *fields, int dirfd,
			const char *path);

/* Columns of a line as items of @label's @value. */
void metrics_add_columns(struct metrics *m, const struct metrics_family *family,
			 const struct metrics_label *label, const char *const *items, char *line);

/* A network namespace's links: @path is a "net/dev". */
void metrics_add_links(struct metrics *m, const struct metrics_family *family, int dirfd,
		       const char *path);

/* A process by its directory in /proc: PREFIX_threads, _fds, _total_time, _total_vm, _total_rss,
 * _proc_stat, _proc_status and _io_stat, as Kata's dashboards ask for them. @title stands in front
 * of what their help says. */
void metrics_add_process(struct metrics *m, const char *prefix, const char *title, int dirfd);
