/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/check/check.h"

/* What checks share; for lib/check/ only. */

/* One check at work. It says what it found once, or nothing where it has no meaning. */
struct check {
	const struct check_host *host;
	struct check_report *report;
	const char *field;
	const char *subject;
};

struct check_spec {
	const char *subject;
	void (*run)(struct check *c);
};

/* A field of concern: one file, one of these. */
struct check_field {
	const char *name;
	const struct check_spec *specs;
	size_t count;
};
#define CHECK_FIELD(name, array)                                                                   \
	{                                                                                          \
		name, array, ARRAY_SIZE(array)                                                     \
	}
extern const struct check_field check_kernel, check_namespaces, check_cgroups, check_security,
	check_devices, check_machine, check_guest, check_moat, check_engines;

void check_ok(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* These take @cure, which is to be freed. */
void check_warn(struct check *c, char *cure, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void check_lacks(struct check *c, char *cure, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Missing where virtual machines are wanted, else a warning. */
void check_lacks_for_vm(struct check *c, char *cure, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The host's files, by their path there. */
char *check_host_path(const struct check *c, const char *path);		/* free(3) it */
bool check_host_can(const struct check *c, const char *path, int mode); /* access(2) */
char *check_host_read(const struct check *c,
		      const char *path); /* without trailing newlines, or NULL */

/* What runs virtual machines, as moat.json and the environment say; *ret_program as
 * hypervisor_choose() has it. NULL: @err says why. */
struct hypervisor;
const struct hypervisor *check_hypervisor(const struct check *c, const char **ret_program,
					  struct error *err);

/* "apt-get install …" in the words of the host's distribution; free(3) it. */
enum check_package {
	PACKAGE_QEMU,
	PACKAGE_VIRTIOFSD,
	PACKAGE_UIDMAP,
	PACKAGE_COUNT,
};
char *check_install(const struct check *c, enum check_package package);
