/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"

#define STATE_FILE "timing.json"
#define POINTS_MAX 256
#define TEXT_MAX (POINTS_MAX * 96)

/* What was read of the file: its text, which the points' words are in. */
struct trail {
	char text[TEXT_MAX + 1];
	struct timing_report_point points[POINTS_MAX];
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

static int parse_point(char *line, struct timing_report_point *ret)
{
	const char *number = strsep(&line, " ");

	ret->where = strsep(&line, " ");
	ret->what = line;
	return line ? parse_i64(number, &ret->ns) : -EINVAL;
}

static int by_time(const void *a, const void *b)
{
	const struct timing_report_point *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void read_points(struct trail *trail)
{
	ssize_t n = pread(timing_fd(), trail->text, TEXT_MAX, 0);
	char *rest = trail->text, *line;

	trail->text[n < 0 ? 0 : n] = '\0';
	while (trail->count < POINTS_MAX && (line = strsep(&rest, "\n"))) {
		struct timing_report_point *point = &trail->points[trail->count];

		if (parse_point(line, point) == 0)
			point->order = trail->count++;
	}
	qsort(trail->points, trail->count, sizeof(*trail->points), by_time);
}

static int64_t unix_offset_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - timing_now_ns();
}

/* The caller's trace, or a new one. */
static int find_trace(struct trace_context *ret, struct error *err)
{
	const char *given = getenv("TRACEPARENT");
	uint64_t random[3];

	*ret = (struct trace_context){ 0 };
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_sys(err, errno, "make an id for the trace");
	ret->first_span_id = random[0];
	if (given && trace_context_parse(given, ret) == 0)
		return 0;
	snprintf(ret->trace_id, sizeof(ret->trace_id), "%016" PRIx64 "%016" PRIx64, random[1] | 1,
		 random[2]);
	return 0;
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

static int write_trace(const struct timing_values *values, const struct timing_report *report,
		       struct error *err)
{
	cleanup_free char *text = NULL;

	if (!values->file)
		return 0;
	text = timing_report_format(report, (enum timing_format)values->format);
	return write_file(values->file, text, err);
}

static int write_all_of(const struct timing_values *values, const struct globals *globals,
			const struct timing_report *report, struct error *err)
{
	int r = 0;

	if (values->is_wanted) {
		cleanup_free char *table = timing_report_format(report, TIMING_TABLE);

		(void)write_all(STDERR_FILENO, table, strlen(table)); /* nobody may be there */
	}
	/* Of a command that failed the directory may be somebody else's. */
	if (!report->failure) {
		cleanup_free char *json = timing_report_format(report, TIMING_JSON);

		r = write_state(globals, report->id, json, err);
	}
	return r < 0 ? r : write_trace(values, report, err);
}

int timing_end(const struct timing_values *values, const struct globals *globals,
	       const char *command, const char *id, int result, struct error *err)
{
	cleanup_free struct trail *trail = NULL;
	struct timing_report report = {
		.command = command,
		.id = id,
		.version = MOAT_VERSION,
		.failure = result < 0 ? err->msg : NULL,
	};
	struct error reason = ERROR_INIT;
	int r;

	if (timing_fd() < 0)
		return result;
	timing_point("command ends");
	trail = xcalloc(1, sizeof(*trail));
	read_points(trail);
	report.points = trail->points;
	report.count = trail->count;
	report.unix_offset_ns = unix_offset_ns();
	r = find_trace(&report.trace, &reason);
	if (r == 0)
		r = write_all_of(values, globals, &report, &reason);
	if (r == 0 || result < 0)
		return result;
	return error_set(err, r, "%s", reason.msg);
}
