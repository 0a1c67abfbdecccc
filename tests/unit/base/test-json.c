/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

static const struct json_limits roomy = { .max_bytes = 4096, .max_depth = 8, .max_values = 100 };

/* Events as one line of text, to compare a whole parse at once. */
static int print_event(void *ctx, const struct json_event *event, struct error *err)
{
	static const char *const marks[] = { "null", NULL, NULL, NULL, NULL, "{", "}", "[", "]" };
	struct strbuf *sb = ctx;

	switch (event->type) {
	case JSON_BOOL:
		strbuf_addstr(sb, event->boolean ? "true " : "false ");
		return 0;
	case JSON_NUMBER:
		strbuf_addf(sb, "#%s ", event->text);
		return 0;
	case JSON_STRING:
		strbuf_addf(sb, "'%s' ", event->text);
		return 0;
	case JSON_KEY:
		strbuf_addf(sb, "%s: ", event->text);
		return 0;
	default:
		strbuf_addf(sb, "%s ", marks[event->type]);
		return 0;
	}
}

static int parse_with(const struct json_limits *limits, const char *text, size_t len,
		      struct strbuf *sb, struct error *err)
{
	return json_parse("t.json", text, len, limits, print_event, sb, err);
}

static void expect_events(const char *text, const char *events)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(&roomy, text, strlen(text), &sb, &err), 0);
	assert_string_equal(sb.buf, events);
}

static void expect_error(const struct json_limits *limits, const char *text, int code,
			 const char *msg)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(limits, text, strlen(text), &sb, &err), code);
	assert_int_equal(err.code, code);
	assert_string_equal(err.msg, msg);
}

static void events_come_in_the_order_of_the_text(void **state)
{
	expect_events("{\"a\": [1, -2.5e3, true, null], \"b\": {\"c\": \"d\"}}",
		      "{ a: [ #1 #-2.5e3 true null ] b: { c: 'd' } } ");
	expect_events("7", "#7 ");
	expect_events("\"\"", "'' ");
}

static void escapes_are_decoded(void **state)
{
	expect_events("[\"a\\n\\u00e9\\ud83d\\ude00\\/\"]", "[ 'a\n\xc3\xa9\xf0\x9f\x98\x80/' ] ");
}

static void numbers_of_any_width_stay_text(void **state)
{
	expect_events("[18446744073709551616]", "[ #18446744073709551616 ] ");
}

static void syntax_errors_name_their_line(void **state)
{
	expect_error(
		&roomy, "{\n\n  \"a\" 1\n}", -EINVAL,
		"t.json:3: parse error: object key and value must be separated by a colon (':')");
	expect_error(&roomy, "[\n1,\n]", -EINVAL,
		     "t.json:3: parse error: unallowed token at this point in JSON text");
	expect_error(&roomy, "[1,\nx", -EINVAL,
		     "t.json:2: lexical error: invalid char in json text.");
}

static void a_text_that_ends_early_is_refused_at_its_last_line(void **state)
{
	expect_error(&roomy, "{\n\"a\":\n", -EINVAL, "t.json:3: parse error: premature EOF");
	expect_error(&roomy, "", -EINVAL, "t.json:1: parse error: premature EOF");
}

static void a_second_value_is_refused(void **state)
{
	expect_error(&roomy, "{}\n{}", -EINVAL, "t.json:2: parse error: trailing garbage");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	expect_error(&roomy, "[\"\xff\"]", -EINVAL,
		     "t.json:1: lexical error: invalid bytes in UTF8 string.");
}

static void a_nul_byte_in_a_string_is_refused(void **state)
{
	expect_error(&roomy, "[\n\"a\\u0000b\"]", -EINVAL,
		     "t.json:2: a string contains a NUL byte");
	expect_error(&roomy, "{\"a\\u0000b\": 1}", -EINVAL,
		     "t.json:1: a string contains a NUL byte");
}

static void a_raw_nul_byte_is_refused(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(&roomy, "[1]\0", 4, &sb, &err), -EINVAL);
	assert_int_equal(parse_with(&roomy, "[\"\0\"]", 5, &sb, &err), -EINVAL);
}

static void bytes_are_limited_before_anything_is_read(void **state)
{
	static const struct json_limits tiny = { .max_bytes = 3, .max_depth = 8, .max_values = 9 };

	expect_error(&tiny, "[11]", -EFBIG, "t.json: larger than 3 bytes");
}

static void depth_is_limited(void **state)
{
	static const struct json_limits flat = { .max_bytes = 99, .max_depth = 2, .max_values = 9 };
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(&flat, "[[1]]", 5, &sb, &err), 0);
	expect_error(&flat, "[[\n[1]]]", -E2BIG, "t.json:2: nested too deeply");
}

static void no_limit_goes_deeper_than_the_constant(void **state)
{
	static const struct json_limits deep = { .max_bytes = 999,
						 .max_depth = 500,
						 .max_values = 999 };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	for (int i = 0; i <= JSON_MAX_DEPTH; i++)
		strbuf_addch(&text, '[');
	expect_error(&deep, text.buf, -E2BIG, "t.json:1: nested too deeply");
}

static void values_are_limited_and_ends_are_none(void **state)
{
	static const struct json_limits few = { .max_bytes = 99, .max_depth = 8, .max_values = 4 };
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(&few, "{\"a\":[1]}", 9, &sb, &err), 0);
	expect_error(&few, "{\"a\":[1,\n2]}", -E2BIG, "t.json:2: too many values");
}

static void comments_are_for_those_who_allow_them(void **state)
{
	static const struct json_limits ours = {
		.max_bytes = 99, .max_depth = 8, .max_values = 9, .allow_comments = true
	};
	static const char text[] = "// one\n{ /* two */ \"a\": 1 }";
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse_with(&ours, text, strlen(text), &sb, &err), 0);
	assert_string_equal(sb.buf, "{ a: #1 } ");
	assert_int_equal(parse_with(&roomy, text, strlen(text), &sb, &err), -EINVAL);
}

static int refuse_numbers(void *ctx, const struct json_event *event, struct error *err)
{
	return event->type == JSON_NUMBER ? error_set(err, -EDOM, "no %s please", event->text) : 0;
}

static void a_handler_ends_the_parse_with_its_own_error(void **state)
{
	static const char text[] = "[\n\n7, ]]]";
	struct error err = ERROR_INIT;

	assert_int_equal(json_parse("n", text, strlen(text), &roomy, refuse_numbers, NULL, &err),
			 -EDOM);
	assert_string_equal(err.msg, "n:3: no 7 please");
	assert_int_equal(json_parse("n", "\n7", 2, &roomy, refuse_numbers, NULL, &err), -EDOM);
	assert_string_equal(err.msg, "n:2: no 7 please");
	assert_int_equal(json_parse("n", text, strlen(text), &roomy, refuse_numbers, NULL, NULL),
			 -EDOM);
}

static void a_path_is_located_by_line(void **state)
{
	/* clang-format off */
	static const char text[] = "{\n"               /* 1 */
				   " \"a\": {\n"       /* 2 */
				   "  \"ab\": 1,\n"    /* 3 */
				   "  \"b\": [\n"      /* 4 */
				   "   [0],\n"         /* 5 */
				   "   {\"b\": 1},\n"  /* 6 */
				   "   {\n"            /* 7 */
				   "    \"x.y\": 2,\n" /* 8 */
				   "    \"z\": 3\n"    /* 9 */
				   "   }\n"            /* 10 */
				   "  ]\n"             /* 11 */
				   " },\n"             /* 12 */
				   " \"b\": 4\n"       /* 13 */
				   "}\n";              /* 14 */
	/* clang-format on */
	static const struct {
		const char *path;
		unsigned int line;
	} cases[] = {
		{ "", 1 },
		{ "a", 2 },
		{ "a.ab", 3 },
		{ "a.b", 4 },
		{ "a.b[0]", 5 },
		{ "a.b[0][0]", 5 },
		{ "a.b[2]", 7 },
		{ "a.b[2].x.y", 8 },
		{ "a.b[2].z", 9 },
		{ "b", 13 },
		/* What is not there is looked for in what is. */
		{ "a.b[2].missing", 7 },
		{ "a.b[9]", 4 },
		{ "a.missing", 2 },
		{ "missing", 1 },
		{ "a.ab.c", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int line = json_locate(text, strlen(text), &roomy, cases[i].path);

		if (line != cases[i].line)
			fail_msg("%s: line %u, not %u", cases[i].path, line, cases[i].line);
	}
}

static void locating_in_a_broken_text_goes_as_far_as_it_can(void **state)
{
	static const char text[] = "{\n\"a\": {\n\"b\": ";

	assert_int_equal(json_locate(text, strlen(text), &roomy, "a.b"), 2);
	assert_int_equal(json_locate("", 0, &roomy, "a.b"), 1);
}

static void what_is_written_reads_back(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *text = NULL;

	json_open_map(w);
	json_key(w, "s");
	json_string(w, "q\"\\\n\x01/");
	json_key(w, "n");
	json_open_array(w);
	json_i64(w, INT64_MIN);
	json_u64(w, UINT64_MAX);
	json_bool(w, false);
	json_null(w);
	json_close_array(w);
	json_close_map(w);
	text = json_finish(w);
	assert_string_equal(text, "{\"s\":\"q\\\"\\\\\\n\\u0001/\",\"n\":[-9223372036854775808,"
				  "18446744073709551615,false,null]}");
	assert_int_equal(parse_with(&roomy, text, strlen(text), &sb, NULL), 0);
	assert_non_null(strstr(sb.buf, "'q\"\\\n\x01/'"));
}

static void a_quoted_string_is_appended(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, "x=");
	json_quote(&sb, "a\tb");
	assert_string_equal(sb.buf, "x=\"a\\tb\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_the_order_of_the_text),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(numbers_of_any_width_stay_text),
		cmocka_unit_test(syntax_errors_name_their_line),
		cmocka_unit_test(a_text_that_ends_early_is_refused_at_its_last_line),
		cmocka_unit_test(a_second_value_is_refused),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(a_nul_byte_in_a_string_is_refused),
		cmocka_unit_test(a_raw_nul_byte_is_refused),
		cmocka_unit_test(bytes_are_limited_before_anything_is_read),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(no_limit_goes_deeper_than_the_constant),
		cmocka_unit_test(values_are_limited_and_ends_are_none),
		cmocka_unit_test(comments_are_for_those_who_allow_them),
		cmocka_unit_test(a_handler_ends_the_parse_with_its_own_error),
		cmocka_unit_test(a_path_is_located_by_line),
		cmocka_unit_test(locating_in_a_broken_text_goes_as_far_as_it_can),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(a_quoted_string_is_appended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
