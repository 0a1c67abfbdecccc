/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;
struct oci_config;

/*
 * Annotations that change what is done, which the specification leaves to runtimes; those in front
 * of which "run.oci." stands mean what crun(1) says. An image's author may have written them, so
 * they can be switched off: by name, or all that begin with a text that ends in a dot. One that is
 * switched off still shows in the state.
 */

/* Names, and beginnings of names that end in a dot; NULL at the end. */
const char *const *oci_annotations_meaningful(void);

/* Whatever its name. */
bool oci_annotation_is_ignored(const struct oci_config *config, const char *name);

/* The value of one that counts, or NULL. Whoever acts upon an annotation asks for it here, and has
 * it among those above. */
const char *oci_annotation(const struct oci_config *config, const char *name);

/* Of one whose every value but "0" means yes. */
bool oci_annotation_is_true(const struct oci_config *config, const char *name);

/* Of one that names a cgroup below the container's: its path from there, which the caller frees;
 * NULL: there is none, or it is empty. */
int oci_annotation_cgroup(const struct oci_config *config, const char *name, char **ret,
			  struct error *err);

/* Takes note of what is switched off, and puts what the others say of a section of the
 * specification into that section. To be called once after parsing. */
int oci_annotations_apply(struct oci_config *config, char *const *ignored, struct error *err);
