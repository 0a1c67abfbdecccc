/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/container/resources.h"
#include "oci/config.h"

/* The copy that create made is what the next update, and exec, start from. */
static int save_config(const struct container *c, struct error *err)
{
	cleanup_free char *text = oci_config_text(c->config, false);
	int r = write_atomic_at(state_dir_fd(c->dir), "config.json", text, strlen(text), 0600);

	return r < 0 ? error_sys(err, r, "write '%s/config.json'", state_dir_path(c->dir)) : 0;
}

static int update_limits(struct container *c, const struct oci_resources *given, struct error *err)
{
	struct oci_resources *resources = &c->config->linux_.resources;
	const struct container_backend *backend;
	struct oci_resources changes;
	int r = container_find_backend(c->record.isolation, &backend, err);

	if (r < 0)
		return r;
	resources_plan_changes(given, resources, &changes);
	r = resources_merge(resources, &changes, err);
	if (r == 0)
		r = backend->update(c, &changes, err);
	fields_release(&oci_resources_fields, &changes);
	return r;
}

static void replace(char **slot, const char *text)
{
	if (!text)
		return;
	free(*slot);
	*slot = xstrdup(text);
}

/* Only for one that was made with it: a class of service cannot be made behind its back. */
static int update_rdt(struct container *c, const struct oci_intel_rdt *changes, struct error *err)
{
	struct oci_intel_rdt *rdt = c->config->linux_.intel_rdt;
	const struct container_backend *backend;
	int r = container_find_backend(c->record.isolation, &backend, err);

	if (r < 0)
		return r;
	if (!backend->update_rdt)
		return error_set(err, -EOPNOTSUPP, "Intel RDT means nothing in a virtual machine");
	r = backend->update_rdt(c, changes, err);
	if (r < 0)
		return r;
	replace(&rdt->l3_cache_schema, changes->l3_cache_schema);
	replace(&rdt->mem_bw_schema, changes->mem_bw_schema);
	return 0;
}

int container_update(const char *root, const char *id, const struct oci_resources *changes,
		     const struct oci_intel_rdt *rdt, struct error *err)
{
	cleanup_container struct container *c = NULL;
	int r = container_open_running(root, id, &c, err);

	if (r == 0)
		r = update_limits(c, changes, err);
	if (r == 0 && rdt)
		r = update_rdt(c, rdt, err);
	return r < 0 ? r : save_config(c, err);
}
