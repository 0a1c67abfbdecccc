/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cgroup;

/*
 * A container at its memory limit, with next to nothing left for its programs' own pages, reads
 * these again and again: each that is read makes another go. To the kernel that is progress, so it
 * kills nothing, and where reads are quick it may go on for ever (measured: 36000 pages a second
 * read by virtio-fs for 64 MiB, and no end after minutes, where 9p's end in two seconds).
 */
struct thrash_sample {
	long long at_ms;   /* now_ms() */
	uint64_t refaults; /* memory.stat: workingset_refault_file, pages that were here before */
	uint64_t major_faults; /* pgmajfault: of memory that is mapped */
	uint64_t file_bytes;   /* active_file and inactive_file: what is here now */
	uint64_t limit_bytes;  /* memory.max */
};

struct thrash {
	struct thrash_sample last;
	unsigned int count; /* of samples in a row that say so */
};

/* Pure. Whether this container will do nothing else any more: for five seconds, while less than a
 * thirty-second of its memory is files, these have been read anew twenty times in each, by major
 * faults. Samples that come within a second of the last are not looked at. */
bool thrash_note(struct thrash *thrash, const struct thrash_sample *sample);

/* To be called whenever memory.events tells something; v2 only, else it does nothing. True: it was
 * so, and a process of it has been killed: the one that the kernel would take (oom_score), or with
 * memory.oom.group all. memory.events does not count that. */
bool cgroup_thrash_check(const struct cgroup *cg, struct thrash *thrash);
