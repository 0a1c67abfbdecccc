/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

/*
 * The points of `--timing` as text: for people, for jq, and for programs that show traces. Pure
 * functions of a report.
 */
enum timing_format {
	TIMING_JSON,
	TIMING_TABLE,
	TIMING_OTLP,   /* OpenTelemetry's protocol as JSON: one TracesData, on one line */
	TIMING_CHROME, /* Chrome's trace events, which Perfetto shows too */
	TIMING_FORMAT_COUNT,
};
extern const struct names timing_formats;

struct timing_report_point {
	int64_t ns; /* CLOCK_BOOTTIME */
	const char *where, *what;
	size_t order; /* in which it was written, for those of the same time */
};

#define TRACE_ID_DIGITS 32
#define SPAN_ID_DIGITS 16

/* Which trace of OpenTelemetry's the spans belong to. */
struct trace_context {
	char trace_id[TRACE_ID_DIGITS + 1];	 /* hexadecimal, in lower case */
	char parent_span_id[SPAN_ID_DIGITS + 1]; /* the caller's; "": none */
	uint64_t first_span_id;			 /* random; the others count on from it */
};

struct timing_report {
	const char *command, *id, *version;
	const char *failure;	/* NULL: the command succeeded */
	int64_t unix_offset_ns; /* what has to be added to a point for time since 1970 */
	struct trace_context trace;
	const struct timing_report_point *points; /* by time; at least one */
	size_t count;
};

/* To be freed; ends in a newline. */
char *timing_report_format(const struct timing_report *report, enum timing_format format);

/* "00-TRACE-SPAN-FLAGS", as callers hand it down in $TRACEPARENT (W3C Trace Context, 3.2). Fills in
 * trace_id and parent_span_id. -EINVAL: it has another form. */
int trace_context_parse(const char *text, struct trace_context *ret);
