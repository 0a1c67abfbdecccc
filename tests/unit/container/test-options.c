/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cmd/moat/options.h"
#include "lib/base/error.h"
#include "tests/unit/container/fixture.h"

struct values {
	bool verbose;
	bool quiet;
	bool no_reaper;
	const char *text;
	char *path;
	uint32_t number;
	int word;
	char **texts;
};

static const char *const word_words[] = { "table", "json" };
static const struct names words = NAMES(word_words);

#define AT(member) offsetof(struct values, member)
static const struct option_spec specs[] = {
	{ "verbose", 'V', OPTION_FLAG, AT(verbose), NULL, NULL, "" },
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, NULL, "" },
	{ "no-reaper", 0, OPTION_FLAG, AT(no_reaper), NULL, NULL, "" },
	{ "text", 't', OPTION_TEXT, AT(text), NULL, "TEXT", "" },
	{ "path", 'p', OPTION_PATH, AT(path), NULL, "PATH", "" },
	{ "number", 'n', OPTION_U32, AT(number), NULL, "N", "" },
	{ "format", 'f', OPTION_WORD, AT(word), &words, "table|json", "" },
	{ "env", 'e', OPTION_TEXTS, AT(texts), NULL, "NAME=VALUE", "" },
};
static const struct option_table table = OPTION_TABLE(specs);

static struct values got;
static struct error err;
static char *args[16];

/* Parses up to a dozen words; what is left over stands in args[]. */
static int parse(bool stops_early, const char *const *given)
{
	size_t count = 0;

	options_release(&table, &got);
	got = (struct values){ 0 };
	err = (struct error)ERROR_INIT;
	for (; given[count]; count++)
		args[count] = (char *)given[count];
	args[count] = NULL;
	return options_parse(&table, args, stops_early, &got, &err);
}
#define PARSE(...) parse(false, (const char *const[]){ __VA_ARGS__, NULL })
#define PARSE_EARLY(...) parse(true, (const char *const[]){ __VA_ARGS__, NULL })

static int release(void **state)
{
	options_release(&table, &got);
	return 0;
}

static void assert_args(const char *wanted)
{
	cleanup_free char *joined = strv_join(args, " ");

	assert_string_equal(joined ? joined : "", wanted);
}

static void test_a_value_follows_or_is_attached(void **state)
{
	assert_int_equal(PARSE("--text", "a"), 0);
	assert_string_equal(got.text, "a");
	assert_int_equal(PARSE("--text=b=c"), 0);
	assert_string_equal(got.text, "b=c");
	assert_int_equal(PARSE("-t", "d"), 0);
	assert_string_equal(got.text, "d");
	assert_int_equal(PARSE("-te"), 0);
	assert_string_equal(got.text, "e");
	assert_int_equal(PARSE("-t=f"), 0);
	assert_string_equal(got.text, "f");
	assert_int_equal(PARSE("-text", "g"), 0);
	assert_string_equal(got.text, "g");
	assert_int_equal(PARSE("-text=h"), 0);
	assert_string_equal(got.text, "h");
}

static void test_a_value_may_look_like_an_option_or_be_empty(void **state)
{
	assert_int_equal(PARSE("--text", "--verbose"), 0);
	assert_string_equal(got.text, "--verbose");
	assert_false(got.verbose);
	assert_int_equal(PARSE("--text="), 0);
	assert_string_equal(got.text, "");
	assert_int_equal(PARSE("--text", ""), 0);
	assert_string_equal(got.text, "");
	assert_int_equal(PARSE("-t="), 0);
	assert_string_equal(got.text, "");
}

static void test_letters_are_bundled(void **state)
{
	assert_int_equal(PARSE("-Vq"), 0);
	assert_true(got.verbose && got.quiet);
	assert_int_equal(PARSE("-Vtx"), 0);
	assert_true(got.verbose);
	assert_string_equal(got.text, "x");
	assert_int_equal(PARSE("-Vt", "y"), 0);
	assert_string_equal(got.text, "y");
}

static void test_a_long_name_may_have_one_dash(void **state)
{
	assert_int_equal(PARSE("-no-reaper", "id"), 0);
	assert_true(got.no_reaper);
	assert_args("id");
}

static void test_flags_take_truths_only(void **state)
{
	assert_int_equal(PARSE("--verbose=true"), 0);
	assert_true(got.verbose);
	assert_int_equal(PARSE("--verbose", "--verbose=false"), 0);
	assert_false(got.verbose);
	assert_int_equal(PARSE("-V=1"), 0);
	assert_true(got.verbose);
	assert_true(PARSE("--verbose=yes") < 0);
	assert_string_equal(err.msg, "option '--verbose': neither 'true' nor 'false': 'yes'");
	/* Not its value: flags do not take the next word. */
	assert_int_equal(PARSE("--verbose", "false"), 0);
	assert_true(got.verbose);
	assert_args("false");
}

static void test_lists_grow_and_commas_separate_nothing(void **state)
{
	assert_int_equal(PARSE("-e", "A=b,c", "--env=D=e"), 0);
	assert_int_equal(strv_len(got.texts), 2);
	assert_string_equal(got.texts[0], "A=b,c");
	assert_string_equal(got.texts[1], "D=e");
}

static void test_paths_are_absolute_at_once(void **state)
{
	char *cwd = getcwd(NULL, 0);
	char *wanted = xasprintf("%s/a/b", cwd);

	assert_int_equal(PARSE("-p", "a/b"), 0);
	assert_string_equal(got.path, wanted);
	assert_int_equal(PARSE("-p", "a", "-p", "/x/y"), 0);
	assert_string_equal(got.path, "/x/y");
	assert_true(PARSE("--path=") < 0);
	assert_string_equal(err.msg, "option '--path': the path is empty");
	free(wanted);
	free(cwd);
}

static void test_numbers_and_words_are_checked(void **state)
{
	assert_int_equal(PARSE("-n", "4294967295"), 0);
	assert_int_equal(got.number, UINT32_MAX);
	assert_true(PARSE("-n", "4294967296") < 0);
	assert_true(PARSE("-n", "-1") < 0);
	assert_string_equal(err.msg, "option '--number': not a number: '-1'");
	assert_int_equal(PARSE("--format", "json"), 0);
	assert_int_equal(got.word, 1);
	assert_true(PARSE("--format", "yaml") < 0);
	assert_string_equal(err.msg, "invalid format: 'yaml': not one of table|json");
}

static void test_positionals_keep_their_order_among_options(void **state)
{
	assert_int_equal(PARSE("a", "-V", "b", "-t", "x", "c"), 0);
	assert_args("a b c");
	assert_true(got.verbose);
}

static void test_what_follows_the_first_positional_may_be_somebody_elses(void **state)
{
	assert_int_equal(PARSE_EARLY("-V", "id", "ls", "-q", "--help"), 0);
	assert_args("id ls -q --help");
	assert_false(got.quiet);
}

static void test_two_dashes_end_the_options(void **state)
{
	assert_int_equal(PARSE("a", "--", "-V", "--"), 0);
	assert_args("a -V --");
	assert_false(got.verbose);
}

static void test_a_lone_dash_is_a_positional(void **state)
{
	assert_int_equal(PARSE("-V", "-"), 0);
	assert_args("-");
}

static void test_help_is_always_there(void **state)
{
	assert_int_equal(PARSE("a", "--help"), OPTIONS_HELP);
	assert_int_equal(PARSE("-h"), OPTIONS_HELP);
}

static void test_unknown_options_are_named(void **state)
{
	assert_true(PARSE("--nope=3") < 0);
	assert_string_equal(err.msg, "unknown option '--nope'");
	assert_true(PARSE("-Vx") < 0);
	assert_string_equal(err.msg, "unknown option '-x' in '-Vx'");
	/* No abbreviations: what one means today, another version may read otherwise. */
	assert_true(PARSE("--verb") < 0);
	assert_true(PARSE("--verbosely") < 0);
	assert_true(PARSE("--") == 0);
	assert_true(PARSE("--=x") < 0);
}

static void test_a_missing_value_is_named(void **state)
{
	assert_true(PARSE("--text") < 0);
	assert_string_equal(err.msg, "option '--text' requires an argument");
	assert_true(PARSE("-Vt") < 0);
	assert_string_equal(err.msg, "option '--text' requires an argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_value_follows_or_is_attached),
		cmocka_unit_test(test_a_value_may_look_like_an_option_or_be_empty),
		cmocka_unit_test(test_letters_are_bundled),
		cmocka_unit_test(test_a_long_name_may_have_one_dash),
		cmocka_unit_test(test_flags_take_truths_only),
		cmocka_unit_test(test_lists_grow_and_commas_separate_nothing),
		cmocka_unit_test(test_paths_are_absolute_at_once),
		cmocka_unit_test(test_numbers_and_words_are_checked),
		cmocka_unit_test(test_positionals_keep_their_order_among_options),
		cmocka_unit_test(test_what_follows_the_first_positional_may_be_somebody_elses),
		cmocka_unit_test(test_two_dashes_end_the_options),
		cmocka_unit_test(test_a_lone_dash_is_a_positional),
		cmocka_unit_test(test_help_is_always_there),
		cmocka_unit_test(test_unknown_options_are_named),
		cmocka_unit_test(test_a_missing_value_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
