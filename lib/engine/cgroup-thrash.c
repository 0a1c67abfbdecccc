/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-thrash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-stats-parse.h"

#define INTERVAL_MS 1000
#define GAP_MS 5000 /* what happened before it is another story */
#define SAMPLES 5
#define TURNOVERS 20	 /* of all files' pages, in a second */
#define FILES_SHARE 32	 /* of the limit */
#define REFAULTS_MIN 500 /* in a second */
#define PAGES_A_FAULT 64 /* twice what the kernel reads ahead at once by default */

static bool is_thrashing(const struct thrash_sample *last, const struct thrash_sample *now)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t ms = (uint64_t)(now->at_ms - last->at_ms);
	const uint64_t refaults = now->refaults - last->refaults;
	const uint64_t faults = now->major_faults - last->major_faults;
	const uint64_t rate = refaults * 1000 / ms;

	return now->file_bytes < now->limit_bytes / FILES_SHARE && rate >= REFAULTS_MIN &&
	       rate * page >= TURNOVERS * now->file_bytes && faults * PAGES_A_FAULT >= refaults;
}

bool thrash_note(struct thrash *thrash, const struct thrash_sample *sample)
{
	const long long ms = sample->at_ms - thrash->last.at_ms;

	if (ms < INTERVAL_MS)
		return false;
	if (ms <= GAP_MS && is_thrashing(&thrash->last, sample))
		thrash->count++;
	else
		thrash->count = 0;
	thrash->last = *sample;
	if (thrash->count < SAMPLES)
		return false;
	thrash->count = 0;
	return true;
}

static void take_stat(void *ctx, const char *key, uint64_t value)
{
	struct thrash_sample *sample = ctx;

	if (streq(key, "workingset_refault_file"))
		sample->refaults = value;
	else if (streq(key, "pgmajfault"))
		sample->major_faults = value;
	else if (streq(key, "active_file") || streq(key, "inactive_file"))
		sample->file_bytes += value;
}

static int take_sample(const struct cgroup *cg, int root_fd, struct thrash_sample *ret)
{
	cleanup_free char *stat = NULL;
	cleanup_free char *limit = NULL;
	int r = cgroupfs_read(root_fd, cgroup_relative(cg), "memory.max", &limit);

	if (r == 0)
		r = parse_u64(limit, &ret->limit_bytes); /* not "max" */
	if (r == 0)
		r = cgroupfs_read(root_fd, cgroup_relative(cg), "memory.stat", &stat);
	if (r == 0)
		stats_parse_keyed(stat, take_stat, ret);
	return r;
}

/* As the kernel weighs them; 0: one that is never to be taken. */
static uint64_t score_of(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/oom_score", (int)pid);
	cleanup_free char *text = NULL;
	uint64_t score = 0;

	if (read_file_at(AT_FDCWD, path, 64, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &score) < 0 ? 0 : score;
}

static bool has(const struct cgroup *cg, pid_t pid)
{
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;

	if (cgroup_pids(cg, &pids, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static pid_t find_victim(const struct cgroup *cg)
{
	cleanup_free pid_t *pids = NULL;
	uint64_t highest = 0;
	pid_t victim = 0;
	size_t count = 0;

	if (cgroup_pids(cg, &pids, &count, NULL) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t score = score_of(pids[i]);

		if (score <= highest)
			continue;
		highest = score;
		victim = pids[i];
	}
	return victim;
}

static bool dies_as_one(const struct cgroup *cg, int root_fd)
{
	cleanup_free char *group = NULL;

	return cgroupfs_read(root_fd, cgroup_relative(cg), "memory.oom.group", &group) == 0 &&
	       str_after(group, "1");
}

/* Not by a lower memory.max, for which the kernel would kill by itself: it goes on to the next
 * process when the first has ended, but not yet given everything back. */
static bool kill_somebody(const struct cgroup *cg, int root_fd)
{
	cleanup_fd int pidfd = -1;
	pid_t pid;

	if (dies_as_one(cg, root_fd))
		return cgroupfs_write(root_fd, cgroup_relative(cg), "cgroup.kill", "1") == 0;
	pid = find_victim(cg);
	pidfd = pid ? pidfd_open(pid, 0) : -1;
	return pidfd >= 0 && has(cg, pid) && pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0;
}

bool cgroup_thrash_check(const struct cgroup *cg, struct thrash *thrash)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	struct thrash_sample sample = { .at_ms = now_ms() };

	if (!h || !h->mount.is_v2 || sample.at_ms - thrash->last.at_ms < INTERVAL_MS ||
	    take_sample(cg, h->root_fd, &sample) < 0 || !thrash_note(thrash, &sample))
		return false;
	return kill_somebody(cg, h->root_fd);
}
