/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"

#define STATE_FILE "timing.json"
#define POINTS_MAX 256
#define TEXT_MAX (POINTS_MAX * 96)

struct point {
	int64_t ns;
	const char *who, *what;
	size_t order; /* in which it was written, for those of the same time */
};

struct report {
	char text[TEXT_MAX + 1]; /* that the points' names are in */
	struct point points[POINTS_MAX];
	size_t count;
};

static bool is_timed(const struct timing_values *values)
{
	return values->is_wanted || values->file;
}

static int write_file(const char *path, const char *json, struct error *err)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	int r = fd < 0 ? -errno : write_all(fd, json, strlen(json));

	return r < 0 ? error_sys(err, r, "write '%s'", path) : 0;
}

int timing_begin(const struct timing_values *values, struct error *err)
{
	int fd, r;

	if (!is_timed(values))
		return 0;
	/* A name that cannot be written to is told before anything runs. */
	r = values->file ? write_file(values->file, "", err) : 0;
	if (r < 0)
		return r;
	fd = memfd_create("timing", MFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "make a file for --timing");
	timing_setup(fd, "moat");
	timing_point("command begins");
	return 0;
}

static int parse_point(char *line, struct point *ret)
{
	const char *number = strsep(&line, " ");

	ret->who = strsep(&line, " ");
	ret->what = line;
	return line ? parse_i64(number, &ret->ns) : -EINVAL;
}

static int by_time(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void read_points(struct report *report)
{
	ssize_t n = pread(timing_fd(), report->text, TEXT_MAX, 0);
	char *rest = report->text, *line;

	report->text[n < 0 ? 0 : n] = '\0';
	while (report->count < POINTS_MAX && (line = strsep(&rest, "\n"))) {
		struct point *point = &report->points[report->count];

		if (parse_point(line, point) == 0)
			point->order = report->count++;
	}
	qsort(report->points, report->count, sizeof(*report->points), by_time);
}

static double ms_since(const struct report *report, size_t i, size_t from)
{
	return (double)(report->points[i].ns - report->points[from].ns) / 1e6;
}

static void print_table(const struct report *report)
{
	fprintf(stderr, "%10s %9s  %-6s %s\n", "ms", "+ms", "where", "what was reached");
	for (size_t i = 0; i < report->count; i++)
		fprintf(stderr, "%10.2f %9.2f  %-6s %s\n", ms_since(report, i, 0),
			ms_since(report, i, i ? i - 1 : 0), report->points[i].who,
			report->points[i].what);
}

static char *format_json(const struct report *report)
{
	struct json_writer *w = json_writer_new(true);

	json_open_map(w);
	json_key(w, "points");
	json_open_array(w);
	for (size_t i = 0; i < report->count; i++) {
		const struct point *point = &report->points[i];

		json_open_map(w);
		json_key(w, "at_us");
		json_i64(w, (point->ns - report->points[0].ns) / 1000);
		json_key(w, "where");
		json_string(w, point->who);
		json_key(w, "what");
		json_string(w, point->what);
		json_close_map(w);
	}
	json_close_array(w);
	json_close_map(w);
	return json_finish(w);
}

/* A container that was deleted has no directory any more. */
static int write_state(const struct globals *globals, const char *id, const char *json,
		       struct error *err)
{
	cleanup_free char *dir = xasprintf("%s/%s", globals->root, id);
	cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : write_atomic_at(fd, STATE_FILE, json, strlen(json), 0600);

	return r < 0 && r != -ENOENT ? error_sys(err, r, "write '%s/" STATE_FILE "'", dir) : 0;
}

int timing_end(const struct timing_values *values, const struct globals *globals, const char *id,
	       struct error *err)
{
	cleanup_free struct report *report = NULL;
	cleanup_free char *json = NULL;
	int r;

	if (!is_timed(values))
		return 0;
	timing_point("command ends");
	report = xcalloc(1, sizeof(*report));
	read_points(report);
	if (values->is_wanted)
		print_table(report);
	json = format_json(report);
	r = write_state(globals, id, json, err);
	return r == 0 && values->file ? write_file(values->file, json, err) : r;
}
