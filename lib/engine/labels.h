/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;
struct oci_process;

/*
 * process.apparmorProfile and selinuxLabel. Where AppArmor is not in force nothing could enforce a
 * profile: a warning, and the process runs without, because configurations that are made for many
 * hosts name one, and the validation suite wants them to run. A SELinux label is an error then, as
 * with runc. Where the module is there, everything that goes wrong is an error.
 */
struct labels_plan {
	const char *apparmor; /* profile, or NULL: none is set */
	const char *selinux;
};

/* @has_…: the module is in force. Pure but for the question whether the policy knows a label. */
int labels_plan(const struct oci_process *process, bool has_apparmor, bool has_selinux,
		struct labels_plan *ret, struct error *err);

/* The files that take them, opened in the process itself while /proc is the host's: what a
 * container has there later may send a write anywhere (CVE-2019-16884, CVE-2025-52881). */
struct labels {
	int apparmor_fd;
	int selinux_fd;
	int key_fd;
};
#define LABELS_INIT                                                                                \
	{                                                                                          \
		-1, -1, -1                                                                         \
	}

int labels_open(const struct labels_plan *plan, int procfs_fd, struct labels *ret,
		struct error *err);
void labels_close(struct labels *labels);

/* For what is made between the two calls: the session keyring. */
int labels_begin_keys(const struct labels_plan *plan, const struct labels *labels,
		      struct error *err);
int labels_end_keys(const struct labels *labels, struct error *err);

/* From the next execve(2) on. Before no_new_privs, which forbids most changes of profile, and
 * before a seccomp filter. Closes the files. */
int labels_apply(const struct labels_plan *plan, struct labels *labels, struct error *err);
