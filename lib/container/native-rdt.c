/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/native-rdt.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/engine/intel-rdt.h"
#include "oci/config.h"

static int find_root(char **ret, struct error *err)
{
	int r = intel_rdt_find(ret);

	/* config-linux.md#intelrdt */
	if (r == -ENOENT)
		return error_set(
			err, -EOPNOTSUPP,
			"linux.intelRdt: this host has no resctrl file system mounted (Intel RDT)");
	return r < 0 ? error_sys(err, r, "linux.intelRdt: find the resctrl file system") : 0;
}

static int open_rdt(const struct container *c, struct intel_rdt *ret, struct error *err)
{
	cleanup_free char *root = NULL;
	int r = find_root(&root, err);

	return r < 0 ? r : intel_rdt_open(root, c->config->linux_.intel_rdt, c->id, ret, err);
}

int native_rdt_create(struct container *c, struct intel_rdt *ret, struct error *err)
{
	const struct oci_intel_rdt *config = c->config->linux_.intel_rdt;
	int r;

	*ret = (struct intel_rdt){ 0 };
	if (!config)
		return 0;
	r = open_rdt(c, ret, err);
	if (r == 0 && ret->owned) {
		c->record.intel_rdt = xstrdup(ret->owned);
		r = container_save(c, err);
	}
	return r < 0 ? r : intel_rdt_create(ret, config, err);
}

int native_rdt_update(const struct container *c, const struct oci_intel_rdt *changes,
		      struct error *err)
{
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	int r;

	if (!c->config->linux_.intel_rdt)
		return error_set(err, -EOPNOTSUPP,
				 "linux.intelRdt: the container was made without it");
	r = open_rdt(c, &rdt, err);
	return r < 0 ? r : intel_rdt_update(&rdt, changes, err);
}

int native_rdt_stats(const struct container *c, struct intel_rdt_stats *ret, struct error *err)
{
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	int r;

	if (!c->config->linux_.intel_rdt)
		return error_set(err, -ENODATA,
				 "linux.intelRdt: the container was made without it");
	r = open_rdt(c, &rdt, err);
	return r < 0 ? r : intel_rdt_stats(&rdt, ret, err);
}

int native_rdt_remove(const struct container *c, struct error *err)
{
	cleanup_free char *root = NULL;

	if (!c->record.intel_rdt)
		return 0;
	/* Unmounted since: gone with everything in it. */
	if (intel_rdt_find(&root) < 0)
		return 0;
	return intel_rdt_remove(root, c->record.intel_rdt, err);
}
