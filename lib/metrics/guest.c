/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/metrics/guest.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/str.h"

#define LABELS_MAX 3
#define VALUE_MAX 128
#define NUMBER_MAX 32

struct guest_family {
	const char *name;
	struct metrics_family shown;
	const char *labels[LABELS_MAX];
};

/* clang-format off */
static const struct guest_family families[] = {
	/* Kata's name for it breaks Prometheus' rules, which keep "_count" for histograms. */
	{ "kata_agent_scrape_count", { "moat_agent_scrapes_total", METRICS_COUNTER, "Times that the guest's agent was asked for metrics." }, { 0 } },
	{ "kata_agent_threads", { "kata_agent_threads", METRICS_GAUGE, "Agent process threads." }, { 0 } },
	{ "kata_agent_fds", { "kata_agent_fds", METRICS_GAUGE, "Agent process open descriptors." }, { 0 } },
	{ "kata_agent_total_time", { "kata_agent_total_time", METRICS_GAUGE, "Agent process total time in seconds." }, { 0 } },
	{ "kata_agent_total_vm", { "kata_agent_total_vm", METRICS_GAUGE, "Agent process total VM size in bytes." }, { 0 } },
	{ "kata_agent_total_rss", { "kata_agent_total_rss", METRICS_GAUGE, "Agent process total resident set size in bytes." }, { 0 } },
	{ "kata_agent_proc_stat", { "kata_agent_proc_stat", METRICS_GAUGE, "Agent process statistics in ticks." }, { "item" } },
	{ "kata_agent_proc_status", { "kata_agent_proc_status", METRICS_GAUGE, "Agent process status: memory in KiB, context switches." }, { "item" } },
	{ "kata_agent_io_stat", { "kata_agent_io_stat", METRICS_GAUGE, "Agent process I/O statistics." }, { "item" } },
	{ "moat_agent_point_seconds", { "moat_agent_point_seconds", METRICS_GAUGE, "When the guest's agent got so far, since the guest booted." }, { "point" } },
	{ "kata_guest_load", { "kata_guest_load", METRICS_GAUGE, "Guest system load." }, { "item" } },
	{ "kata_guest_tasks", { "kata_guest_tasks", METRICS_GAUGE, "Tasks of the guest that run, and all of them." }, { "item" } },
	{ "kata_guest_cpu_time", { "kata_guest_cpu_time", METRICS_GAUGE, "Guest CPU statistics in milliseconds." }, { "cpu", "item" } },
	{ "kata_guest_meminfo", { "kata_guest_meminfo", METRICS_GAUGE, "Guest memory in bytes." }, { "item" } },
	{ "kata_guest_vm_stat", { "kata_guest_vm_stat", METRICS_GAUGE, "Guest virtual memory statistics." }, { "item" } },
	{ "kata_guest_netdev_stat", { "kata_guest_netdev_stat", METRICS_GAUGE, "Guest net devices statistics." }, { "interface", "item" } },
	{ "kata_guest_diskstat", { "kata_guest_diskstat", METRICS_GAUGE, "Guest disk statistics." }, { "disk", "item" } },
	{ "kata_guest_filesystem_bytes", { "kata_guest_filesystem_bytes", METRICS_GAUGE, "Guest file systems: space in bytes." }, { "mount", "device", "item" } },
	{ "kata_guest_filesystem_inodes", { "kata_guest_filesystem_inodes", METRICS_GAUGE, "Guest file systems: inodes." }, { "mount", "device", "item" } },
};
/* clang-format on */

static const struct guest_family *find_family(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (streq(families[i].name, name))
			return &families[i];
	return NULL;
}

/* A text in quotes, of which *@rest is what follows; taken apart in place. NULL: it has no end, or
 * is too long. */
static char *read_quoted(char **rest)
{
	char *start = *rest + 1, *to = start;

	if (**rest != '"')
		return NULL;
	for (char *p = start; *p; p++) {
		if (*p == '"') {
			*rest = p + 1;
			*to = '\0';
			str_sanitize(start, false);
			return to - start > VALUE_MAX ? NULL : start;
		}
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	return NULL;
}

/* Those of the family, each once, in its order whatever theirs was. */
static bool place_label(const struct guest_family *family, const char *name, const char *value,
			struct metrics_label *ret)
{
	for (size_t i = 0; i < LABELS_MAX && family->labels[i]; i++) {
		if (!streq(family->labels[i], name) || ret[i].name)
			continue;
		ret[i] = (struct metrics_label){ family->labels[i], value };
		return true;
	}
	return false;
}

static bool are_whole(const struct guest_family *family, const struct metrics_label *labels)
{
	for (size_t i = 0; i < LABELS_MAX && family->labels[i]; i++)
		if (!labels[i].name)
			return false;
	return true;
}

/* *@rest: behind the opening brace, later behind the closing one. */
static bool read_labels(const struct guest_family *family, char **rest, struct metrics_label *ret)
{
	while (**rest != '}') {
		char *name = strsep(rest, "="), *value = *rest ? read_quoted(rest) : NULL;

		if (!value || !place_label(family, name, value, ret))
			return false;
		if (**rest == ',')
			++*rest;
		else if (**rest != '}')
			return false;
	}
	++*rest;
	return true;
}

/* Decimal, and finite. */
static bool is_number(const char *text)
{
	const char *p = text + (*text == '-');
	size_t digits = strspn(p, "0123456789"), fraction;

	p += digits;
	if (!digits || strlen(text) > NUMBER_MAX)
		return false;
	if (*p == '.') {
		fraction = strspn(++p, "0123456789");
		p += fraction;
		if (!fraction)
			return false;
	}
	return !*p;
}

static bool read_line(struct metrics *m, char *line)
{
	struct metrics_label labels[LABELS_MAX + 1] = { 0 };
	size_t name_len = strcspn(line, "{ ");
	bool has_labels = line[name_len] == '{';
	char *rest = line + name_len + (line[name_len] != '\0');
	const struct guest_family *family;

	line[name_len] = '\0';
	family = find_family(line);
	if (!family || (has_labels && !read_labels(family, &rest, labels)))
		return false;
	if (has_labels && *rest++ != ' ')
		return false;
	if (!are_whole(family, labels) || !is_number(rest))
		return false;
	metrics_add(m, &family->shown, labels, rest);
	return true;
}

size_t metrics_add_guest(struct metrics *m, char *text)
{
	size_t count = 0;
	char *line;

	while (count < METRICS_GUEST_SAMPLES_MAX && (line = strsep(&text, "\n")))
		count += read_line(m, line);
	return count;
}
