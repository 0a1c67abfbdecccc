/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/options.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "cmd/moat/units.h"
#include "lib/base/error.h"
#include "lib/base/fields.h"

struct parser {
	const struct option_table *table;
	char **next; /* what is read next */
	char **kept; /* where the next positional goes; never behind `next` */
	void *values;
	struct error *err;
};

static const char *const truth_words[] = { "false", "true", "0", "1", "f", "t" };
static const struct names truths = NAMES(truth_words);

static const struct option_spec *find_name(const struct option_table *table, const char *name,
					   size_t len)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *candidate = table->specs[i].name;

		if (strncmp(candidate, name, len) == 0 && !candidate[len])
			return &table->specs[i];
	}
	return NULL;
}

static const struct option_spec *find_letter(const struct option_table *table, char letter)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->specs[i].letter == letter || table->specs[i].other_letter == letter)
			return &table->specs[i];
	return NULL;
}

static int set_flag(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	int truth = names_find(&truths, value);

	if (truth < 0)
		return error_set(err, -EINVAL, "option '--%s': neither 'true' nor 'false': '%s'",
				 spec->name, value);
	*(bool *)slot = truth & 1;
	return 0;
}

static int set_path(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	cleanup_free char *cwd = NULL;
	char **path = slot;

	if (!*value)
		return error_set(err, -EINVAL, "option '--%s': the path is empty", spec->name);
	free(*path);
	*path = NULL;
	if (*value == '/') {
		*path = xstrdup(value);
		return 0;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return error_sys(err, errno, "option '--%s': find the working directory",
				 spec->name);
	*path = xasprintf("%s/%s", streq(cwd, "/") ? "" : cwd, value);
	return 0;
}

static int not_a_number(const struct option_spec *spec, const char *value, struct error *err)
{
	return error_set(err, -EINVAL, "option '--%s': not a number: '%s'", spec->name, value);
}

static int set_u32(const struct option_spec *spec, void *slot, const char *value, struct error *err)
{
	if (parse_u32(value, slot) < 0)
		return not_a_number(spec, value, err);
	return 0;
}

static int set_opt_u32(const struct option_spec *spec, void *slot, const char *value,
		       struct error *err)
{
	struct opt_u32 *opt = slot;

	opt->is_set = *value;
	return *value && parse_u32(value, &opt->value) < 0 ? not_a_number(spec, value, err) : 0;
}

static int set_opt_u64(const struct option_spec *spec, void *slot, const char *value,
		       struct error *err)
{
	struct opt_u64 *opt = slot;

	opt->is_set = *value;
	return *value && parse_u64(value, &opt->value) < 0 ? not_a_number(spec, value, err) : 0;
}

static int set_opt_i64(const struct option_spec *spec, void *slot, const char *value,
		       struct error *err)
{
	struct opt_i64 *opt = slot;

	opt->is_set = *value;
	return *value && parse_i64(value, &opt->value) < 0 ? not_a_number(spec, value, err) : 0;
}

static int set_size(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	struct opt_i64 *opt = slot;

	opt->is_set = *value;
	if (*value && size_parse(value, &opt->value) < 0)
		return error_set(err, -EINVAL, "option '--%s': invalid size: '%s'", spec->name,
				 value);
	return 0;
}

static int set_time(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	struct opt_i64 *opt = slot;

	opt->is_set = *value;
	if (*value && duration_parse(value, &opt->value) < 0)
		return error_set(err, -EINVAL,
				 "option '--%s': want a time like 5s or 1m30s, not '%s'",
				 spec->name, value);
	return 0;
}

static int set_word(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	int i = names_find(spec->words, value);

	if (i >= 0) {
		*(int *)slot = i;
		return 0;
	}
	return error_set(err, -EINVAL, "invalid %s: '%s': not one of %s", spec->name, value,
			 spec->argument);
}

static int set_text(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	*(const char **)slot = value;
	return 0;
}

static int add_text(const struct option_spec *spec, void *slot, const char *value,
		    struct error *err)
{
	strv_push(slot, xstrdup(value));
	return 0;
}

static int (*const setters[OPTION_KIND_COUNT])(const struct option_spec *spec, void *slot,
					       const char *value, struct error *err) = {
	[OPTION_FLAG] = set_flag,	[OPTION_TEXT] = set_text,
	[OPTION_PATH] = set_path,	[OPTION_U32] = set_u32,
	[OPTION_WORD] = set_word,	[OPTION_TEXTS] = add_text,
	[OPTION_OPT_U32] = set_opt_u32, [OPTION_OPT_U64] = set_opt_u64,
	[OPTION_OPT_I64] = set_opt_i64, [OPTION_SIZE] = set_size,
	[OPTION_TIME] = set_time,
};

/* @value: what followed '=' or the letter, or NULL, in which case the next argument is taken. */
static int set_option(struct parser *p, const struct option_spec *spec, const char *value)
{
	if (!value && spec->kind == OPTION_FLAG)
		value = "true";
	if (!value) {
		if (!*p->next)
			return error_set(p->err, -EINVAL, "option '--%s' requires an argument",
					 spec->name);
		value = *p->next++;
	}
	return setters[spec->kind](spec, (char *)p->values + spec->offset, value, p->err);
}

static bool is_help(const char *arg)
{
	return streq(arg, "--help") || streq(arg, "-help") || streq(arg, "-h");
}

static int parse_letters(struct parser *p, const char *arg)
{
	for (const char *c = arg + 1; *c; c++) {
		const struct option_spec *spec = find_letter(p->table, *c);
		const char *value = c[1] == '=' ? c + 2 : c + 1;
		int r;

		if (!spec)
			return error_set(p->err, -EINVAL, "unknown option '-%c' in '%s'", *c, arg);
		if (spec->kind != OPTION_FLAG || c[1] == '=')
			return set_option(p, spec, *value || c[1] == '=' ? value : NULL);
		r = set_option(p, spec, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_option(struct parser *p, const char *arg)
{
	bool has_two_dashes = arg[1] == '-';
	const char *name = arg + 1 + has_two_dashes;
	size_t len = strcspn(name, "=");
	/* One letter behind one dash is never a long name; anything longer may be one. */
	const struct option_spec *spec =
		has_two_dashes || len > 1 ? find_name(p->table, name, len) : NULL;

	if (spec)
		return set_option(p, spec, name[len] ? name + len + 1 : NULL);
	if (has_two_dashes)
		return error_set(p->err, -EINVAL, "unknown option '--%.*s'", (int)len, name);
	return parse_letters(p, arg);
}

/* Everything that is left is positional. */
static int keep_rest(struct parser *p)
{
	while (*p->next)
		*p->kept++ = *p->next++;
	*p->kept = NULL;
	return 0;
}

int options_parse(const struct option_table *table, char **argv, bool stops_early, void *values,
		  struct error *err)
{
	struct parser p = {
		.table = table, .next = argv, .kept = argv, .values = values, .err = err
	};

	while (*p.next) {
		char *arg = *p.next;
		int r;

		/* A lone "-" means standard input to those who take a file. */
		if (arg[0] != '-' || !arg[1]) {
			if (stops_early)
				return keep_rest(&p);
			*p.kept++ = *p.next++;
			continue;
		}
		p.next++;
		if (streq(arg, "--"))
			return keep_rest(&p);
		if (is_help(arg))
			return OPTIONS_HELP;
		r = parse_option(&p, arg);
		if (r < 0)
			return r;
	}
	*p.kept = NULL;
	return 0;
}

void options_release(const struct option_table *table, void *values)
{
	for (size_t i = 0; i < table->count; i++) {
		void *slot = (char *)values + table->specs[i].offset;

		if (table->specs[i].kind == OPTION_PATH)
			free(steal_ptr((char **)slot));
		if (table->specs[i].kind == OPTION_TEXTS)
			strv_free(steal_ptr((char ***)slot));
	}
}
