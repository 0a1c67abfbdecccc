/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"
#include "lib/base/str.h"

struct error;

/*
 * A JSON object as a table of fields, which parses it into a C struct, writes it back and
 * releases it. Unknown keys are ignored, null leaves the field as it was, a repeated key
 * replaces the earlier one, objects and maps merge with it (as Go's decoder does). Strings and
 * arrays are owned by the struct; an array of strings given as [] is an empty one, not NULL.
 *
 *	struct box { uint32_t height, width; };
 *	static const struct field box_fields[] = {
 *		FIELD(struct box, "height", U32, height),
 *		FIELD(struct box, "width", U32, width),
 *	};
 *	const struct fields box_object = FIELDS(struct box, box_fields);
 */

/* Numbers and truths that may be absent, where absent differs from 0. */
/* clang-format off */
struct opt_bool { bool value, is_set; };
struct opt_u32 { uint32_t value; bool is_set; };
struct opt_i64 { int64_t value; bool is_set; };
struct opt_u64 { uint64_t value; bool is_set; };
/* clang-format on */

struct string_pair {
	char *key;
	char *value;
};
struct string_map {
	struct string_pair *items;
	size_t count;
};

enum field_kind {
	FIELD_KIND_BOOL,       /* bool */
	FIELD_KIND_OPT_BOOL,   /* struct opt_bool */
	FIELD_KIND_U32,	       /* uint32_t */
	FIELD_KIND_OPT_U32,    /* struct opt_u32 */
	FIELD_KIND_I64,	       /* int64_t */
	FIELD_KIND_OPT_I64,    /* struct opt_i64 */
	FIELD_KIND_U64,	       /* uint64_t */
	FIELD_KIND_OPT_U64,    /* struct opt_u64 */
	FIELD_KIND_STRING,     /* char * */
	FIELD_KIND_ENUM,       /* int, an index into .names; unknown words are refused */
	FIELD_KIND_STRINGS,    /* char **, NULL-terminated */
	FIELD_KIND_U32S,       /* uint32_t * and a size_t count at count_offset */
	FIELD_KIND_MAP,	       /* struct string_map */
	FIELD_KIND_OBJECT,     /* an embedded struct described by .object; omitted when empty */
	FIELD_KIND_OPT_OBJECT, /* a pointer to one, NULL when absent */
	FIELD_KIND_OBJECTS, /* a pointer to an array of them and a size_t count at count_offset */
	FIELD_KIND_KEYED,   /* the same for a JSON object whose values are objects: each one's key
				is the char * at key_offset, which the table itself does not name */
	FIELD_KIND_COUNT,
};

struct fields;

/* Packed, since every guest has hundreds of them in memory. */
struct field {
	const char *name; /* JSON key */
	union {
		const struct fields *object;
		const struct names *names; /* of FIELD_KIND_ENUM */
	};
	uint16_t offset;
	uint16_t count_offset;
	uint16_t key_offset;	    /* in .object's struct */
	uint8_t kind;		    /* enum field_kind */
	bool is_always_written : 1; /* also when false, 0 or empty; default: omitted */
	bool is_required : 1;	    /* see fields_find_missing() */
};

struct fields {
	const struct field *fields;
	size_t count;
	size_t size;		 /* of the struct */
	void (*init)(void *obj); /* sets defaults other than zero; NULL: none */
};

/* clang-format off */
#define FIELD(type, json, kind_, member)                                                           \
	{ .name = json, .kind = FIELD_KIND_##kind_, .offset = offsetof(type, member) }
#define FIELD_ALWAYS(type, json, kind_, member)                                                    \
	{ .name = json, .kind = FIELD_KIND_##kind_, .offset = offsetof(type, member),              \
	  .is_always_written = true }
#define FIELD_REQUIRED(type, json, kind_, member)                                                  \
	{ .name = json, .kind = FIELD_KIND_##kind_, .offset = offsetof(type, member),              \
	  .is_required = true }
#define FIELD_ENUM_REQUIRED(type, json, member, names_)                                            \
	{ .name = json, .kind = FIELD_KIND_ENUM, .offset = offsetof(type, member),                 \
	  .is_required = true, .names = names_ }
#define FIELD_ENUM(type, json, member, names_)                                                     \
	{ .name = json, .kind = FIELD_KIND_ENUM, .offset = offsetof(type, member),                 \
	  .names = names_ }
#define FIELD_OBJECT(type, json, kind_, member, object_)                                           \
	{ .name = json, .kind = FIELD_KIND_##kind_, .offset = offsetof(type, member),              \
	  .object = object_ }
/* Arrays: the count lives in the member MEMBER_count. */
#define FIELD_U32S(type, json, member)                                                             \
	{ .name = json, .kind = FIELD_KIND_U32S, .offset = offsetof(type, member),                 \
	  .count_offset = offsetof(type, member##_count) }
#define FIELD_OBJECTS(type, json, member, object_)                                                 \
	{ .name = json, .kind = FIELD_KIND_OBJECTS, .offset = offsetof(type, member),              \
	  .count_offset = offsetof(type, member##_count), .object = object_ }
#define FIELD_KEYED(type, json, member, object_, item_type, key)                                   \
	{ .name = json, .kind = FIELD_KIND_KEYED, .offset = offsetof(type, member),                \
	  .count_offset = offsetof(type, member##_count),                                          \
	  .key_offset = offsetof(item_type, key), .object = object_ }
#define FIELDS(type, array)                                                                        \
	{ .fields = array, .count = ARRAY_SIZE(array), .size = sizeof(type) }
#define FIELDS_INIT(type, array, init_)                                                            \
	{ .fields = array, .count = ARRAY_SIZE(array), .size = sizeof(type), .init = init_ }
/* clang-format on */

/* Parses a text whose top level is one object. @obj: zeroed by the caller or by fields_init().
 * Errors read `NAME:LINE: PATH: reason`, e.g. `config.json:41: process.cwd: not a string: 7`.
 * On error @obj holds what was read so far and still wants fields_release(). */
int fields_parse(const struct fields *fields, const char *name, const char *buf, size_t len,
		 const struct json_limits *limits, void *obj, struct error *err);

/* What @obj, or an object in it, lacks of what is required: a string or a list that has something
 * in it, a word whose index is not negative. Appends its path to @path and returns what is wrong
 * with it, or NULL when all is there. */
const char *fields_find_missing(const struct fields *fields, const void *obj, struct strbuf *path);

/* Zeroes @obj and sets its defaults. */
void fields_init(const struct fields *fields, void *obj);
/* Frees everything that @obj owns and zeroes it; not @obj itself. */
void fields_release(const struct fields *fields, void *obj);
/* A deep copy into @dst, whose content is overwritten. Members that no field names are copied as
 * they are. */
void fields_copy(const struct fields *fields, void *dst, const void *src);
/* Writes @obj as one JSON object. */
void fields_write(const struct fields *fields, struct json_writer *w, const void *obj);
/* One field's value alone. False, and nothing is written, where fields_write() would omit it. */
bool field_write(const struct field *field, struct json_writer *w, const void *obj);

const char *string_map_get(const struct string_map *map, const char *key); /* or NULL */
void string_map_set(struct string_map *map, const char *key, const char *value);
void string_map_done(struct string_map *map);
