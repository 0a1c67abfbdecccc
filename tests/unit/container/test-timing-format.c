/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/moat/timing-format.h"
#include "tests/unit/container/fixture.h"

/* A machine's way in five points, as programs that show traces get to see it. */

static const struct timing_report_point points[] = {
	{ 1000000000, "moat", "command begins", 0 }, { 1001000000, "shim", "shim started", 1 },
	{ 1002500000, "shim", "VMM started", 2 },    { 1002500001, "guest", "kernel entered", 3 },
	{ 1009000000, "moat", "command ends", 4 },
};

static const struct timing_report report = {
	.command = "run",
	.id = "web",
	.version = "1.2",
	.unix_offset_ns = INT64_C(1700000000000000000),
	.trace = { .trace_id = "0af7651916cd43dd8448eb211c80319c",
		   .first_span_id = 0xb7ad6b7169203330 },
	.points = points,
	.count = ARRAY_SIZE(points),
};

static void check(const struct timing_report *r, enum timing_format format, const char *wanted)
{
	cleanup_free char *text = timing_report_format(r, format);

	assert_string_equal(text, wanted);
}

static void expect_part(const struct timing_report *r, enum timing_format format, const char *part)
{
	cleanup_free char *text = timing_report_format(r, format);

	if (!strstr(text, part))
		fail_msg("no '%s' in '%s'", part, text);
}

static void a_table_counts_from_the_beginning_and_from_the_line_before(void **state)
{
	check(&report, TIMING_TABLE,
	      "        ms       +ms  where  what was reached\n"
	      "      0.00      0.00  moat   command begins\n"
	      "      1.00      1.00  shim   shim started\n"
	      "      2.50      1.50  shim   VMM started\n"
	      "      2.50      0.00  guest  kernel entered\n"
	      "      9.00      6.50  moat   command ends\n");
}

#define RESOURCE(service)                                                                          \
	"{\"resource\":{\"attributes\":["                                                          \
	"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"" service "\"}},"                  \
	"{\"key\":\"service.version\",\"value\":{\"stringValue\":\"1.2\"}},"                       \
	"{\"key\":\"container.id\",\"value\":{\"stringValue\":\"web\"}}]},"                        \
	"\"scopeSpans\":[{\"scope\":{\"name\":\"moat\",\"version\":\"1.2\"},\"spans\":["
#define SPAN(id, name, from, to)                                                                   \
	"{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"" id "\",\"name\":\"" name \
	"\",\"kind\":1,\"startTimeUnixNano\":\"" from "\",\"endTimeUnixNano\":\"" to "\""
#define PARENT(id) ",\"parentSpanId\":\"" id "\"}"

static void opentelemetry_gets_a_span_for_each_place_and_in_it_one_for_each_point(void **state)
{
	check(&report, TIMING_OTLP,
	      "{\"resourceSpans\":[" RESOURCE("moat") /* */
	      SPAN("b7ad6b7169203330", "moat run", "1700000001000000000",
		   "1700000001009000000") "}," SPAN("b7ad6b7169203338", "command ends",
						    "1700000001000000000", "1700000001009000000")
		      PARENT("b7ad6b7169203330") "]}]}," RESOURCE(
			      "moat-shim") SPAN("b7ad6b7169203332", "shim", "1700000001001000000",
						"1700000001002500000")
			      PARENT("b7ad6b7169203330") "," SPAN("b7ad6b7169203336", "VMM started",
								  "1700000001001000000",
								  "1700000001002500000")
				      PARENT("b7ad6b7169203332") "]}]}," RESOURCE("moat-agent")
					      SPAN("b7ad6b7169203333", "guest",
						   "1700000001002500001", "1700000001002500001")
						      PARENT("b7ad6b7169203332") "]}]}]}\n");
}

static void a_failure_is_the_status_of_the_command(void **state)
{
	struct timing_report failed = report;

	failed.failure = "run 'web': \"oh\"";
	expect_part(&failed, TIMING_OTLP,
		    ",\"status\":{\"code\":2,\"message\":\"run 'web': \\\"oh\\\"\"}}");
}

static void the_callers_span_is_the_parent_of_the_command(void **state)
{
	struct timing_report called = report;

	assert_int_equal(
		trace_context_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
				    &called.trace),
		0);
	expect_part(&called, TIMING_OTLP,
		    "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":"
		    "\"b7ad6b7169203330\",\"name\":\"moat run\"");
	expect_part(
		&called, TIMING_OTLP,
		"\"endTimeUnixNano\":\"1700000001009000000\",\"parentSpanId\":\"00f067aa0ba902b7\"}");
}

static void another_text_is_no_trace_of_the_callers(void **state)
{
	static const char *const wrong[] = {
		"",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
	};
	struct trace_context context = report.trace;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(trace_context_parse(wrong[i], &context), -EINVAL);
	assert_string_equal(context.trace_id, report.trace.trace_id);
	assert_string_equal(context.parent_span_id, "");
}

#define EVENT(name, phase, id)                                                                     \
	"{\"name\":\"" name "\",\"ph\":\"" phase "\",\"pid\":" id ",\"tid\":" id

static void chrome_gets_a_row_for_each_place_in_microseconds(void **state)
{
	check(
		&report, TIMING_CHROME,
		"{\"traceEvents\":[" EVENT("process_name", "M", "1") ",\"args\":{\"name\":\"moat\"}}," EVENT(
			"moat run",
			"X", "1") ",\"cat\":\"moat\",\"ts\":0,\"dur\":9000}," EVENT("command ends", "X", "1") ",\"cat\":\"moat\",\"ts\":0,\"dur\":9000}," EVENT("process_name", "M", "3") ",\"args\":{\"name\":\"shim\"}}," EVENT("shim", "X", "3") ",\"cat\":\"moat\",\"ts\":1000,\"dur\":1500}," EVENT("VMM started", "X", "3") ",\"cat\":\"moat\",\"ts\":1000,\"dur\":1500}," EVENT("process_name",
																																														       "M", "4") ",\"args\":{\"name\":\"guest\"}}," EVENT("guest", "X",
																																																					  "4") ",\"cat\":\"moat\",\"ts\":2500.001,\"dur\":0}],"
																																																					       "\"displayTimeUnit\":\"ms\",\"otherData\":{\"container\":\"web\",\"version\":\"1.2\"}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_counts_from_the_beginning_and_from_the_line_before),
		cmocka_unit_test(
			opentelemetry_gets_a_span_for_each_place_and_in_it_one_for_each_point),
		cmocka_unit_test(a_failure_is_the_status_of_the_command),
		cmocka_unit_test(the_callers_span_is_the_parent_of_the_command),
		cmocka_unit_test(another_text_is_no_trace_of_the_callers),
		cmocka_unit_test(chrome_gets_a_row_for_each_place_in_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
