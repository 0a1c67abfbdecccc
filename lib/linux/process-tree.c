/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/process-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* Of a guest's VMM and what serves it; a tree that grows while it is walked ends there. */
#define TREE_MAX 1024
#define CHILDREN_MAX (64u << 10)
#define ARGUMENTS_MAX (256u << 10)

static char *read_of(pid_t pid, const char *file, size_t max, size_t *ret_len)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", pid, file);
	char *text;

	return read_file_at(AT_FDCWD, path, max, &text, ret_len) < 0 ? NULL : text;
}

static void add(pid_t **pids, size_t *count, pid_t pid)
{
	*pids = xrealloc(*pids, *count + 1, sizeof(**pids));
	(*pids)[(*count)++] = pid;
}

char **process_children(int dirfd, const char *path)
{
	cleanup_free char *text = NULL;
	cleanup_strv char **words = NULL;
	char **children = NULL;

	if (read_file_at(dirfd, path, CHILDREN_MAX, &text, NULL) < 0)
		return NULL;
	words = strv_split(text, ' ');
	strv_each(word, words)
		if (*word)
			strv_push(&children, xstrdup(word));
	return children;
}

/* Children belong to the thread that made them. */
static void add_children(int tasks_fd, const char *thread, pid_t **pids, size_t *count)
{
	cleanup_free char *path = xasprintf("%s/children", thread);
	cleanup_strv char **words = process_children(tasks_fd, path);
	uint32_t child;

	strv_each(word, words)
		if (*count < TREE_MAX && parse_u32(word, &child) == 0)
			add(pids, count, (pid_t)child);
}

void process_tree(pid_t root, pid_t **ret, size_t *ret_count)
{
	pid_t *pids = NULL;
	size_t count = 0;

	add(&pids, &count, root);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *tasks = xasprintf("/proc/%d/task", pids[i]);
		cleanup_dir DIR *dir = opendir(tasks);
		struct dirent *entry;

		while (dir && (entry = readdir(dir)))
			if (*entry->d_name != '.')
				add_children(dirfd(dir), entry->d_name, &pids, &count);
		if (!dir && i == 0)
			count = 0;
	}
	*ret = pids;
	*ret_count = count;
}

uint64_t process_memory(const pid_t *pids, size_t count)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++) {
		cleanup_free char *text = read_of(pids[i], "statm", 256, NULL);
		cleanup_strv char **words = text ? strv_split(text, ' ') : NULL;
		uint64_t resident;

		/* proc_pid_statm(5): size resident … */
		if (strv_len(words) > 1 && parse_u64(words[1], &resident) == 0)
			pages += resident;
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

char **process_arguments(pid_t pid)
{
	size_t len;
	cleanup_free char *text = read_of(pid, "cmdline", ARGUMENTS_MAX, &len);
	char **arguments = NULL;

	for (const char *p = text; text && p < text + len; p += strlen(p) + 1)
		strv_push(&arguments, xstrdup(p));
	return arguments;
}
