/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

struct error;
struct oci_config;
struct oci_resources;

/*
 * What a unit of systemd is told (org.freedesktop.systemd1(5)): pure, from the configuration to
 * names, types and texts, and from these to the body of a message. A value is its words: one for a
 * plain type ("t", "s", "b" …), any number for an array ("as", "ay"), two an element for "a(ss)".
 */
struct unit_property {
	char *name;
	const char *type; /* one of the table in properties.c */
	char **words;
	bool is_optional; /* a systemd that does not know it is asked without */
};

struct unit_properties {
	struct unit_property *items;
	size_t count;
};

void unit_properties_done(struct unit_properties *p);
#define cleanup_unit_properties CLEANUP(unit_properties_done)
/* Takes @word, if not NULL. Returns the words, which may be added to until the next call. */
char ***unit_properties_add(struct unit_properties *p, const char *name, const char *type,
			    char *word);
/* false: there is no optional one of that name. */
bool unit_properties_drop(struct unit_properties *p, const char *name);

/* Those of limits. @is_v2: what the host's controllers are. */
int unit_properties_of_resources(const struct oci_resources *resources, bool is_v2,
				 struct unit_properties *p, struct error *err);
/* Which devices it may use, as far as systemd can say that: at least what our rules allow.
 * @proc_devices: text of proc_devices(5). */
int unit_properties_of_devices(const struct oci_resources *resources, const char *proc_devices,
			       struct unit_properties *p, struct error *err);
/* Those of annotations "org.systemd.property.NAME", of which each value is GVariant's text form;
 * "NAMESec" is seconds, for "NAMEUSec". One that is there already is replaced. */
int unit_properties_of_annotations(const struct oci_config *config, struct unit_properties *p,
				   struct error *err);

/* Appends a(sv). A word that is no value of its type is an error. */
int unit_properties_write(const struct unit_properties *p, struct strbuf *body, struct error *err);

/* One a line, "NAME TYPE WORD…": for tests and logs. free(3) it. */
char *unit_properties_text(const struct unit_properties *p);
