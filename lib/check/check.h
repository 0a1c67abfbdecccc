/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

struct error;
struct settings;

/*
 * What a host has of what moat wants, and the cure for what it lacks. Looks only: nothing is
 * loaded, mounted or written, but for the verdict on /dev/kvm in the cache directory. Needs no
 * rights, and answers for whoever asks: a user sees what a user may.
 */
enum check_verdict {
	CHECK_OK,
	CHECK_WARNING, /* works, but less well or without something */
	CHECK_MISSING, /* containers as they are wanted here cannot run */
	CHECK_VERDICT_COUNT,
};
extern const struct names check_verdict_names;

struct check_finding {
	const char *field;   /* "kernel" */
	const char *subject; /* "release" */
	enum check_verdict verdict;
	char *text; /* what was found */
	char *cure; /* NULL for what is well */
};

struct check_report {
	struct check_finding *findings;
	size_t count;
	size_t counts[CHECK_VERDICT_COUNT];
};

struct check_host {
	const char *root;      /* "": this host; else where another's root directory is */
	const char *cache_dir; /* state_cache_dir(), or NULL */
	const char *program;   /* path of moat */
	const char *shim;      /* path of moat-shim, or NULL: this moat knows no virtual machines */
	const char *image;     /* directory of the guest image */
	bool wants_vm;	       /* else what only virtual machines need cannot be missing */
	bool is_rootless;
	const char *user; /* for /etc/subuid; NULL: unknown */
	const struct settings *settings;
	const struct error *settings_error; /* NULL: they could be read */
};

void check_host_run(const struct check_host *host, struct check_report *ret);
void check_report_done(struct check_report *report);
#define cleanup_check_report CLEANUP(check_report_done)
