/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
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
#include "lib/metrics/procfs.h"

/*
 * GetMetrics: /proc in Prometheus' text format, under the names of Kata's agent, which existing
 * dashboards ask for. What cannot be read is left out: a metric is no reason to fail.
 */
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

static void add_load(struct metrics *m)
{
	static const struct metrics_family load = { "kata_guest_load", METRICS_GAUGE,
						    "Guest system load." };
	static const struct metrics_family count = { "kata_guest_tasks", METRICS_GAUGE,
						     "Tasks that run, and all of them." };
	static const char *const items[] = { "load1", "load5", "load15" };
	cleanup_free char *text = metrics_read(AT_FDCWD, "/proc/loadavg");
	char *rest = text, *tasks;
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const char *value = metrics_next_word(&rest);
		const struct metrics_label labels[] = { { "item", items[i] }, { NULL } };

		if (value)
			metrics_add(m, &load, labels, value);
	}
	tasks = metrics_next_word(&rest);
	for (size_t i = 0; tasks && i < 2; i++) {
		const char *value = strsep(&tasks, "/");

		if (parse_u64(value, &number) == 0)
			metrics_add_item(m, &count, i ? "max" : "cur", number);
	}
}

static void add_cpus(struct metrics *m)
{
	static const struct metrics_family family = { "kata_guest_cpu_time", METRICS_GAUGE,
						      "Guest CPU statistics in milliseconds." };
	static const char *const items[] = { "user", "nice",	"system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	cleanup_free char *text = metrics_read(AT_FDCWD, "/proc/stat");
	uint64_t ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), ticks;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *cpu = metrics_next_word(&line), *value;

		if (!cpu || !str_after(cpu, "cpu"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(items) && (value = metrics_next_word(&line));
		     i++) {
			const struct metrics_label labels[] = {
				{ "cpu", cpu[3] ? cpu + 3 : "total" },
				{ "item", items[i] },
				{ NULL },
			};

			if (parse_u64(value, &ticks) == 0)
				metrics_add_u64(m, &family, labels, ticks * ms);
		}
	}
}

static void add_disks(struct metrics *m)
{
	static const struct metrics_family family = { "kata_guest_diskstat", METRICS_GAUGE,
						      "Disks stat in system." };
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
		NULL,
	};
	cleanup_free char *text = metrics_read(AT_FDCWD, "/proc/diskstats");
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *disk = metrics_next_word(&line) && metrics_next_word(&line)
				     ? metrics_next_word(&line)
				     : NULL;
		const struct metrics_label label = { "disk", disk };

		if (disk && line)
			metrics_add_columns(m, &family, &label, items, line);
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
	const char *source = metrics_next_word(&line), *mount = metrics_next_word(&line);
	const char *type = metrics_next_word(&line), *options = metrics_next_word(&line);
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

static void add_volume(struct metrics *m, const struct volume *v, bool is_bytes)
{
	static const struct metrics_family families[] = {
		{ "kata_guest_filesystem_inodes", METRICS_GAUGE, "Guest file systems: inodes." },
		{ "kata_guest_filesystem_bytes", METRICS_GAUGE,
		  "Guest file systems: space in bytes." },
	};
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
		const struct metrics_label labels[] = {
			{ "mount", v->mount },
			{ "device", v->device },
			{ "item", items[i].item },
			{ NULL },
		};

		metrics_add_u64(m, &families[is_bytes], labels, items[i].value);
	}
}

static void add_volumes(struct metrics *m)
{
	cleanup_free char *text = metrics_read(AT_FDCWD, "/proc/self/mounts");
	cleanup_free unsigned long *seen = NULL;
	size_t seen_count = 0;
	char *rest = text, *line;
	struct volume v;

	while ((line = strsep(&rest, "\n"))) {
		bool is_new = is_volume(line, &v);

		for (size_t i = 0; i < seen_count; i++)
			is_new = is_new && seen[i] != v.fs.f_fsid;
		if (!is_new)
			continue;
		seen = xrealloc(seen, seen_count + 1, sizeof(*seen));
		seen[seen_count++] = v.fs.f_fsid;
		add_volume(m, &v, true);
		add_volume(m, &v, false);
	}
}

static void add_self(struct metrics *m)
{
	cleanup_fd int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		metrics_add_process(m, "kata_agent", "Agent", fd);
}

int metrics_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	static const struct metrics_family scrapes = { "kata_agent_scrape_count", METRICS_COUNTER,
						       "Metrics scrape count." };
	static const struct metrics_family links = { "kata_guest_netdev_stat", METRICS_GAUGE,
						     "Guest net devices statistics." };
	static const struct metrics_fields memory = { { "kata_guest_meminfo", METRICS_GAUGE,
							"Statistics about memory usage." },
						      1024,
						      name_memory };
	static const struct metrics_fields vm = {
		{ "kata_guest_vm_stat", METRICS_GAUGE, "Guest virtual memory statistics." }, 1, NULL
	};
	cleanup_metrics struct metrics *m = metrics_new();
	struct strbuf sb = STRBUF_INIT;
	grpc_Metrics *ret = response;

	metrics_add_u64(m, &scrapes, NULL, ++call->server->scrapes);
	add_self(m);
	add_load(m);
	add_cpus(m);
	metrics_add_fields(m, &memory, AT_FDCWD, "/proc/meminfo");
	metrics_add_fields(m, &vm, AT_FDCWD, "/proc/vmstat");
	metrics_add_links(m, &links, AT_FDCWD, "/proc/net/dev");
	add_disks(m);
	add_volumes(m);
	agent_points_add(m);
	metrics_write(m, &sb);
	ret->metrics = strbuf_steal(&sb);
	return 0;
}
