/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "lib/base/error.h"
#include "lib/base/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A struct with a member of every kind, and one that contains itself. */
struct node {
	bool truth;
	struct opt_bool opt_truth;
	uint32_t u32;
	struct opt_u32 opt_u32;
	int64_t i64;
	struct opt_i64 opt_i64;
	uint64_t u64;
	struct opt_u64 opt_u64;
	char *string;
	int word;
	char **strings;
	uint32_t *numbers;
	size_t numbers_count;
	struct string_map map;
	struct {
		char *name;
	} leaf;
	struct node *child;
	struct node *children;
	size_t children_count;
	char *key; /* of one in @keyed */
	struct node *keyed;
	size_t keyed_count;
};

static const char *const words[] = { "red", "green" };
static const struct names word_names = NAMES(words);

static const struct field leaf_table[] = {
	{ .name = "s", .kind = FIELD_KIND_STRING, .offset = 0 },
};
static const struct fields leaf_fields = { leaf_table, ARRAY_SIZE(leaf_table), sizeof(char *),
					   NULL };

static const struct fields node_fields;
static const struct field node_table[] = {
	FIELD(struct node, "b", BOOL, truth),
	FIELD(struct node, "B", OPT_BOOL, opt_truth),
	FIELD(struct node, "u", U32, u32),
	FIELD(struct node, "U", OPT_U32, opt_u32),
	FIELD(struct node, "i", I64, i64),
	FIELD(struct node, "I", OPT_I64, opt_i64),
	FIELD(struct node, "n", U64, u64),
	FIELD(struct node, "N", OPT_U64, opt_u64),
	FIELD(struct node, "s", STRING, string),
	FIELD_ENUM(struct node, "e", word, &word_names),
	FIELD(struct node, "S", STRINGS, strings),
	FIELD_U32S(struct node, "a", numbers),
	FIELD(struct node, "m", MAP, map),
	FIELD_OBJECT(struct node, "l", OBJECT, leaf, &leaf_fields),
	FIELD_OBJECT(struct node, "c", OPT_OBJECT, child, &node_fields),
	FIELD_OBJECTS(struct node, "C", children, &node_fields),
	FIELD_KEYED(struct node, "k", keyed, &node_fields, struct node, key),
};
static const struct fields node_fields = FIELDS(struct node, node_table);

static char *write_node(const struct node *node)
{
	struct json_writer *w = json_writer_new(false);

	fields_write(&node_fields, w, node);
	return json_finish(w);
}

static void expect_the_same(const struct node *node, const struct json_limits *limits)
{
	cleanup_free char *first = write_node(node);
	cleanup_free char *second = NULL;
	cleanup_free char *third = NULL;
	struct error err = ERROR_INIT;
	struct node again, copy;
	int r;

	fields_init(&node_fields, &again);
	r = fields_parse(&node_fields, "again", first, strlen(first), limits, &again, &err);
	assert(r == 0);
	(void)r;
	second = write_node(&again);
	assert(streq(first, second));
	fields_copy(&node_fields, &copy, &again);
	fields_release(&node_fields, &again);
	third = write_node(&copy);
	assert(streq(first, third));
	fields_release(&node_fields, &copy);
}

/* The first byte chooses the limits; what is left is the text, and a path to look for in it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_limits limits = { .max_bytes = 1 << 20, .max_depth = 64, .max_values = 100000 };
	cleanup_free char *path = NULL;
	struct error err = ERROR_INIT;
	struct node node;
	const char *text;

	if (!size)
		return 0;
	limits.allow_comments = data[0] & 1;
	if (data[0] & 2)
		limits.max_depth = 5;
	if (data[0] & 4)
		limits.max_values = 20;
	text = (const char *)data + 1;
	size--;
	path = xstrndup(text, size < 40 ? size : 40);
	(void)json_locate(text, size, &limits, path); /* any line will do */
	(void)json_locate(text, size, &limits, "C[1].c.m.key");

	fields_init(&node_fields, &node);
	if (fields_parse(&node_fields, "t", text, size, &limits, &node, &err) == 0) {
		limits.max_values = SIZE_MAX; /* what is always written may be more than was read */
		expect_the_same(&node, &limits);
	}
	fields_release(&node_fields, &node);
	return 0;
}
