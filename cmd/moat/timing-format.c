/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/timing-format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/json.h"

static const char *const format_words[] = {
	[TIMING_JSON] = "json",
	[TIMING_TABLE] = "table",
	[TIMING_OTLP] = "otlp",
	[TIMING_CHROME] = "chrome",
};
const struct names timing_formats = NAMES(format_words);

/* Where points are reached. In traces each of these is a span, and what happened there its
 * children, each from one point to the next. */
static const struct place {
	const char *where;
	const char *service; /* whose spans these are, for OpenTelemetry */
	size_t parent;	     /* an index, its own for the first */
} places[] = {
	{ "moat", "moat", 0 },
	{ "init", "moat", 0 },
	{ "shim", "moat-shim", 0 },
	{ "guest", "moat-agent", 2 },
};
#define PLACES_COUNT ARRAY_SIZE(places)
#define NONE SIZE_MAX

static int64_t since_begin(const struct timing_report *report, size_t i)
{
	return report->points[i].ns - report->points[0].ns;
}

/* The first, the next or the last point at @place; NONE when there is none. */
static size_t next_at(const struct timing_report *report, size_t place, size_t from)
{
	for (size_t i = from; i < report->count; i++)
		if (streq(report->points[i].where, places[place].where))
			return i;
	return NONE;
}

static size_t last_at(const struct timing_report *report, size_t place)
{
	size_t i, last = NONE;

	for (i = next_at(report, place, 0); i != NONE; i = next_at(report, place, i + 1))
		last = i;
	return last;
}

/* --- for people, and for jq ------------------------------------------------------------------ */

static double ms_between(const struct timing_report *report, size_t from, size_t to)
{
	return (double)(report->points[to].ns - report->points[from].ns) / 1e6;
}

static char *format_table(const struct timing_report *report)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%10s %9s  %-6s %s\n", "ms", "+ms", "where", "what was reached");
	for (size_t i = 0; i < report->count; i++)
		strbuf_addf(&text, "%10.2f %9.2f  %-6s %s\n", ms_between(report, 0, i),
			    ms_between(report, i ? i - 1 : 0, i), report->points[i].where,
			    report->points[i].what);
	return strbuf_steal(&text);
}

static char *finish(struct json_writer *w)
{
	cleanup_free char *text = json_finish(w);
	size_t len = strlen(text);

	return xasprintf("%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
}

static char *format_json(const struct timing_report *report)
{
	struct json_writer *w = json_writer_new(true);

	json_open_map(w);
	json_key(w, "points");
	json_open_array(w);
	for (size_t i = 0; i < report->count; i++) {
		json_open_map(w);
		json_key(w, "at_us");
		json_i64(w, since_begin(report, i) / 1000);
		json_key_string(w, "where", report->points[i].where);
		json_key_string(w, "what", report->points[i].what);
		json_close_map(w);
	}
	json_close_array(w);
	json_close_map(w);
	return finish(w);
}

/* --- OpenTelemetry --------------------------------------------------------------------------- */

/* The protocol's JSON differs from protobuf's own: ids are hexadecimal, enumerations numbers, and
 * integers of 64 bits strings (opentelemetry-proto, docs/specification.md). */
#define SPAN_KIND_INTERNAL 1
#define STATUS_CODE_ERROR 2

struct otlp {
	const struct timing_report *report;
	struct json_writer *w;
};

/* Spans of places come first, then those between points. An id of zeroes would be invalid. */
static void write_span_id(const struct otlp *o, const char *key, size_t index)
{
	uint64_t id = o->report->trace.first_span_id + index;
	char digits[SPAN_ID_DIGITS + 1];

	snprintf(digits, sizeof(digits), "%016" PRIx64, id ? id : UINT64_MAX);
	json_key_string(o->w, key, digits);
}

static void write_unix_time(const struct otlp *o, const char *key, size_t i)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64,
		 o->report->points[i].ns + o->report->unix_offset_ns);
	json_key_string(o->w, key, digits);
}

static void write_attribute(const struct otlp *o, const char *key, const char *value)
{
	json_open_map(o->w);
	json_key_string(o->w, "key", key);
	json_key(o->w, "value");
	json_open_map(o->w);
	json_key_string(o->w, "stringValue", value);
	json_close_map(o->w);
	json_close_map(o->w);
}

/* Opens a span of the points @from to @to; its parent and all else is the caller's to add. */
static void open_span(const struct otlp *o, size_t index, const char *name, size_t from, size_t to)
{
	json_open_map(o->w);
	json_key_string(o->w, "traceId", o->report->trace.trace_id);
	write_span_id(o, "spanId", index);
	json_key_string(o->w, "name", name);
	json_key(o->w, "kind");
	json_i64(o->w, SPAN_KIND_INTERNAL);
	write_unix_time(o, "startTimeUnixNano", from);
	write_unix_time(o, "endTimeUnixNano", to);
}

static void write_outcome(const struct otlp *o)
{
	if (!o->report->failure)
		return;
	json_key(o->w, "status");
	json_open_map(o->w);
	json_key(o->w, "code");
	json_i64(o->w, STATUS_CODE_ERROR);
	json_key_string(o->w, "message", o->report->failure);
	json_close_map(o->w);
}

static void write_place_span(const struct otlp *o, size_t place, size_t first, size_t last)
{
	const char *caller = o->report->trace.parent_span_id;
	cleanup_free char *command = xasprintf("moat %s", o->report->command);
	size_t parent = places[place].parent;

	open_span(o, place, place == 0 ? command : places[place].where, first, last);
	if (parent != place)
		write_span_id(o, "parentSpanId", parent);
	else if (*caller)
		json_key_string(o->w, "parentSpanId", caller);
	if (place == 0)
		write_outcome(o);
	json_close_map(o->w);
}

static void write_step_spans(const struct otlp *o, size_t place, size_t first)
{
	size_t from = first, to;

	for (; (to = next_at(o->report, place, from + 1)) != NONE; from = to) {
		open_span(o, PLACES_COUNT + to, o->report->points[to].what, from, to);
		write_span_id(o, "parentSpanId", place);
		json_close_map(o->w);
	}
}

static void write_resource(const struct otlp *o, size_t place)
{
	json_key(o->w, "resource");
	json_open_map(o->w);
	json_key(o->w, "attributes");
	json_open_array(o->w);
	write_attribute(o, "service.name", places[place].service);
	write_attribute(o, "service.version", o->report->version);
	write_attribute(o, "container.id", o->report->id);
	json_close_array(o->w);
	json_close_map(o->w);
}

static void write_resource_spans(const struct otlp *o, size_t place, size_t first)
{
	json_open_map(o->w);
	write_resource(o, place);
	json_key(o->w, "scopeSpans");
	json_open_array(o->w);
	json_open_map(o->w);
	json_key(o->w, "scope");
	json_open_map(o->w);
	json_key_string(o->w, "name", "moat");
	json_key_string(o->w, "version", o->report->version);
	json_close_map(o->w);
	json_key(o->w, "spans");
	json_open_array(o->w);
	write_place_span(o, place, first, last_at(o->report, place));
	write_step_spans(o, place, first);
	json_close_array(o->w);
	json_close_map(o->w);
	json_close_array(o->w);
	json_close_map(o->w);
}

static char *format_otlp(const struct timing_report *report)
{
	const struct otlp o = { report, json_writer_new(false) };

	json_open_map(o.w);
	json_key(o.w, "resourceSpans");
	json_open_array(o.w);
	for (size_t place = 0; place < PLACES_COUNT; place++) {
		size_t first = next_at(report, place, 0);

		if (first != NONE)
			write_resource_spans(&o, place, first);
	}
	json_close_array(o.w);
	json_close_map(o.w);
	return finish(o.w);
}

/* --- Chrome ---------------------------------------------------------------------------------- */

static void open_event(struct json_writer *w, const char *name, const char *phase, size_t place)
{
	json_open_map(w);
	json_key_string(w, "name", name);
	json_key_string(w, "ph", phase);
	json_key(w, "pid");
	json_u64(w, place + 1);
	json_key(w, "tid");
	json_u64(w, place + 1);
}

/* What a viewer calls the row of a place. */
static void write_name(struct json_writer *w, size_t place)
{
	open_event(w, "process_name", "M", place);
	json_key(w, "args");
	json_open_map(w);
	json_key_string(w, "name", places[place].where);
	json_close_map(w);
	json_close_map(w);
}

/* A complete event: from one point to another, in microseconds. */
static void write_complete(struct json_writer *w, const struct timing_report *report,
			   const char *name, size_t place, size_t from, size_t to)
{
	open_event(w, name, "X", place);
	json_key_string(w, "cat", "moat");
	json_key(w, "ts");
	json_double(w, (double)since_begin(report, from) / 1e3);
	json_key(w, "dur");
	json_double(w, (double)(report->points[to].ns - report->points[from].ns) / 1e3);
	json_close_map(w);
}

static void write_row(struct json_writer *w, const struct timing_report *report, size_t place,
		      size_t first)
{
	cleanup_free char *command = xasprintf("moat %s", report->command);
	size_t from = first, to;

	write_name(w, place);
	write_complete(w, report, place == 0 ? command : places[place].where, place, first,
		       last_at(report, place));
	for (; (to = next_at(report, place, from + 1)) != NONE; from = to)
		write_complete(w, report, report->points[to].what, place, from, to);
}

static char *format_chrome(const struct timing_report *report)
{
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	json_key(w, "traceEvents");
	json_open_array(w);
	for (size_t place = 0; place < PLACES_COUNT; place++) {
		size_t first = next_at(report, place, 0);

		if (first != NONE)
			write_row(w, report, place, first);
	}
	json_close_array(w);
	json_key_string(w, "displayTimeUnit", "ms");
	json_key(w, "otherData");
	json_open_map(w);
	json_key_string(w, "container", report->id);
	json_key_string(w, "version", report->version);
	json_close_map(w);
	json_close_map(w);
	return finish(w);
}

char *timing_report_format(const struct timing_report *report, enum timing_format format)
{
	static char *(*const formats[])(const struct timing_report *report) = {
		[TIMING_JSON] = format_json,
		[TIMING_TABLE] = format_table,
		[TIMING_OTLP] = format_otlp,
		[TIMING_CHROME] = format_chrome,
	};

	return formats[format](report);
}

/* --- the caller's trace ---------------------------------------------------------------------- */

/* Takes @count digits that are not all zero, and the dash behind them. */
static const char *take_id(const char *text, size_t count, char *ret)
{
	if (strspn(text, "0123456789abcdef") != count || strspn(text, "0") >= count ||
	    text[count] != '-')
		return NULL;
	memcpy(ret, text, count);
	ret[count] = '\0';
	return text + count + 1;
}

int trace_context_parse(const char *text, struct trace_context *ret)
{
	struct trace_context context = *ret;
	const char *rest = str_after(text, "00-");

	rest = rest ? take_id(rest, TRACE_ID_DIGITS, context.trace_id) : NULL;
	rest = rest ? take_id(rest, SPAN_ID_DIGITS, context.parent_span_id) : NULL;
	if (!rest || strlen(rest) != 2 || strspn(rest, "0123456789abcdef") != 2)
		return -EINVAL;
	*ret = context;
	return 0;
}
