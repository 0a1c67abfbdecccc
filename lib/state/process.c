/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/state/process-internal.h"
#include "lib/state/record.h"

/* Fields of proc_pid_stat(5), counted from 1; what follows the command's name begins with 3. */
#define STAT_STATE 3
#define STAT_START 22

uint64_t process_parse_start(char *stat)
{
	/* The name may hold spaces and parentheses itself, but nothing behind it does. */
	char *rest = strrchr(stat, ')');
	char *word = NULL;
	uint64_t start;

	if (!rest)
		return 0;
	rest++;
	for (int field = STAT_STATE; field <= STAT_START; field++) {
		rest += strspn(rest, " ");
		word = strsep(&rest, " \n");
		if (!rest)
			return 0;
		if (field == STAT_STATE && strchr("ZXx", *word))
			return 0;
	}
	return parse_u64(word, &start) < 0 ? 0 : start;
}

uint64_t process_start_time(pid_t pid)
{
	cleanup_free char *stat = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_file_at(AT_FDCWD, path, 4096, &stat, NULL) < 0)
		return 0;
	return process_parse_start(stat);
}

int record_pidfd(const struct record *record)
{
	cleanup_fd int fd = -1;

	if (record->pid == 0 || record->pid > INT32_MAX)
		return -ESRCH;
	/* The descriptor first: from here on the pid cannot become another process' unnoticed. */
	fd = pidfd_open((pid_t)record->pid, 0);
	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno; /* EINVAL: it is a thread's by now */
	if (process_start_time((pid_t)record->pid) != record->pid_start || !record->pid_start)
		return -ESRCH;
	return steal_fd(&fd);
}
