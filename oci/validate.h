/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct oci_config;
struct oci_process;
struct oci_resources;

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
	bool is_known; /* it was read before, and what there is to be warned of was said */
};

int oci_validate_config(const struct oci_source *source, const struct oci_config *config,
			struct error *err);
/* Of a document that has nothing but mounts. */
int oci_validate_mounts(const struct oci_source *source, const struct oci_config *config,
			struct error *err);
int oci_validate_process(const struct oci_source *source, const struct oci_process *process,
			 struct error *err);
int oci_validate_resources(const struct oci_source *source, const struct oci_resources *resources,
			   struct error *err);

/* For the rules themselves (validate*.c). */

struct checker {
	const struct oci_source *source;
	const struct oci_config *config;   /* NULL for a document that is only a part */
	const struct oci_process *process; /* NULL when there is none, and no rule of it asked */
	const char *process_prefix;	   /* "process." or "" */
	const struct oci_resources *resources;
	const char *resources_prefix; /* "linux.resources." or "" */
	char path[256];		      /* of the value that is refused: see checker_at() */
	struct error *err;
};

struct rule {
	const char *clause; /* of the specification: "config.md#configRoot" */
	int (*check)(struct checker *c);
};

struct rules {
	const struct rule *rules;
	size_t count;
};
#define RULES(array)                                                                               \
	{                                                                                          \
		array, ARRAY_SIZE(array)                                                           \
	}

extern const struct rules oci_process_rules;
extern const struct rules oci_linux_rules;
extern const struct rules oci_resources_rules;
extern const struct rules oci_seccomp_rules;

/* Sets the path that a refusal names; returns @c, to be used as its first argument. */
struct checker *checker_at(struct checker *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for something in the value that the path names: appends @step (".major"). */
struct checker *checker_down(struct checker *c, const char *step);

/* `NAME:LINE: PATH: reason` or, with @value, `NAME:LINE: PATH: reason: "value"`. -EINVAL. */
int checker_refuse(struct checker *c, const char *reason, const char *value);
int checker_refuse_number(struct checker *c, const char *reason, long long value);
/* The same text as a warning. */
void checker_warn(struct checker *c, const char *reason, const char *value);

/* What several sections hold; @at is the path of it. */
struct oci_id_mapping;
struct names;

/* A path that has to be there and absolute. */
int check_path(struct checker *c, const char *at, const char *path);
int check_env(struct checker *c, const char *at, char *const *env);
int check_mappings(struct checker *c, const char *at, const struct oci_id_mapping *maps,
		   size_t count);
/* Each word of a list is one of those. */
int check_words(struct checker *c, const char *at, char *const *words, const struct names *names);
/* "0-3,7", or NULL. */
int check_id_set(struct checker *c, const char *at, const char *list);
/* What the kernel takes for a network device's name. */
bool is_interface_name(const char *name);

/* A device number of Linux has 12 bits of major and 20 of minor (makedev(3), kdev_t.h). */
#define DEVICE_MAJOR_MAX ((1 << 12) - 1)
#define DEVICE_MINOR_MAX ((1 << 20) - 1)
