/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;
struct oci_config;
struct oci_process;

/*
 * Validation: what the field tables cannot say. Only what the configuration says about itself is
 * checked, never the host, so that the same text is valid or not everywhere. Each rule names the
 * clause it comes from, and each refusal the place: `config.json:41: linux.namespaces[2].path: …`.
 */

/* The text a config was parsed from, for the line in a message. */
struct oci_source {
	const char *name;
	const char *buf;
	size_t len;
};

int oci_validate_config(const struct oci_source *source, const struct oci_config *config,
			struct error *err);
int oci_validate_process(const struct oci_source *source, const struct oci_process *process,
			 struct error *err);

/* For the rules themselves (validate.c, validate-linux.c). */

struct checker {
	const struct oci_source *source;
	const struct oci_config *config;   /* NULL for a lone process */
	const struct oci_process *process; /* NULL when there is none */
	const char *process_prefix;	   /* "process." or "" */
	char path[256];			   /* of the value that is refused: see checker_at() */
	struct error *err;
};

struct rule {
	const char *clause; /* of the specification: "config.md#configRoot" */
	int (*check)(struct checker *c);
};

extern const struct rule oci_linux_rules[];
extern const size_t oci_linux_rules_count;

/* Sets the path that a refusal names; returns @c, to be used as its first argument. */
struct checker *checker_at(struct checker *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* `NAME:LINE: PATH: reason` or, with @value, `NAME:LINE: PATH: reason: "value"`. -EINVAL. */
int checker_refuse(struct checker *c, const char *reason, const char *value);
int checker_refuse_number(struct checker *c, const char *reason, long long value);
/* The same text as a warning. */
void checker_warn(struct checker *c, const char *reason, const char *value);

/* What several sections hold; @path is that of the array. */
struct oci_id_mapping;
int check_mappings(struct checker *c, const char *path, const struct oci_id_mapping *maps,
		   size_t count);
