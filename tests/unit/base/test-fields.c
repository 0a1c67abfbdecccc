/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fields.h"

/* One struct with a member of every kind. */

static const char *const colour_words[] = { "red", "green", "blue" };
static const struct names colours = NAMES(colour_words);

struct leaf {
	char *name;
	int colour;
	uint32_t size;
};

struct fruit {
	char *tree; /* the key */
	char *taste;
	uint32_t size;
};

struct tree {
	bool truth;
	struct opt_bool opt_truth;
	uint32_t u32;
	struct opt_u32 opt_u32;
	int64_t i64;
	struct opt_i64 opt_i64;
	uint64_t u64;
	struct opt_u64 opt_u64;
	char *string;
	int colour;
	char **strings;
	uint32_t *numbers;
	size_t numbers_count;
	struct string_map map;
	struct leaf leaf;
	struct leaf *opt_leaf;
	struct leaf *leaves;
	size_t leaves_count;
	struct fruit *fruits;
	size_t fruits_count;
	bool always;
};

static void init_leaf(void *obj)
{
	((struct leaf *)obj)->colour = -1;
}

static const struct field leaf_table[] = {
	FIELD(struct leaf, "name", STRING, name),
	FIELD_ENUM(struct leaf, "colour", colour, &colours),
	FIELD(struct leaf, "size", U32, size),
};
static const struct fields leaf_fields = FIELDS_INIT(struct leaf, leaf_table, init_leaf);

static void init_fruit(void *obj)
{
	((struct fruit *)obj)->size = 1;
}

static const struct field fruit_table[] = {
	FIELD(struct fruit, "taste", STRING, taste),
	FIELD_ALWAYS(struct fruit, "size", U32, size),
};
static const struct fields fruit_fields = FIELDS_INIT(struct fruit, fruit_table, init_fruit);

static void init_tree(void *obj)
{
	((struct tree *)obj)->colour = -1;
}

static const struct field tree_table[] = {
	FIELD(struct tree, "truth", BOOL, truth),
	FIELD(struct tree, "optTruth", OPT_BOOL, opt_truth),
	FIELD(struct tree, "u32", U32, u32),
	FIELD(struct tree, "optU32", OPT_U32, opt_u32),
	FIELD(struct tree, "i64", I64, i64),
	FIELD(struct tree, "optI64", OPT_I64, opt_i64),
	FIELD(struct tree, "u64", U64, u64),
	FIELD(struct tree, "optU64", OPT_U64, opt_u64),
	FIELD(struct tree, "string", STRING, string),
	FIELD_ENUM(struct tree, "colour", colour, &colours),
	FIELD(struct tree, "strings", STRINGS, strings),
	FIELD_U32S(struct tree, "numbers", numbers),
	FIELD(struct tree, "map", MAP, map),
	FIELD_OBJECT(struct tree, "leaf", OBJECT, leaf, &leaf_fields),
	FIELD_OBJECT(struct tree, "optLeaf", OPT_OBJECT, opt_leaf, &leaf_fields),
	FIELD_OBJECTS(struct tree, "leaves", leaves, &leaf_fields),
	FIELD_KEYED(struct tree, "fruits", fruits, &fruit_fields, struct fruit, tree),
	FIELD_ALWAYS(struct tree, "always", BOOL, always),
};
static const struct fields tree_fields = FIELDS_INIT(struct tree, tree_table, init_tree);

static const struct json_limits limits = { .max_bytes = 1 << 16,
					   .max_depth = 16,
					   .max_values = 5000 };

static int make_tree(void **state)
{
	struct tree *tree = xmalloc(sizeof(*tree));

	fields_init(&tree_fields, tree);
	*state = tree;
	return 0;
}

static int drop_tree(void **state)
{
	fields_release(&tree_fields, *state);
	free(*state);
	return 0;
}

static void parse(struct tree *tree, const char *text)
{
	struct error err = ERROR_INIT;

	if (fields_parse(&tree_fields, "t.json", text, strlen(text), &limits, tree, &err) < 0)
		fail_msg("%s", err.msg);
}

static char *write_tree(const struct tree *tree)
{
	struct json_writer *w = json_writer_new(false);

	fields_write(&tree_fields, w, tree);
	return json_finish(w);
}

static const char full[] =
	"{\"truth\":true,\"optTruth\":false,\"u32\":4294967295,\"optU32\":0,"
	"\"i64\":-9223372036854775808,\"optI64\":-1,\"u64\":18446744073709551615,\"optU64\":0,"
	"\"string\":\"s\",\"colour\":\"blue\",\"strings\":[\"a\",\"\"],\"numbers\":[1,2,3],"
	"\"map\":{\"k\":\"v\",\"\":\"empty key\"},\"leaf\":{\"name\":\"one\"},"
	"\"optLeaf\":{\"colour\":\"red\"},\"leaves\":[{\"size\":1},{},{\"name\":\"three\"}],"
	"\"fruits\":{\"apple\":{\"taste\":\"sweet\",\"size\":2},\"\":{\"size\":1}},"
	"\"always\":false}";

static void every_kind_is_stored(void **state)
{
	struct tree *t = *state;

	parse(t, full);
	assert_true(t->truth);
	assert_true(t->opt_truth.is_set);
	assert_false(t->opt_truth.value);
	assert_int_equal(t->u32, UINT32_MAX);
	assert_true(t->opt_u32.is_set);
	assert_true(t->i64 == INT64_MIN);
	assert_true(t->opt_i64.is_set && t->opt_i64.value == -1);
	assert_true(t->u64 == UINT64_MAX);
	assert_true(t->opt_u64.is_set && t->opt_u64.value == 0);
	assert_string_equal(t->string, "s");
	assert_int_equal(t->colour, 2);
	assert_int_equal(strv_len(t->strings), 2);
	assert_string_equal(t->strings[1], "");
	assert_int_equal(t->numbers_count, 3);
	assert_int_equal(t->numbers[2], 3);
	assert_string_equal(string_map_get(&t->map, "k"), "v");
	assert_string_equal(string_map_get(&t->map, ""), "empty key");
	assert_null(string_map_get(&t->map, "v"));
	assert_string_equal(t->leaf.name, "one");
	assert_int_equal(t->leaf.colour, -1);
	assert_int_equal(t->opt_leaf->colour, 0);
	assert_int_equal(t->leaves_count, 3);
	assert_int_equal(t->leaves[0].size, 1);
	assert_int_equal(t->leaves[1].colour, -1);
	assert_string_equal(t->leaves[2].name, "three");
	assert_int_equal(t->fruits_count, 2);
	assert_string_equal(t->fruits[0].tree, "apple");
	assert_string_equal(t->fruits[0].taste, "sweet");
	assert_string_equal(t->fruits[1].tree, "");
	assert_int_equal(t->fruits[1].size, 1);
}

static void what_is_written_is_what_was_read(void **state)
{
	cleanup_free char *text = NULL;

	parse(*state, full);
	text = write_tree(*state);
	assert_string_equal(text, full);
}

static void defaults_are_left_out_unless_always_written(void **state)
{
	cleanup_free char *text = write_tree(*state);

	assert_string_equal(text, "{\"always\":false}");
}

static void an_empty_list_of_strings_is_not_an_absent_one(void **state)
{
	struct tree *t = *state;
	cleanup_free char *text = NULL;

	assert_null(t->strings);
	parse(t, "{\"strings\":[]}");
	assert_non_null(t->strings);
	assert_int_equal(strv_len(t->strings), 0);
	strv_push(&t->strings, xstrdup("more"));
	text = write_tree(t);
	assert_string_equal(text, "{\"strings\":[\"more\"],\"always\":false}");
}

static void lists_grow_past_their_first_allocation(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct tree *t = *state;

	strbuf_addstr(&sb, "{\"strings\":[");
	for (int i = 0; i < 40; i++)
		strbuf_addf(&sb, "%s\"s%d\"", i ? "," : "", i);
	strbuf_addstr(&sb, "],\"numbers\":[0");
	for (int i = 1; i < 40; i++)
		strbuf_addf(&sb, ",%d", i);
	strbuf_addstr(&sb, "],\"leaves\":[{}");
	for (int i = 1; i < 40; i++)
		strbuf_addf(&sb, ",{\"size\":%d,\"name\":\"n\"}", i);
	strbuf_addstr(&sb, "]}");
	parse(t, sb.buf);
	assert_int_equal(strv_len(t->strings), 40);
	assert_string_equal(t->strings[39], "s39");
	assert_int_equal(t->numbers_count, 40);
	assert_int_equal(t->numbers[39], 39);
	assert_int_equal(t->leaves_count, 40);
	assert_int_equal(t->leaves[39].size, 39);
}

/* strv_push() infers the capacity from the length; the reader's lists must agree with that. */
static void parsed_lists_can_be_pushed_to(void **state)
{
	struct tree *t = *state;

	for (int n = 0; n < 20; n++) {
		cleanup_strbuf struct strbuf sb = STRBUF_INIT;

		strbuf_addstr(&sb, "{\"strings\":[");
		for (int i = 0; i < n; i++)
			strbuf_addf(&sb, "%s\"s\"", i ? "," : "");
		strbuf_addstr(&sb, "]}");
		parse(t, sb.buf);
		for (int i = 0; i < 20; i++)
			strv_pushf(&t->strings, "%d", i);
		assert_int_equal(strv_len(t->strings), n + 20);
	}
}

static void unknown_keys_are_ignored_with_all_that_is_in_them(void **state)
{
	struct tree *t = *state;

	parse(t, "{\"what\":{\"u32\":1,\"x\":[{\"u32\":[2]},[]]},\"u32\":3,\"why\":[{\"u32\":4}],"
		 "\"leaf\":{\"what\":[1],\"size\":5}}");
	assert_int_equal(t->u32, 3);
	assert_int_equal(t->leaf.size, 5);
}

static void null_leaves_a_field_as_it_was(void **state)
{
	struct tree *t = *state;

	parse(t, "{\"string\":\"s\",\"u32\":1,\"colour\":\"red\",\"optLeaf\":{\"size\":1}}");
	parse(t, "{\"string\":null,\"u32\":null,\"colour\":null,\"optLeaf\":null,"
		 "\"leaves\":null,\"strings\":null,\"map\":null,\"what\":null}");
	assert_string_equal(t->string, "s");
	assert_int_equal(t->u32, 1);
	assert_int_equal(t->colour, 0);
	assert_int_equal(t->opt_leaf->size, 1);
	assert_null(t->strings);
	assert_false(t->opt_u32.is_set);
}

static void a_repeated_key_replaces_the_earlier_value(void **state)
{
	struct tree *t = *state;

	parse(t, "{\"string\":\"a\",\"string\":\"b\",\"strings\":[\"a\",\"b\"],\"strings\":[\"c\"],"
		 "\"numbers\":[1,2],\"numbers\":[3],\"leaves\":[{\"name\":\"x\"},{}],"
		 "\"leaves\":[{\"name\":\"y\"}],\"map\":{\"k\":\"1\",\"k\":\"2\"}}");
	assert_string_equal(t->string, "b");
	assert_int_equal(strv_len(t->strings), 1);
	assert_string_equal(t->strings[0], "c");
	assert_int_equal(t->numbers_count, 1);
	assert_int_equal(t->leaves_count, 1);
	assert_string_equal(t->leaves[0].name, "y");
	assert_int_equal(t->map.count, 1);
	assert_string_equal(string_map_get(&t->map, "k"), "2");
}

static void of_many_repeated_keys_the_last_one_stays(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct tree *t = *state;
	char key[16], value[16];

	strbuf_addstr(&sb, "{\"map\":{\"first\":\"0\"");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, ",\"k%d\":\"%d\"", i % 100, i);
	strbuf_addstr(&sb, "},\"map\":{\"k7\":\"seven\",\"last\":\"0\"}}");
	parse(t, sb.buf);
	assert_int_equal(t->map.count, 102);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		snprintf(value, sizeof(value), "%d", 900 + i);
		assert_string_equal(string_map_get(&t->map, key), i == 7 ? "seven" : value);
	}
	assert_string_equal(t->map.items[0].key, "first");
	string_map_set(&t->map, "more", "1");
	assert_int_equal(t->map.count, 103);
}

static void a_repeated_object_merges_with_the_earlier_one(void **state)
{
	struct tree *t = *state;

	parse(t, "{\"leaf\":{\"name\":\"a\",\"size\":1},\"leaf\":{\"size\":2},"
		 "\"optLeaf\":{\"name\":\"b\"},\"optLeaf\":{\"size\":3}}");
	assert_string_equal(t->leaf.name, "a");
	assert_int_equal(t->leaf.size, 2);
	assert_string_equal(t->opt_leaf->name, "b");
	assert_int_equal(t->opt_leaf->size, 3);
}

static void of_repeated_keys_of_objects_the_last_one_stays(void **state)
{
	struct tree *t = *state;

	parse(t,
	      "{\"fruits\":{\"fig\":{\"taste\":\"old\",\"size\":9},\"kiwi\":{\"taste\":\"sour\"},"
	      "\"fig\":{\"taste\":\"new\"}},\"fruits\":{\"kiwi\":{\"size\":3},\"date\":null}}");
	assert_int_equal(t->fruits_count, 3);
	assert_string_equal(t->fruits[0].tree, "fig");
	assert_string_equal(t->fruits[0].taste, "new");
	assert_int_equal(t->fruits[0].size, 1);
	assert_string_equal(t->fruits[1].tree, "kiwi");
	assert_null(t->fruits[1].taste);
	assert_int_equal(t->fruits[1].size, 3);
	assert_string_equal(t->fruits[2].tree, "date");
}

static void maps_of_objects_grow_past_their_first_allocation(void **state)
{
	struct tree *t = *state;

	for (int half = 0; half < 2; half++) {
		cleanup_strbuf struct strbuf sb = STRBUF_INIT;

		strbuf_addstr(&sb, "{\"fruits\":{");
		for (int i = 0; i < 40; i++)
			strbuf_addf(&sb, "%s\"f%d\":{\"size\":%d,\"taste\":\"t\"}", i ? "," : "",
				    half * 20 + i, i);
		strbuf_addstr(&sb, "}}");
		parse(t, sb.buf);
	}
	assert_int_equal(t->fruits_count, 60);
	assert_string_equal(t->fruits[0].tree, "f0");
	assert_string_equal(t->fruits[59].tree, "f59");
	assert_int_equal(t->fruits[59].size, 39);
}

static void wrong_values_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text;
		const char *msg;
	} cases[] = {
		{ "[]", "t.json:1: not a JSON object" },
		{ "7", "t.json:1: not a JSON object" },
		{ "null", "t.json:1: not a JSON object" },
		{ "{\"truth\":1}", "t.json:1: truth: not true or false: 1" },
		{ "{\"optTruth\":\"yes\"}", "t.json:1: optTruth: not true or false: \"yes\"" },
		{ "{\n\"u32\":4294967296}", "t.json:2: u32: number out of range: 4294967296" },
		{ "{\"u32\":-1}", "t.json:1: u32: must not be negative: -1" },
		{ "{\"u32\":1.5}", "t.json:1: u32: not a whole number: 1.5" },
		{ "{\"u32\":1e3}", "t.json:1: u32: not a whole number: 1e3" },
		{ "{\"u32\":\"1\"}", "t.json:1: u32: not a number: \"1\"" },
		{ "{\"u32\":true}", "t.json:1: u32: not a number: true" },
		{ "{\"optU32\":{}}", "t.json:1: optU32: not a number: an object" },
		{ "{\"i64\":9223372036854775808}",
		  "t.json:1: i64: number out of range: 9223372036854775808" },
		{ "{\"optI64\":-9223372036854775809}",
		  "t.json:1: optI64: number out of range: -9223372036854775809" },
		{ "{\"u64\":18446744073709551616}",
		  "t.json:1: u64: number out of range: 18446744073709551616" },
		{ "{\"string\":7}", "t.json:1: string: not a string: 7" },
		{ "{\"string\":[]}", "t.json:1: string: not a string: an array" },
		{ "{\"colour\":\"pink\"}", "t.json:1: colour: unknown value: \"pink\"" },
		{ "{\"colour\":2}", "t.json:1: colour: not a string: 2" },
		{ "{\"strings\":\"a\"}", "t.json:1: strings: not an array: \"a\"" },
		{ "{\"strings\":{}}", "t.json:1: strings: not an array: an object" },
		{ "{\"strings\":[\"a\",\n7]}", "t.json:2: strings[1]: not a string: 7" },
		{ "{\"strings\":[null]}", "t.json:1: strings[0]: not a string: null" },
		{ "{\"strings\":[[]]}", "t.json:1: strings[0]: not a string: an array" },
		{ "{\"numbers\":[1,2,-3]}", "t.json:1: numbers[2]: must not be negative: -3" },
		{ "{\"numbers\":[{}]}", "t.json:1: numbers[0]: not a number: an object" },
		{ "{\"map\":[]}", "t.json:1: map: not an object: an array" },
		{ "{\"map\":{\"k\":7}}", "t.json:1: map.k: not a string: 7" },
		{ "{\"map\":{\"k\":{}}}", "t.json:1: map.k: not a string: an object" },
		{ "{\"leaf\":[]}", "t.json:1: leaf: not an object: an array" },
		{ "{\"leaf\":true}", "t.json:1: leaf: not an object: true" },
		{ "{\"leaf\":{\"size\":\"x\"}}", "t.json:1: leaf.size: not a number: \"x\"" },
		{ "{\"optLeaf\":7}", "t.json:1: optLeaf: not an object: 7" },
		{ "{\"leaves\":{}}", "t.json:1: leaves: not an array: an object" },
		{ "{\"leaves\":[{},7]}", "t.json:1: leaves[1]: not an object: 7" },
		{ "{\"leaves\":[[]]}", "t.json:1: leaves[0]: not an object: an array" },
		{ "{\"fruits\":[]}", "t.json:1: fruits: not an object: an array" },
		{ "{\"fruits\":7}", "t.json:1: fruits: not an object: 7" },
		{ "{\"fruits\":{\"fig\":7}}", "t.json:1: fruits.fig: not an object: 7" },
		{ "{\"fruits\":{\"fig\":[]}}", "t.json:1: fruits.fig: not an object: an array" },
		{ "{\"fruits\":{\"a.b\":{\n\"size\":-1}}}",
		  "t.json:2: fruits.a.b.size: must not be negative: -1" },
		{ "{\"leaves\":[{},{\n\"name\":{}}]}",
		  "t.json:2: leaves[1].name: not a string: an object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct tree tree;

		fields_init(&tree_fields, &tree);
		assert_int_equal(fields_parse(&tree_fields, "t.json", cases[i].text,
					      strlen(cases[i].text), &limits, &tree, &err),
				 -EINVAL);
		assert_string_equal(err.msg, cases[i].msg);
		fields_release(&tree_fields, &tree);
	}
}

static void a_long_value_is_cut_in_the_message(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	strbuf_addstr(&sb, "{\"colour\":\"");
	for (int i = 0; i < 5000; i++)
		strbuf_addch(&sb, 'x');
	strbuf_addstr(&sb, "\"}");
	assert_int_equal(fields_parse(&tree_fields, "t.json", sb.buf, sb.len, &limits, *state,
				      &err),
			 -EINVAL);
	assert_true(strlen(err.msg) < 300);
}

static void a_copy_owns_all_that_it_holds(void **state)
{
	cleanup_free char *text = NULL;
	struct tree copy;

	parse(*state, full);
	fields_copy(&tree_fields, &copy, *state);
	fields_release(&tree_fields, *state);
	text = write_tree(&copy);
	assert_string_equal(text, full);
	fields_release(&tree_fields, &copy);
}

static void a_map_grows_and_replaces(void **state)
{
	struct string_map map = { NULL, 0 };
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i % 50);
		string_map_set(&map, key, i < 50 ? "old" : "new");
	}
	assert_int_equal(map.count, 50);
	assert_string_equal(string_map_get(&map, "k49"), "new");
	/* A value may come from the map itself. */
	string_map_set(&map, "k0", string_map_get(&map, "k0"));
	assert_string_equal(string_map_get(&map, "k0"), "new");
	string_map_done(&map);
	assert_null(map.items);
}

#define test_tree(name) cmocka_unit_test_setup_teardown(name, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_tree(every_kind_is_stored),
		test_tree(what_is_written_is_what_was_read),
		test_tree(defaults_are_left_out_unless_always_written),
		test_tree(an_empty_list_of_strings_is_not_an_absent_one),
		test_tree(lists_grow_past_their_first_allocation),
		test_tree(parsed_lists_can_be_pushed_to),
		test_tree(unknown_keys_are_ignored_with_all_that_is_in_them),
		test_tree(null_leaves_a_field_as_it_was),
		test_tree(a_repeated_key_replaces_the_earlier_value),
		test_tree(of_many_repeated_keys_the_last_one_stays),
		test_tree(a_repeated_object_merges_with_the_earlier_one),
		test_tree(of_repeated_keys_of_objects_the_last_one_stays),
		test_tree(maps_of_objects_grow_past_their_first_allocation),
		cmocka_unit_test(wrong_values_are_refused_with_their_place),
		test_tree(a_long_value_is_cut_in_the_message),
		test_tree(a_copy_owns_all_that_it_holds),
		cmocka_unit_test(a_map_grows_and_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
