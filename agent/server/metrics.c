/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * GetMetrics: /proc in Prometheus' text format, under the names of Kata's agent, which existing
 * dashboards ask for. What cannot be read is left out: a metric is no reason to fail.
 */
#define FILE_MAX (256u * 1024)

static char *read_proc(const char *path)
{
	char *text = NULL;

	return read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? xstrdup("") : text;
}

/* The next word of *@rest, which moves on; NULL at the end of the line. */
static char *next_word(char **rest)
{
	char *word;

	while ((word = strsep(rest, " \t")) && !*word)
		;
	return word;
}

static void begin_gauge(struct strbuf *sb, const char *name, const char *help)
{
	strbuf_addf(sb, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* A label's value is quoted; names of files and links may hold anything. */
static void add_sample(struct strbuf *sb, const char *name, const char *const labels[][2],
		       const char *value)
{
	strbuf_addstr(sb, name);
	for (size_t i = 0; labels[i][0]; i++) {
		strbuf_addf(sb, "%s%s=\"", i ? "," : "{", labels[i][0]);
		for (const char *p = labels[i][1]; *p; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_addch(sb, '\\');
			strbuf_addch(sb, *p);
		}
		strbuf_addstr(sb, labels[i + 1][0] ? "\"" : "\"}");
	}
	strbuf_addf(sb, " %s\n", value);
}

static void add_item(struct strbuf *sb, const char *name, const char *item, const char *value)
{
	const char *const labels[][2] = { { "item", item }, { NULL } };

	add_sample(sb, name, labels, value);
}

/* "MemTotal:  123 kB": in bytes, as a metric should be; "HugePages_Total: 0" as it is. */
static void add_fields(struct strbuf *sb, const char *path, const char *name, const char *help)
{
	cleanup_free char *text = read_proc(path);
	char *rest = text, *line;

	begin_gauge(sb, name, help);
	while ((line = strsep(&rest, "\n"))) {
		char *key = next_word(&line), *value = key ? next_word(&line) : NULL;
		char *unit = value ? next_word(&line) : NULL;
		cleanup_free char *bytes = NULL;
		uint64_t number;

		if (!value || parse_u64(value, &number) < 0)
			continue;
		key[strcspn(key, ":")] = '\0';
		if (unit && streq(unit, "kB"))
			number *= 1024;
		bytes = xasprintf("%" PRIu64, number);
		add_item(sb, name, key, bytes);
	}
}

static void add_load(struct strbuf *sb)
{
	static const char *const items[] = { "load1", "load5", "load15" };
	cleanup_free char *text = read_proc("/proc/loadavg");
	char *rest = text;

	begin_gauge(sb, "kata_guest_load", "Guest system load.");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const char *value = next_word(&rest);

		if (value)
			add_item(sb, "kata_guest_load", items[i], value);
	}
}

static void add_cpus(struct strbuf *sb)
{
	static const char *const items[] = { "user", "nice",	"system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	cleanup_free char *text = read_proc("/proc/stat");
	char *rest = text, *line;

	begin_gauge(sb, "kata_guest_cpu_time", "Guest CPU statistics in jiffies.");
	while ((line = strsep(&rest, "\n"))) {
		char *cpu = next_word(&line), *value;

		if (!cpu || !str_after(cpu, "cpu"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items) && (value = next_word(&line)); i++) {
			const char *const labels[][2] = {
				{ "cpu", cpu[3] ? cpu + 3 : "total" },
				{ "item", items[i] },
				{ NULL },
			};

			add_sample(sb, "kata_guest_cpu_time", labels, value);
		}
	}
}

/* A line of /proc/net/dev after its first column, one of /proc/diskstats after its third. */
static void add_columns(struct strbuf *sb, const char *metric, const char *label,
			const char *device, const char *const *items, size_t count, char *line)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = next_word(&line);
		const char *const labels[][2] = {
			{ label, device },
			{ "item", items[i] },
			{ NULL },
		};

		if (!value)
			return;
		add_sample(sb, metric, labels, value);
	}
}

static void add_links(struct strbuf *sb)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",	 "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",	 "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",	 "sent_compressed",
	};
	cleanup_free char *text = read_proc("/proc/net/dev");
	char *rest = text, *line;

	begin_gauge(sb, "kata_guest_netdev_stat", "Guest net devices statistics.");
	while ((line = strsep(&rest, "\n"))) {
		char *colon = strchr(line, ':');

		if (!colon) /* its two lines of headings */
			continue;
		*colon = '\0';
		line += strspn(line, " ");
		add_columns(sb, "kata_guest_netdev_stat", "interface", line, items,
			    ARRAY_SIZE(items), colon + 1);
	}
}

static void add_disks(struct strbuf *sb)
{
	static const char *const items[] = {
		"reads",
		"merged",
		"sectors_read",
		"time_reading",
		"writes",
		"writes_merged",
		"sectors_written",
		"time_writing",
		"in_progress",
		"time_in_progress",
		"weighted_time_in_progress",
	};
	cleanup_free char *text = read_proc("/proc/diskstats");
	char *rest = text, *line;

	begin_gauge(sb, "kata_guest_diskstat", "Disks stat in system.");
	while ((line = strsep(&rest, "\n"))) {
		char *disk = next_word(&line) && next_word(&line) ? next_word(&line) : NULL;

		if (disk && line)
			add_columns(sb, "kata_guest_diskstat", "disk", disk, items,
				    ARRAY_SIZE(items), line);
	}
}

static void add_agent(struct strbuf *sb)
{
	cleanup_free char *text = read_proc("/proc/self/stat");
	char *rest = strrchr(text, ')');
	const char *threads = NULL, *rss = NULL;
	uint64_t pages;

	/* Its third column follows the name. */
	for (int column = 2; rest && column <= 24; column++) {
		const char *word = next_word(&rest);

		if (column == 20)
			threads = word;
		if (column == 24)
			rss = word;
	}
	if (!rss || parse_u64(rss, &pages) < 0)
		return;
	begin_gauge(sb, "kata_agent_threads", "Agent process threads.");
	strbuf_addf(sb, "kata_agent_threads %s\n", threads);
	begin_gauge(sb, "kata_agent_total_rss", "Agent process total resident set size.");
	strbuf_addf(sb, "kata_agent_total_rss %" PRIu64 "\n",
		    pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

int metrics_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	grpc_Metrics *ret = response;
	struct strbuf sb = STRBUF_INIT;

	add_agent(&sb);
	add_load(&sb);
	add_cpus(&sb);
	add_fields(&sb, "/proc/meminfo", "kata_guest_meminfo", "Statistics about memory usage.");
	add_fields(&sb, "/proc/vmstat", "kata_guest_vm_stat", "Guest virtual memory statistics.");
	add_links(&sb);
	add_disks(&sb);
	ret->metrics = strbuf_steal(&sb);
	return 0;
}
