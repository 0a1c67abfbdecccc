/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-stats-parse.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/base/str.h"

static void add_number(struct cgroup_u64s *numbers, uint64_t value)
{
	/* Growth in powers of two, without a stored capacity. */
	if ((numbers->count & (numbers->count - 1)) == 0)
		numbers->items = xrealloc(numbers->items, numbers->count ? numbers->count * 2 : 1,
					  sizeof(*numbers->items));
	numbers->items[numbers->count++] = value;
}

void stats_parse_keyed(const char *text, stats_keyed_fn fn, void *ctx)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *value = strsep(&rest, "\n");
		char *key = strsep(&value, " ");
		uint64_t number;

		if (value && parse_u64(value, &number) == 0)
			fn(ctx, key, number);
	}
}

void stats_parse_numbers(const char *text, struct cgroup_u64s *ret)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		uint64_t number;

		if (parse_u64(strsep(&rest, " \n"), &number) == 0)
			add_number(ret, number);
	}
}

/* "3" or "0-2"; -EINVAL. */
static int parse_range(char *s, uint64_t *ret_first, uint64_t *ret_last)
{
	char *first = strsep(&s, "-");

	if (parse_u64(first, ret_first) < 0)
		return -EINVAL;
	*ret_last = *ret_first;
	if (s && parse_u64(s, ret_last) < 0)
		return -EINVAL;
	return *ret_first <= *ret_last && *ret_last < STATS_LIST_MAX ? 0 : -EINVAL;
}

void stats_parse_list(const char *text, struct cgroup_u64s *ret)
{
	cleanup_free char *copy = xstrndup(text, strcspn(text, "\n"));
	struct cgroup_u64s numbers = { NULL, 0 };
	char *rest = copy;

	while (rest && *rest) {
		uint64_t first, last;

		if (parse_range(strsep(&rest, ","), &first, &last) < 0 ||
		    numbers.count + (last - first) >= STATS_LIST_MAX) {
			free(numbers.items);
			return;
		}
		for (uint64_t i = first; i <= last; i++)
			add_number(&numbers, i);
	}
	*ret = numbers;
}

void stats_parse_percpu(const char *text, struct cgroup_u64s *user, struct cgroup_u64s *kernel)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *line = strsep(&rest, "\n");
		struct cgroup_u64s columns = { NULL, 0 };

		/* The heading has no numbers. */
		stats_parse_numbers(line, &columns);
		if (columns.count == 3) {
			add_number(user, columns.items[1]);
			add_number(kernel, columns.items[2]);
		}
		free(columns.items);
	}
}

/* "12.34": no locale, no exponent. */
static int parse_decimal(const char *s, double *ret)
{
	const char *dot = strchr(s, '.');
	cleanup_free char *whole = xstrndup(s, dot ? (size_t)(dot - s) : strlen(s));
	uint64_t integer, fraction = 0;
	double scale = 1;

	if (parse_u64(whole, &integer) < 0 || (dot && parse_u64(dot + 1, &fraction) < 0))
		return -EINVAL;
	for (const char *p = dot ? dot + 1 : ""; *p; p++)
		scale *= 10;
	*ret = (double)integer + (double)fraction / scale;
	return 0;
}

static void parse_psi_words(char *words, struct cgroup_psi_line *ret)
{
	const struct {
		const char *key;
		double *value;
	} averages[] = {
		{ "avg10=", &ret->avg10 },
		{ "avg60=", &ret->avg60 },
		{ "avg300=", &ret->avg300 },
	};

	while (words) {
		const char *word = strsep(&words, " ");
		const char *total = str_after(word, "total=");

		if (total)
			(void)parse_u64(total, &ret->total); /* stays 0 */
		for (size_t i = 0; i < ARRAY_SIZE(averages); i++) {
			const char *value = str_after(word, averages[i].key);

			if (value)
				(void)parse_decimal(value, averages[i].value); /* stays 0 */
		}
	}
}

void stats_parse_psi(const char *text, struct cgroup_psi *ret)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *words = strsep(&rest, "\n");
		const char *kind = strsep(&words, " ");

		if (!words)
			continue;
		if (streq(kind, "some")) {
			parse_psi_words(words, &ret->some);
			ret->is_set = true;
		} else if (streq(kind, "full")) {
			parse_psi_words(words, &ret->full);
			ret->has_full = true;
		}
	}
}

static int parse_device(char *s, uint64_t *ret_major, uint64_t *ret_minor)
{
	const char *major = strsep(&s, ":");

	return s && parse_u64(major, ret_major) == 0 && parse_u64(s, ret_minor) == 0 ? 0 : -EINVAL;
}

static void add_entry(struct cgroup_blkio_entries *entries, uint64_t major, uint64_t minor,
		      const char *op, uint64_t value)
{
	entries->items = xrealloc(entries->items, entries->count + 1, sizeof(*entries->items));
	entries->items[entries->count++] = (struct cgroup_blkio_entry){
		.major = major,
		.minor = minor,
		.op = xstrdup(op),
		.value = value,
	};
}

void stats_parse_blkio(const char *text, struct cgroup_blkio_entries *ret)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *value = strsep(&rest, "\n");
		char *device = strsep(&value, " ");
		const char *op = value && strchr(value, ' ') ? strsep(&value, " ") : "";
		uint64_t major, minor, number;

		if (value && parse_device(device, &major, &minor) == 0 &&
		    parse_u64(value, &number) == 0)
			add_entry(ret, major, minor, op, number);
	}
}

void stats_parse_io(const char *text, struct cgroup_blkio_entries *bytes,
		    struct cgroup_blkio_entries *operations)
{
	const struct {
		const char *key;
		const char *op;
		struct cgroup_blkio_entries *entries;
	} columns[] = {
		{ "rbytes=", "Read", bytes },
		{ "wbytes=", "Write", bytes },
		{ "rios=", "Read", operations },
		{ "wios=", "Write", operations },
	};
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *words = strsep(&rest, "\n");
		uint64_t major, minor, number;

		if (parse_device(strsep(&words, " "), &major, &minor) < 0)
			continue;
		while (words) {
			const char *word = strsep(&words, " ");

			for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
				const char *value = str_after(word, columns[i].key);

				if (value && parse_u64(value, &number) == 0)
					add_entry(columns[i].entries, major, minor, columns[i].op,
						  number);
			}
		}
	}
}

static void parse_rdma_number(const char *word, const char *key, uint32_t *ret)
{
	const char *value = str_after(word, key);

	if (value && parse_u32(value, ret) < 0)
		*ret = UINT32_MAX; /* "max" */
}

void stats_parse_rdma(const char *text, struct cgroup_rdma_entries *ret)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy;

	while (rest) {
		char *words = strsep(&rest, "\n");
		const char *device = strsep(&words, " ");
		struct cgroup_rdma_entry *entry;

		if (!words)
			continue;
		ret->items = xrealloc(ret->items, ret->count + 1, sizeof(*ret->items));
		entry = &ret->items[ret->count++];
		*entry = (struct cgroup_rdma_entry){ .device = xstrdup(device) };
		while (words) {
			const char *word = strsep(&words, " ");

			parse_rdma_number(word, "hca_handle=", &entry->hca_handles);
			parse_rdma_number(word, "hca_object=", &entry->hca_objects);
		}
	}
}
