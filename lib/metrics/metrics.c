/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/metrics/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/str.h"

struct sample {
	char *labels; /* as they are written, without braces */
	char *value;
};

struct family {
	char *name;
	char *help;
	enum metrics_type type;
	struct sample *samples;
	size_t count;
	size_t room;
};

struct metrics {
	struct family *families;
	size_t count;
	size_t latest; /* samples of a family come in rows */
	char *labels;
};

static const char *const type_names[] = {
	[METRICS_GAUGE] = "gauge",
	[METRICS_COUNTER] = "counter",
};

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	m->labels = xstrdup("");
	return m;
}

static void release_family(struct family *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->samples[i].labels);
		free(f->samples[i].value);
	}
	free(f->samples);
	free(f->name);
	free(f->help);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		release_family(&m->families[i]);
	free(m->families);
	free(m->labels);
	free(m);
}

static void add_quoted(struct strbuf *sb, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '\n') {
			strbuf_addstr(sb, "\\n");
			continue;
		}
		if (*p == '"' || *p == '\\')
			strbuf_addch(sb, '\\');
		strbuf_addch(sb, *p);
	}
}

static char *labels_text(const char *common, const struct metrics_label *labels)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, common);
	for (; labels && labels->name; labels++) {
		strbuf_addf(&sb, "%s%s=\"", sb.len ? "," : "", labels->name);
		add_quoted(&sb, labels->value);
		strbuf_addch(&sb, '"');
	}
	return strbuf_steal(&sb);
}

void metrics_set_labels(struct metrics *m, const struct metrics_label *labels)
{
	free(m->labels);
	m->labels = labels_text("", labels);
}

static struct family *find_family(struct metrics *m, const struct metrics_family *wanted)
{
	if (m->latest < m->count && streq(m->families[m->latest].name, wanted->name))
		return &m->families[m->latest];
	for (m->latest = 0; m->latest < m->count; m->latest++)
		if (streq(m->families[m->latest].name, wanted->name))
			return &m->families[m->latest];
	m->families = xrealloc(m->families, ++m->count, sizeof(*m->families));
	m->families[m->latest] = (struct family){
		.name = xstrdup(wanted->name),
		.help = xstrdup(wanted->help),
		.type = wanted->type,
	};
	return &m->families[m->latest];
}

void metrics_add(struct metrics *m, const struct metrics_family *family,
		 const struct metrics_label *labels, const char *value)
{
	struct family *f = find_family(m, family);

	if (f->count == f->room) {
		f->room = f->room ? f->room * 2 : 8;
		f->samples = xrealloc(f->samples, f->room, sizeof(*f->samples));
	}
	f->samples[f->count++] = (struct sample){ labels_text(m->labels, labels), xstrdup(value) };
}

void metrics_add_u64(struct metrics *m, const struct metrics_family *family,
		     const struct metrics_label *labels, uint64_t value)
{
	cleanup_free char *text = xasprintf("%" PRIu64, value);

	metrics_add(m, family, labels, text);
}

void metrics_add_item(struct metrics *m, const struct metrics_family *family, const char *item,
		      uint64_t value)
{
	const struct metrics_label labels[] = { { "item", item }, { NULL } };

	metrics_add_u64(m, family, labels, value);
}

void metrics_add_seconds(struct metrics *m, const struct metrics_family *family,
			 const struct metrics_label *labels, uint64_t count, uint64_t units_s)
{
	uint64_t ns = count % units_s * (1000000000 / units_s);
	cleanup_free char *text = xasprintf("%" PRIu64 ".%09" PRIu64, count / units_s, ns);

	metrics_add(m, family, labels, text);
}

static int compare(const void *a, const void *b)
{
	const struct sample *const *x = a, *const *y = b;
	int r = strcmp((*x)->labels, (*y)->labels);

	if (r != 0)
		return r;
	return *x < *y ? -1 : *x > *y; /* the one that came first */
}

static void write_family(const struct family *f, struct strbuf *sb)
{
	cleanup_free const struct sample **sorted = xcalloc(f->count, sizeof(*sorted));

	for (size_t i = 0; i < f->count; i++)
		sorted[i] = &f->samples[i];
	qsort(sorted, f->count, sizeof(*sorted), compare);
	strbuf_addf(sb, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
		    type_names[f->type]);
	for (size_t i = 0; i < f->count; i++) {
		const struct sample *s = sorted[i];

		if (i && streq(s->labels, sorted[i - 1]->labels))
			continue;
		strbuf_addstr(sb, f->name);
		if (*s->labels)
			strbuf_addf(sb, "{%s}", s->labels);
		strbuf_addf(sb, " %s\n", s->value);
	}
}

void metrics_write(const struct metrics *m, struct strbuf *sb)
{
	for (size_t i = 0; i < m->count; i++)
		write_family(&m->families[i], sb);
}
