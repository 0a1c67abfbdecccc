/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/server/points.h"
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

static void add_number(struct strbuf *sb, const char *name, const char *item, uint64_t number)
{
	cleanup_free char *value = xasprintf("%" PRIu64, number);

	add_item(sb, name, item, value);
}

/* A file of lines "KEY: 123" or "KEY: 123 kB". */
struct field_file {
	const char *path;
	const char *metric;
	const char *help;
	uint64_t kb; /* what "kB" stands for */
	/* Kata's name for a key, or NULL: it has none. NULL here: the kernel's. */
	char *(*name)(const char *key);
};

static void add_fields(struct strbuf *sb, const struct field_file *file)
{
	cleanup_free char *text = read_proc(file->path);
	char *rest = text, *line;

	begin_gauge(sb, file->metric, file->help);
	while ((line = strsep(&rest, "\n"))) {
		char *key = next_word(&line), *value = key ? next_word(&line) : NULL;
		char *unit = value ? next_word(&line) : NULL;
		cleanup_free char *item = NULL;
		uint64_t number;

		if (!value || parse_u64(value, &number) < 0)
			continue;
		key[strcspn(key, ":")] = '\0';
		item = file->name ? file->name(key) : xstrdup(key);
		if (item)
			add_number(sb, file->metric, item,
				   unit && streq(unit, "kB") ? number * file->kb : number);
	}
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static char lower(char c)
{
	return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static bool begins_word(const char *key, size_t i)
{
	if (i == 0 || key[i - 1] == '_' || key[i - 1] == '(')
		return false;
	if (is_upper(key[i]))
		return is_lower(key[i - 1]) || (is_upper(key[i - 1]) && is_lower(key[i + 1]));
	return key[i] >= '0' && key[i] <= '9' && is_lower(key[i - 1]);
}

/* "Active(anon)" is "active_anon", "SReclaimable" "s_reclaimable"; huge pages are one word. */
static char *name_memory(const char *key)
{
	struct strbuf name = STRBUF_INIT;

	if (streq(key, "Percpu"))
		return xstrdup("per_cpu");
	for (size_t i = 0; key[i]; i++) {
		bool is_huge = i >= 4 && str_after(key + i - 4, "HugePages"), is_unit;

		if (key[i] == ')')
			continue;
		if (begins_word(key, i) && !is_huge)
			strbuf_addch(&name, '_');
		/* The unit in "DirectMap2M" stays what it is. */
		is_unit = i > 0 && key[i - 1] >= '0' && key[i - 1] <= '9';
		strbuf_addch(&name, key[i] == '(' ? '_' : is_unit ? key[i] : lower(key[i]));
	}
	return strbuf_steal(&name);
}

static char *name_status(const char *key)
{
	static const char *const kinds[] = { "Vm", "Rss", "Hugetlb", "voluntary", "nonvoluntary" };
	char *name;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_after(key, kinds[i]))
			continue;
		name = xstrdup(key);
		for (char *p = name; *p; p++)
			*p = lower(*p);
		return name;
	}
	return NULL;
}

static void add_load(struct strbuf *sb)
{
	static const char *const items[] = { "load1", "load5", "load15" };
	cleanup_free char *text = read_proc("/proc/loadavg");
	char *rest = text, *tasks, *all;

	begin_gauge(sb, "kata_guest_load", "Guest system load.");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const char *value = next_word(&rest);

		if (value)
			add_item(sb, "kata_guest_load", items[i], value);
	}
	tasks = next_word(&rest);
	all = tasks ? strchr(tasks, '/') : NULL;
	if (!all)
		return;
	*all++ = '\0';
	begin_gauge(sb, "kata_guest_tasks", "Tasks that run, and all of them.");
	add_item(sb, "kata_guest_tasks", "cur", tasks);
	add_item(sb, "kata_guest_tasks", "max", all);
}

static void add_cpus(struct strbuf *sb)
{
	static const char *const items[] = { "user", "nice",	"system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	cleanup_free char *text = read_proc("/proc/stat");
	uint64_t ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), ticks;
	char *rest = text, *line;

	begin_gauge(sb, "kata_guest_cpu_time", "Guest CPU statistics in milliseconds.");
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
			cleanup_free char *time = NULL;

			if (parse_u64(value, &ticks) < 0)
				continue;
			time = xasprintf("%" PRIu64, ticks * ms);
			add_sample(sb, "kata_guest_cpu_time", labels, time);
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
		"discards",
		"discards_merged",
		"sectors_discarded",
		"time_discarding",
		"flushes",
		"time_flushing",
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

/* Each once, by the first of its mounts, if it is of the kinds that fill up. */

struct volume {
	char mount[256];
	char device[64];
	struct statvfs fs;
};

static bool is_volume(char *line, struct volume *ret)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "vfat", "overlay" };
	const char *source = next_word(&line), *mount = next_word(&line);
	const char *type = next_word(&line), *options = next_word(&line);
	const char *name = source ? strrchr(source, '/') : NULL;

	if (!options || str_after(options, "ro,") || strlen(mount) >= sizeof(ret->mount))
		return false;
	(void)snprintf(ret->mount, sizeof(ret->mount), "%s", mount);
	(void)snprintf(ret->device, sizeof(ret->device), "%s", name ? name + 1 : source);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (streq(type, types[i]))
			return statvfs(mount, &ret->fs) == 0;
	return false;
}

static void add_volume(struct strbuf *sb, const struct volume *v, bool is_bytes)
{
	const struct statvfs *fs = &v->fs;
	uint64_t unit = is_bytes ? fs->f_frsize : 1;
	uint64_t total = (is_bytes ? fs->f_blocks : fs->f_files) * unit;
	uint64_t available = (is_bytes ? fs->f_bfree : fs->f_ffree) * unit;
	const struct {
		const char *item;
		uint64_t value;
	} items[] = {
		{ "total", total },
		{ "used", total - available },
		{ "available", available },
	};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		cleanup_free char *value = xasprintf("%" PRIu64, items[i].value);
		const char *const labels[][2] = {
			{ "mount", v->mount },
			{ "device", v->device },
			{ "item", items[i].item },
			{ NULL },
		};

		add_sample(sb,
			   is_bytes ? "kata_guest_filesystem_bytes"
				    : "kata_guest_filesystem_inodes",
			   labels, value);
	}
}

static void add_volumes(struct strbuf *sb)
{
	cleanup_strbuf struct strbuf inodes = STRBUF_INIT;
	cleanup_free char *text = read_proc("/proc/self/mounts");
	cleanup_free unsigned long *seen = NULL;
	size_t seen_count = 0;
	char *rest = text, *line;
	struct volume v;

	begin_gauge(sb, "kata_guest_filesystem_bytes", "Guest file systems: space in bytes.");
	begin_gauge(&inodes, "kata_guest_filesystem_inodes", "Guest file systems: inodes.");
	while ((line = strsep(&rest, "\n"))) {
		bool is_new = is_volume(line, &v);

		for (size_t i = 0; i < seen_count; i++)
			is_new = is_new && seen[i] != v.fs.f_fsid;
		if (!is_new)
			continue;
		seen = xrealloc(seen, seen_count + 1, sizeof(*seen));
		seen[seen_count++] = v.fs.f_fsid;
		add_volume(sb, &v, true);
		add_volume(&inodes, &v, false);
	}
	strbuf_add(sb, inodes.buf, inodes.len);
}

/* Columns of /proc/self/stat, of which the third follows the name. */
enum {
	STAT_UTIME = 14,
	STAT_STIME,
	STAT_CUTIME,
	STAT_CSTIME,
	STAT_THREADS = 20,
	STAT_SIZE = 23,
	STAT_RSS,
	STAT_COUNT
};

static bool read_stat(uint64_t stat[STAT_COUNT])
{
	cleanup_free char *text = read_proc("/proc/self/stat");
	char *rest = strrchr(text, ')');
	const char *word;

	for (int column = 2; rest && column < STAT_COUNT; column++) {
		word = next_word(&rest);
		stat[column] = 0;
		if (word)
			(void)parse_u64(word, &stat[column]); /* the state is a letter */
	}
	return rest != NULL;
}

static void add_gauge(struct strbuf *sb, const char *name, const char *help, uint64_t value)
{
	begin_gauge(sb, name, help);
	strbuf_addf(sb, "%s %" PRIu64 "\n", name, value);
}

static void add_agent(struct strbuf *sb)
{
	static const struct {
		const char *item;
		int column;
	} times[] = {
		{ "utime", STAT_UTIME },
		{ "stime", STAT_STIME },
		{ "cutime", STAT_CUTIME },
		{ "cstime", STAT_CSTIME },
	};
	uint64_t stat[STAT_COUNT], ticks_s = (uint64_t)sysconf(_SC_CLK_TCK), ticks;

	if (!read_stat(stat))
		return;
	ticks = stat[STAT_UTIME] + stat[STAT_STIME];
	add_gauge(sb, "kata_agent_threads", "Agent process threads.", stat[STAT_THREADS]);
	begin_gauge(sb, "kata_agent_total_time", "Agent process total time in seconds.");
	strbuf_addf(sb, "kata_agent_total_time %" PRIu64 ".%02" PRIu64 "\n", ticks / ticks_s,
		    ticks % ticks_s * 100 / ticks_s);
	add_gauge(sb, "kata_agent_total_vm", "Agent process total VM size.", stat[STAT_SIZE]);
	add_gauge(sb, "kata_agent_total_rss", "Agent process total resident set size.",
		  stat[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE));
	begin_gauge(sb, "kata_agent_proc_stat", "Agent process statistics in ticks.");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		add_number(sb, "kata_agent_proc_stat", times[i].item, stat[times[i].column]);
}

static const struct field_file agent_files[] = {
	{ "/proc/self/status", "kata_agent_proc_status", "Agent process status.", 1, name_status },
	{ "/proc/self/io", "kata_agent_io_stat", "Agent process IO statistics.", 1, NULL },
};

static const struct field_file guest_files[] = {
	{ "/proc/meminfo", "kata_guest_meminfo", "Statistics about memory usage.", 1024,
	  name_memory },
	{ "/proc/vmstat", "kata_guest_vm_stat", "Guest virtual memory statistics.", 1, NULL },
};

int metrics_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	grpc_Metrics *ret = response;
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb,
		    "# HELP kata_agent_scrape_count Metrics scrape count.\n"
		    "# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count %" PRIu64 "\n",
		    ++call->server->scrapes);
	agent_points_add(&sb);
	add_agent(&sb);
	for (size_t i = 0; i < ARRAY_SIZE(agent_files); i++)
		add_fields(&sb, &agent_files[i]);
	add_load(&sb);
	add_cpus(&sb);
	for (size_t i = 0; i < ARRAY_SIZE(guest_files); i++)
		add_fields(&sb, &guest_files[i]);
	add_links(&sb);
	add_disks(&sb);
	add_volumes(&sb);
	ret->metrics = strbuf_steal(&sb);
	return 0;
}
