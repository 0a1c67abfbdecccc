/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/sandbox/template-store.h"
#include "lib/sandbox/template.h"

struct error;
struct settings_vm;

/* The templates of virtual machines (lib/sandbox/template.h), for commands. Where they are follows
 * from @settings. */

/* Where they are if nobody says; free(3) it. NULL: nowhere. */
char *templates_default_dir(void);
/* *ret_name is the template's; free(3) it. */
int templates_create(const char *root, const struct template_request *request, char **ret_name,
		     struct error *err);

int templates_list(const struct settings_vm *settings, struct template_info **ret,
		   size_t *ret_count, struct error *err);
int templates_remove(const struct settings_vm *settings, const char *name, struct error *err);
void templates_list_free(struct template_info *infos, size_t count);
