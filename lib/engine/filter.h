/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <linux/filter.h>

#include "lib/base/str.h"

struct error;
struct oci_seccomp;
struct sync;

/*
 * linux.seccomp as a program for the kernel. Building takes milliseconds, so a cache keeps what was
 * built; what it does not know the caller builds while init works on the mounts, and sends it.
 */

struct filter_plan {
	unsigned int flags;	     /* of seccomp(2) */
	unsigned int optional_flags; /* wanted, but not insisted on */
	bool has_listener;	     /* some calls are an agent's to answer: listener.h */
};

/* Pure. Refuses what is not supported or makes no sense. */
int filter_plan(const struct oci_seccomp *seccomp, struct filter_plan *ret, struct error *err);

/* @is_kept: the program will be used again, so that more work on it pays. Release it with
 * seccomp_program_done(). */
int filter_build(const struct oci_seccomp *seccomp, bool is_kept, struct sock_fprog *ret,
		 struct error *err);

/* The caller's side of a filter. The program is there before the clone if the cache has it. */
struct filter {
	const struct oci_seccomp *seccomp; /* NULL: there is none, and nothing is done */
	const char *cache_dir;		   /* see filter-cache.h; NULL: no cache */
	struct strbuf key;
	struct sock_fprog program;
	bool is_inherited; /* it was there before the clone: init has it too */
};
void filter_done(struct filter *filter);
/* Before the clone. */
void filter_find(struct filter *filter);
/* After it: builds what was not found. */
int filter_make(struct filter *filter, struct error *err);
/* Sends init what it does not have; the cache gets it too. */
int filter_send(const struct filter *filter, struct sync *sync, struct error *err);
