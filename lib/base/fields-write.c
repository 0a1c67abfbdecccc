/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fields.h"

#include "lib/base/fields-internal.h"

static bool is_absent(const struct field *f, char *base);

static bool is_empty(const struct fields *fields, char *obj)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!is_absent(&fields->fields[i], obj))
			return false;
	return true;
}

static bool is_absent(const struct field *f, char *base)
{
	switch (f->kind) {
	case FIELD_KIND_OPT_BOOL:
		return !MEMBER(struct opt_bool, base, f).is_set;
	case FIELD_KIND_OPT_U32:
		return !MEMBER(struct opt_u32, base, f).is_set;
	case FIELD_KIND_OPT_I64:
		return !MEMBER(struct opt_i64, base, f).is_set;
	case FIELD_KIND_OPT_U64:
		return !MEMBER(struct opt_u64, base, f).is_set;
	case FIELD_KIND_STRING:
	case FIELD_KIND_OPT_OBJECT:
		return !MEMBER(void *, base, f);
	case FIELD_KIND_ENUM:
		return !names_get(f->names, (size_t)MEMBER(int, base, f));
	default:
		break;
	}
	if (f->is_always_written)
		return false;
	switch (f->kind) {
	case FIELD_KIND_BOOL:
		return !MEMBER(bool, base, f);
	case FIELD_KIND_U32:
		return !MEMBER(uint32_t, base, f);
	case FIELD_KIND_I64:
		return !MEMBER(int64_t, base, f);
	case FIELD_KIND_U64:
		return !MEMBER(uint64_t, base, f);
	case FIELD_KIND_STRINGS:
		return !MEMBER(char **, base, f);
	case FIELD_KIND_MAP:
		return !MEMBER(struct string_map, base, f).count;
	case FIELD_KIND_U32S:
	case FIELD_KIND_OBJECTS:
	case FIELD_KIND_KEYED:
		return !*count_of(f, base);
	case FIELD_KIND_OBJECT:
		return is_empty(f->object, base + f->offset);
	default:
		return false;
	}
}

static void write_array(const struct field *f, struct json_writer *w, char *base)
{
	json_open_array(w);
	if (f->kind == FIELD_KIND_STRINGS) {
		strv_each(s, MEMBER(char **, base, f))
			json_string(w, s);
	} else {
		for (size_t i = 0; i < *count_of(f, base); i++) {
			if (f->kind == FIELD_KIND_U32S)
				json_u64(w, MEMBER(uint32_t *, base, f)[i]);
			else
				fields_write(f->object, w,
					     MEMBER(char *, base, f) + i * f->object->size);
		}
	}
	json_close_array(w);
}

static void write_keyed(const struct field *f, struct json_writer *w, char *base)
{
	json_open_map(w);
	for (size_t i = 0; i < *count_of(f, base); i++) {
		json_key(w, *key_of(f, base, i));
		fields_write(f->object, w, MEMBER(char *, base, f) + i * f->object->size);
	}
	json_close_map(w);
}

static void write_map(const struct string_map *map, struct json_writer *w)
{
	json_open_map(w);
	for (size_t i = 0; i < map->count; i++) {
		json_key(w, map->items[i].key);
		json_string(w, map->items[i].value);
	}
	json_close_map(w);
}

static void write_value(const struct field *f, struct json_writer *w, char *base)
{
	switch (f->kind) {
	case FIELD_KIND_BOOL:
		json_bool(w, MEMBER(bool, base, f));
		break;
	case FIELD_KIND_OPT_BOOL:
		json_bool(w, MEMBER(struct opt_bool, base, f).value);
		break;
	case FIELD_KIND_U32:
		json_u64(w, MEMBER(uint32_t, base, f));
		break;
	case FIELD_KIND_OPT_U32:
		json_u64(w, MEMBER(struct opt_u32, base, f).value);
		break;
	case FIELD_KIND_I64:
		json_i64(w, MEMBER(int64_t, base, f));
		break;
	case FIELD_KIND_OPT_I64:
		json_i64(w, MEMBER(struct opt_i64, base, f).value);
		break;
	case FIELD_KIND_U64:
		json_u64(w, MEMBER(uint64_t, base, f));
		break;
	case FIELD_KIND_OPT_U64:
		json_u64(w, MEMBER(struct opt_u64, base, f).value);
		break;
	case FIELD_KIND_STRING:
		json_string(w, MEMBER(char *, base, f));
		break;
	case FIELD_KIND_ENUM:
		json_string(w, names_get(f->names, (size_t)MEMBER(int, base, f)));
		break;
	case FIELD_KIND_MAP:
		write_map(&MEMBER(struct string_map, base, f), w);
		break;
	case FIELD_KIND_KEYED:
		write_keyed(f, w, base);
		break;
	case FIELD_KIND_OBJECT:
		fields_write(f->object, w, base + f->offset);
		break;
	case FIELD_KIND_OPT_OBJECT:
		fields_write(f->object, w, MEMBER(void *, base, f));
		break;
	default:
		write_array(f, w, base);
	}
}

void fields_write(const struct fields *fields, struct json_writer *w, const void *obj)
{
	json_open_map(w);
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *f = &fields->fields[i];

		if (is_absent(f, (char *)obj))
			continue;
		json_key(w, f->name);
		write_value(f, w, (char *)obj);
	}
	json_close_map(w);
}

bool field_write(const struct field *field, struct json_writer *w, const void *obj)
{
	if (is_absent(field, (char *)obj))
		return false;
	write_value(field, w, (char *)obj);
	return true;
}

static char **copy_strings(char *const *v)
{
	return v && !*v ? xcalloc(1, sizeof(char *)) : strv_copy(v);
}

static struct string_map copy_map(const struct string_map *map)
{
	struct string_map copy = { NULL, 0 };

	for (size_t i = 0; i < map->count; i++)
		string_map_append(&copy, map->items[i].key, map->items[i].value);
	return copy;
}

static void own_fields(const struct fields *fields, char *obj);

/* What a plain assignment of the struct shared with its source becomes the copy's own. */
static void own_field(const struct field *f, char *base)
{
	size_t count, size;
	char *items;

	switch (f->kind) {
	case FIELD_KIND_STRING:
		if (MEMBER(char *, base, f))
			MEMBER(char *, base, f) = xstrdup(MEMBER(char *, base, f));
		break;
	case FIELD_KIND_STRINGS:
		MEMBER(char **, base, f) = copy_strings(MEMBER(char **, base, f));
		break;
	case FIELD_KIND_MAP:
		MEMBER(struct string_map, base, f) = copy_map(&MEMBER(struct string_map, base, f));
		break;
	case FIELD_KIND_OBJECT:
		own_fields(f->object, base + f->offset);
		break;
	case FIELD_KIND_OPT_OBJECT:
		if (!MEMBER(void *, base, f))
			break;
		MEMBER(void *, base, f) = xmemdup(MEMBER(void *, base, f), f->object->size);
		own_fields(f->object, MEMBER(void *, base, f));
		break;
	case FIELD_KIND_U32S:
	case FIELD_KIND_OBJECTS:
	case FIELD_KIND_KEYED:
		count = *count_of(f, base);
		if (!count) {
			MEMBER(void *, base, f) = NULL;
			break;
		}
		size = f->object ? f->object->size : sizeof(uint32_t);
		items = xmemdup(MEMBER(void *, base, f), count * size);
		MEMBER(void *, base, f) = items;
		for (size_t i = 0; f->object && i < count; i++)
			own_fields(f->object, items + i * size);
		for (size_t i = 0; f->kind == FIELD_KIND_KEYED && i < count; i++)
			*key_of(f, base, i) = xstrdup(*key_of(f, base, i));
		break;
	default:
		break;
	}
}

static void own_fields(const struct fields *fields, char *obj)
{
	for (size_t i = 0; i < fields->count; i++)
		own_field(&fields->fields[i], obj);
}

void fields_copy(const struct fields *fields, void *dst, const void *src)
{
	memcpy(dst, src, fields->size);
	own_fields(fields, dst);
}
