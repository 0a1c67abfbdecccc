/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/settings/keys.h"

#include "lib/base/fields.h"
#include "lib/base/json.h"

/* What is open at some depth. Inside of what nobody knows, and inside of lists and maps, nothing is
 * looked up. */
struct level {
	const struct fields *fields; /* of an object, or NULL */
	const struct field *current; /* the last key's */
	char *key;		     /* the last key */
};

struct walk {
	const char *name;
	const char *buf;
	struct level levels[JSON_MAX_DEPTH + 1];
	size_t depth; /* levels in use */
	const struct fields *root;
	char *pending; /* path of a key whose value comes next, and its line */
	unsigned int pending_line;
	char ***unknown;
	struct string_map *origins;
};

static const struct field *find(const struct fields *fields, const char *key)
{
	for (size_t i = 0; i < fields->count; i++)
		if (streq(fields->fields[i].name, key))
			return &fields->fields[i];
	return NULL;
}

static unsigned int line_at(const char *buf, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset; i++)
		line += buf[i] == '\n';
	return line;
}

static char *path_of(const struct walk *w)
{
	struct strbuf path = STRBUF_INIT;

	for (size_t i = 0; i < w->depth; i++)
		if (w->levels[i].key)
			strbuf_addf(&path, "%s%s", path.len ? "." : "", w->levels[i].key);
	return strbuf_steal(&path);
}

static void add_unknown(const struct walk *w, size_t offset)
{
	cleanup_free char *path = path_of(w);

	strv_pushf(w->unknown, "%s:%u: %s: unknown key", w->name, line_at(w->buf, offset), path);
}

/* A null leaves what was there, so it says nothing. */
static void end_pending(struct walk *w, bool is_said)
{
	cleanup_free char *path = steal_ptr(&w->pending);
	cleanup_free char *place = NULL;

	if (!path || !is_said)
		return;
	place = xasprintf("%s:%u", w->name, w->pending_line);
	string_map_set(w->origins, path, place);
}

static const struct fields *object_of(const struct field *f)
{
	return f->kind == FIELD_KIND_ENUM ? NULL : f->object;
}

static void open_level(struct walk *w, bool is_map)
{
	const struct level *outer = w->depth ? &w->levels[w->depth - 1] : NULL;
	const struct fields *fields = w->root;

	if (outer)
		fields = outer->current ? object_of(outer->current) : NULL;
	w->levels[w->depth++] = (struct level){ .fields = is_map ? fields : NULL };
}

static void close_level(struct walk *w)
{
	free(w->levels[--w->depth].key);
}

static void take_key(struct walk *w, const struct json_event *event)
{
	struct level *level = &w->levels[w->depth - 1];

	free(level->key);
	level->key = xstrdup(event->text);
	if (!level->fields)
		return;
	level->current = find(level->fields, event->text);
	if (!level->current) {
		add_unknown(w, event->offset);
		return;
	}
	if (object_of(level->current))
		return;
	w->pending = path_of(w);
	w->pending_line = line_at(w->buf, event->offset);
}

static int walk(void *ctx, const struct json_event *event, struct error *err)
{
	struct walk *w = ctx;

	end_pending(w, event->type != JSON_NULL);
	if (event->type == JSON_MAP_START || event->type == JSON_ARRAY_START)
		open_level(w, event->type == JSON_MAP_START);
	else if (event->type == JSON_MAP_END || event->type == JSON_ARRAY_END)
		close_level(w);
	else if (event->type == JSON_KEY)
		take_key(w, event);
	return 0;
}

void settings_keys_find(const struct fields *fields, const char *name, const char *buf, size_t len,
			const struct json_limits *limits, char ***unknown,
			struct string_map *origins)
{
	struct walk w = {
		.name = name, .buf = buf, .root = fields, .unknown = unknown, .origins = origins
	};

	(void)json_parse(name, buf, len, limits, walk, &w, NULL); /* it could be parsed before */
	end_pending(&w, false);
	while (w.depth)
		close_level(&w);
}
