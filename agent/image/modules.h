/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

/*
 * The modules of one kernel: a directory like /lib/modules/RELEASE. What depends on what is taken
 * from its modules.dep, or, where depmod(8) never ran (a package that was unpacked and not
 * installed), from what each module says of itself. Names are as the kernel shows them, with '_'.
 */
struct module_index;

int module_index_open(const char *dir, struct module_index **ret, struct error *err);
void module_index_free(struct module_index *index);

/* The name as the kernel shows it of one that a user wrote ("kvm-amd"). free(3) it. */
char *module_name(const char *name);

/* Built into the kernel according to modules.builtin. */
bool module_index_is_builtin(const struct module_index *index, const char *name);
/* Whether there is a file for @name. */
bool module_index_has(const struct module_index *index, const char *name);

/* Appends to the strv *@order the names of @name and of all it depends on that are not in it yet,
 * each behind what it needs, and what they want before them where there is such a module. Built-in
 * ones are left out. -ENOENT: "module 'x': not in 'DIR'". */
int module_index_resolve(struct module_index *index, const char *name, char ***order,
			 struct error *err);

/* The bytes of a module, unpacked. */
int module_index_read(const struct module_index *index, const char *name, char **ret_data,
		      size_t *ret_len, struct error *err);

/* What a module says of itself in its .modinfo section; strvs, NULL for none. */
struct module_info {
	char **depends; /* names */
	char **before;	/* what it would like to have loaded before it: names, some of no module */
	char **aliases; /* what the kernel asks for when it wants this module: "fs-ext4", "pci:v…" */
};
/* Pure. -ENOEXEC: not a module, and nothing to free. */
int module_parse_info(const char *data, size_t len, struct module_info *ret);
void module_info_done(struct module_info *info);
