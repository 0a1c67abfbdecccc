/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/metrics/procfs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#define FILE_MAX (256u * 1024)

char *metrics_read(int dirfd, const char *path)
{
	char *text = NULL;

	return read_file_at(dirfd, path, FILE_MAX, &text, NULL) < 0 ? xstrdup("") : text;
}

char *metrics_next_word(char **rest)
{
	char *word;

	while ((word = strsep(rest, " \t")) && !*word)
		;
	return word;
}

void metrics_add_fields(struct metrics *m, const struct metrics_fields *fields, int dirfd,
			const char *path)
{
	cleanup_free char *text = metrics_read(dirfd, path);
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *key = metrics_next_word(&line);
		char *value = key ? metrics_next_word(&line) : NULL;
		char *unit = value ? metrics_next_word(&line) : NULL;
		cleanup_free char *item = NULL;
		uint64_t number;

		if (!value || parse_u64(value, &number) < 0)
			continue;
		key[strcspn(key, ":")] = '\0';
		item = fields->name ? fields->name(key) : xstrdup(key);
		if (item)
			metrics_add_item(m, &fields->family, item,
					 unit && streq(unit, "kB") ? number * fields->kb : number);
	}
}

void metrics_add_columns(struct metrics *m, const struct metrics_family *family,
			 const struct metrics_label *label, const char *const *items, char *line)
{
	for (; *items; items++) {
		const char *value = metrics_next_word(&line);
		const struct metrics_label labels[] = { *label, { "item", *items }, { NULL } };
		uint64_t number;

		if (!value)
			return;
		if (parse_u64(value, &number) == 0)
			metrics_add_u64(m, family, labels, number);
	}
}

void metrics_add_links(struct metrics *m, const struct metrics_family *family, int dirfd,
		       const char *path)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",	 "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",	 "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",	 "sent_compressed",
		NULL,
	};
	cleanup_free char *text = metrics_read(dirfd, path);
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		/* Its two lines of headings have none. */
		char *name = strsep(&line, ":");
		const struct metrics_label label = { "interface", name + strspn(name, " ") };

		if (line)
			metrics_add_columns(m, family, &label, items, line);
	}
}

/* Columns of /proc/PID/stat, of which the third follows the name. */
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

static bool read_stat(int dirfd, uint64_t stat[STAT_COUNT])
{
	cleanup_free char *text = metrics_read(dirfd, "stat");
	char *rest = strrchr(text, ')');
	const char *word;

	for (int column = 2; rest && column < STAT_COUNT; column++) {
		word = metrics_next_word(&rest);
		stat[column] = 0;
		if (word)
			(void)parse_u64(word, &stat[column]); /* the state is a letter */
	}
	return strrchr(text, ')') != NULL;
}

/* A family of a process: its name and help are put together from the process's. */
struct process {
	struct metrics *m;
	const char *prefix;
	const char *title;
	int dirfd;
};

struct made_family {
	char *name;
	char *help;
	struct metrics_family family;
};

static void made_family_done(struct made_family *made)
{
	free(made->name);
	free(made->help);
}
#define cleanup_made_family CLEANUP(made_family_done)

static struct made_family make_family(const struct process *p, const char *suffix, const char *help)
{
	struct made_family made = {
		.name = xasprintf("%s_%s", p->prefix, suffix),
		.help = xasprintf("%s process %s.", p->title, help),
	};

	made.family = (struct metrics_family){ made.name, METRICS_GAUGE, made.help };
	return made;
}

static void add_number(const struct process *p, const char *suffix, const char *help,
		       uint64_t value)
{
	cleanup_made_family struct made_family made = make_family(p, suffix, help);

	metrics_add_u64(p->m, &made.family, NULL, value);
}

static void add_time(const struct process *p, const uint64_t stat[STAT_COUNT])
{
	cleanup_made_family struct made_family made =
		make_family(p, "total_time", "total time in seconds");

	metrics_add_seconds(p->m, &made.family, NULL, stat[STAT_UTIME] + stat[STAT_STIME],
			    (uint64_t)sysconf(_SC_CLK_TCK));
}

static void add_ticks(const struct process *p, const uint64_t stat[STAT_COUNT])
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
	cleanup_made_family struct made_family made =
		make_family(p, "proc_stat", "statistics in ticks");

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		metrics_add_item(p->m, &made.family, times[i].item, stat[times[i].column]);
}

static char *name_status(const char *key)
{
	static const char *const kinds[] = { "Vm", "Rss", "Hugetlb", "voluntary", "nonvoluntary" };
	char *name;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_after(key, kinds[i]))
			continue;
		name = xstrdup(key);
		for (char *c = name; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
		return name;
	}
	return NULL;
}

static void add_file(const struct process *p, const char *suffix, const char *help,
		     const char *path, char *(*name)(const char *key))
{
	cleanup_made_family struct made_family made = make_family(p, suffix, help);
	const struct metrics_fields fields = { made.family, 1, name };

	metrics_add_fields(p->m, &fields, p->dirfd, path);
}

/* Its own directory's descriptor may be among them, as it is for whoever reads its own. */
static void add_descriptors(const struct process *p)
{
	int fd = openat(p->dirfd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t count = 0;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	add_number(p, "fds", "open descriptors", count);
}

void metrics_add_process(struct metrics *m, const char *prefix, const char *title, int dirfd)
{
	const struct process p = { m, prefix, title, dirfd };
	uint64_t stat[STAT_COUNT];

	if (!read_stat(dirfd, stat))
		return;
	add_number(&p, "threads", "threads", stat[STAT_THREADS]);
	add_descriptors(&p);
	add_time(&p, stat);
	add_number(&p, "total_vm", "total VM size in bytes", stat[STAT_SIZE]);
	add_number(&p, "total_rss", "total resident set size in bytes",
		   stat[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE));
	add_ticks(&p, stat);
	add_file(&p, "proc_status", "status: memory in KiB, context switches", "status",
		 name_status);
	add_file(&p, "io_stat", "I/O statistics", "io", NULL);
}
