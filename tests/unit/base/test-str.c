/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/str.h"

static void numbers_are_the_whole_string(void **state)
{
	static const char *const bad[] = { "",	" 1",  "1 ", "+1",  "1x",      "0x1",
					   "-", "--1", "-1", "1.0", "\xd9\xa1" };
	uint64_t u64 = 7;
	uint32_t u32 = 7;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_u64(bad[i], &u64), -EINVAL);
		assert_int_equal(parse_u32(bad[i], &u32), -EINVAL);
	}
	assert_int_equal(u64, 7);
	assert_int_equal(u32, 7);
}

static void numbers_are_taken_up_to_their_width(void **state)
{
	uint64_t u64;
	uint32_t u32;
	int64_t i64;

	assert_int_equal(parse_u64("18446744073709551615", &u64), 0);
	assert_true(u64 == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", &u64), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999999", &u64), -ERANGE);
	assert_int_equal(parse_u32("4294967295", &u32), 0);
	assert_true(u32 == UINT32_MAX);
	assert_int_equal(parse_u32("4294967296", &u32), -ERANGE);
	assert_int_equal(parse_i64("-9223372036854775808", &i64), 0);
	assert_true(i64 == INT64_MIN);
	assert_int_equal(parse_i64("-9223372036854775809", &i64), -ERANGE);
	assert_int_equal(parse_i64("9223372036854775807", &i64), 0);
	assert_true(i64 == INT64_MAX);
	assert_int_equal(parse_i64("9223372036854775808", &i64), -ERANGE);
	assert_int_equal(parse_i64("-", &i64), -EINVAL);
	assert_int_equal(parse_i64("007", &i64), 0);
	assert_true(i64 == 7);
}

static void octal_takes_octal_digits(void **state)
{
	uint32_t mode;

	assert_int_equal(parse_octal("0755", &mode), 0);
	assert_int_equal(mode, 0755);
	assert_int_equal(parse_octal("8", &mode), -EINVAL);
	assert_int_equal(parse_octal("37777777777", &mode), 0);
	assert_true(mode == UINT32_MAX);
	assert_int_equal(parse_octal("40000000000", &mode), -ERANGE);
}

static void prefixes_and_suffixes_are_found(void **state)
{
	assert_string_equal(str_after("prefix:rest", "prefix:"), "rest");
	assert_string_equal(str_after("same", "same"), "");
	assert_null(str_after("pre", "prefix"));
	assert_true(str_ends_with("a.json", ".json"));
	assert_true(str_ends_with("x", ""));
	assert_false(str_ends_with("n", ".json"));
	assert_true(streq_null(NULL, NULL));
	assert_false(streq_null("", NULL));
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, NULL, 0);
	assert_string_equal(sb.buf, "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, "%d,", i % 10);
	strbuf_addch(&sb, '!');
	assert_int_equal(sb.len, 2001);
	assert_int_equal(strlen(sb.buf), sb.len);
	assert_string_equal(sb.buf + 1998, "9,!");
}

static void a_stolen_buffer_is_never_null(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	cleanup_free char *nothing = strbuf_steal(&sb);
	cleanup_free char *text = NULL;

	assert_string_equal(nothing, "");
	strbuf_addstr(&sb, "text");
	text = strbuf_steal(&sb);
	assert_string_equal(text, "text");
	assert_null(sb.buf);
}

static void pushed_strings_end_in_null(void **state)
{
	cleanup_strv char **v = NULL;

	assert_int_equal(strv_len(NULL), 0);
	for (int i = 0; i < 70; i++) {
		strv_pushf(&v, "%d", i);
		assert_int_equal(strv_len(v), i + 1);
	}
	assert_string_equal(v[69], "69");
	assert_true(strv_has(v, "42"));
	assert_false(strv_has(v, "70"));
	assert_false(strv_has(NULL, ""));
}

static void a_copy_of_strings_is_deep(void **state)
{
	cleanup_strv char **v = strv_split("a b c", ' ');
	cleanup_strv char **copy = strv_copy(v);

	copy[1][0] = 'x';
	assert_string_equal(v[1], "b");
	assert_int_equal(strv_len(copy), 3);
	assert_null(strv_copy(NULL));
}

/* An image's /etc/passwd may be anything. In quadratic time this would take minutes. */
static void many_pieces_are_split_and_copied_in_no_time(void **state)
{
	size_t count = 1 << 20;
	cleanup_free char *text = xcalloc(1, count + 1);
	cleanup_strv char **pieces = NULL;
	cleanup_strv char **copy = NULL;

	memset(text, ':', count);
	pieces = strv_split(text, ':');
	copy = strv_copy(pieces);
	assert_int_equal(strv_len(copy), count + 1);
}

static void what_was_split_or_copied_can_be_pushed_to(void **state)
{
	for (size_t n = 0; n < 20; n++) {
		cleanup_free char *text = xcalloc(1, n + 1);
		cleanup_strv char **pieces = NULL;
		cleanup_strv char **copy = NULL;

		memset(text, ':', n);
		pieces = strv_split(text, ':');
		copy = strv_copy(pieces);
		for (int i = 0; i < 20; i++) {
			strv_pushf(&pieces, "%d", i);
			strv_pushf(&copy, "%d", i);
		}
		assert_int_equal(strv_len(pieces), n + 21);
		assert_int_equal(strv_len(copy), n + 21);
	}
}

static void joining_undoes_splitting(void **state)
{
	static const char *const texts[] = { "", "/", "//", "a", "/a", "a/", "/a//b/", "a/b" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_strv char **v = strv_split(texts[i], '/');
		cleanup_free char *joined = strv_join(v, "/");

		assert_string_equal(joined, texts[i]);
	}
}

static void names_serve_both_directions(void **state)
{
	static const char *const words[] = { [0] = "zero", [2] = "two" };
	static const struct names names = NAMES(words);

	assert_int_equal(names_find(&names, "two"), 2);
	assert_int_equal(names_find(&names, "one"), -ENOENT);
	assert_string_equal(names_get(&names, 0), "zero");
	assert_null(names_get(&names, 1));
	assert_null(names_get(&names, 3));
	assert_null(names_get(&names, (size_t)-1));
}

static void stolen_resources_are_not_released(void **state)
{
	int fds[2], kept;

	assert_int_equal(pipe(fds), 0);
	{
		cleanup_fd int scoped = fds[0];
		cleanup_fd int stolen = fds[1];

		(void)scoped;
		kept = steal_fd(&stolen);
		assert_int_equal(stolen, -1);
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV);
	assert_int_equal(close(fds[0]), -1);
	assert_int_equal(close(kept), 0);
}

static void a_child_is_killed_and_reaped(void **state)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	{
		cleanup_pid pid_t child = pid;

		(void)child;
	}
	assert_int_equal(waitpid(pid, NULL, 0), -1);
	assert_int_equal(errno, ECHILD);
}

static void foreign_text_becomes_printable(void **state)
{
	static const struct {
		const char *text, *line, *lines;
	} cases[] = {
		{ "plain", "plain", "plain" },
		{ "a\tb\nc\r", "a b c?", "a b\nc?" },
		{ "\033[31m\177\b", "?[31m??", "?[31m??" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3" },
		{ "\xc2\x9b"
		  "2J",
		  "??2J", "??2J" },			      /* CSI, as some terminals take it */
		{ "\x9b\xff\xfe", "???", "???" },	      /* not UTF-8 */
		{ "\xc0\x8a\xe0\x80\x8a", "?????", "?????" }, /* a newline at length */
		{ "\xed\xa0\x80", "???", "???" },	      /* half a pair */
		{ "\xf4\x90\x80\x80", "????", "????" },	      /* beyond the last one */
		{ "\xe2\x82", "??", "??" },		      /* cut */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *line = xstrdup(cases[i].text), *lines = xstrdup(cases[i].text);

		str_sanitize(line, false);
		assert_string_equal(line, cases[i].line);
		str_sanitize(lines, true);
		assert_string_equal(lines, cases[i].lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_text_becomes_printable),
		cmocka_unit_test(numbers_are_the_whole_string),
		cmocka_unit_test(numbers_are_taken_up_to_their_width),
		cmocka_unit_test(octal_takes_octal_digits),
		cmocka_unit_test(prefixes_and_suffixes_are_found),
		cmocka_unit_test(a_buffer_grows_and_stays_terminated),
		cmocka_unit_test(a_stolen_buffer_is_never_null),
		cmocka_unit_test(pushed_strings_end_in_null),
		cmocka_unit_test(a_copy_of_strings_is_deep),
		cmocka_unit_test(many_pieces_are_split_and_copied_in_no_time),
		cmocka_unit_test(what_was_split_or_copied_can_be_pushed_to),
		cmocka_unit_test(joining_undoes_splitting),
		cmocka_unit_test(names_serve_both_directions),
		cmocka_unit_test(stolen_resources_are_not_released),
		cmocka_unit_test(a_child_is_killed_and_reaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
