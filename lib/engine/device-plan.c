/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/device-plan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

/* clang-format off */
static const struct {
	const char *path;
	unsigned int major;
	unsigned int minor;
} defaults[] = {
	{ "/dev/null",    1, 3 },
	{ "/dev/zero",    1, 5 },
	{ "/dev/full",    1, 7 },
	{ "/dev/random",  1, 8 },
	{ "/dev/urandom", 1, 9 },
	{ "/dev/tty",     5, 0 },
};

static const struct {
	const char *name;
	mode_t mode;
} kinds[] = {
	{ "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO },
};
/* clang-format on */

/* A host's /dev that is bound in has its nodes already, and is not the container's to change. */
static bool brings_own_dev(const struct oci_config *config)
{
	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct oci_mount *m = &config->mounts[i];

		cleanup_free char *at = path_clean(m->destination ? m->destination : "");

		if (!streq(at, "/dev"))
			continue;
		if (streq_null(m->type, "bind") || strv_has(m->options, "bind") ||
		    strv_has(m->options, "rbind"))
			return true;
	}
	return false;
}

static bool is_in_dev(const char *path)
{
	cleanup_free char *clean = path_clean(path);

	return str_after(clean, "/dev/");
}

static int plan_one(const struct oci_device *device, size_t index, struct device_plan *ret,
		    struct error *err)
{
	mode_t type = 0;

	if (!device->path || *device->path != '/')
		return error_set(err, -EINVAL, "linux.devices[%zu].path: not an absolute path",
				 index);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq_null(device->type, kinds[i].name))
			type = kinds[i].mode;
	if (!type)
		return error_set(err, -EINVAL, "linux.devices[%zu].type: unknown type '%s'", index,
				 device->type ? device->type : "");
	if (device->major < 0 || device->minor < 0 || device->major > UINT32_MAX ||
	    device->minor > UINT32_MAX)
		return error_set(err, -EINVAL, "linux.devices[%zu]: bad device number", index);
	*ret = (struct device_plan){
		.path = device->path,
		.mode = type | (device->file_mode.is_set ? device->file_mode.value & 07777 : 0666),
		.uid = device->uid.is_set ? device->uid.value : 0,
		.gid = device->gid.is_set ? device->gid.value : 0,
		.is_strict = device->file_mode.is_set || device->uid.is_set || device->gid.is_set,
	};
	if (type != S_IFIFO)
		ret->rdev = makedev((unsigned int)device->major, (unsigned int)device->minor);
	return 0;
}

static void add_defaults(struct devices_plan *plan)
{
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		bool is_given = false;

		for (size_t j = 0; j < plan->count; j++)
			is_given |= streq(plan->nodes[j].path, defaults[i].path);
		if (is_given)
			continue;
		plan->nodes[plan->count++] = (struct device_plan){
			.path = defaults[i].path,
			.mode = S_IFCHR | 0666,
			.rdev = makedev(defaults[i].major, defaults[i].minor),
		};
	}
}

int devices_plan(const struct oci_config *config, struct devices_plan *ret, struct error *err)
{
	const struct oci_linux *l = &config->linux_;
	struct devices_plan plan = { 0 };

	plan.nodes = xcalloc(l->devices_count + ARRAY_SIZE(defaults), sizeof(*plan.nodes));
	plan.has_links = !brings_own_dev(config);
	for (size_t i = 0; i < l->devices_count; i++) {
		int r = plan_one(&l->devices[i], i, &plan.nodes[plan.count], err);

		if (r < 0) {
			devices_plan_done(&plan);
			return r;
		}
		plan.count += plan.has_links || !is_in_dev(plan.nodes[plan.count].path);
	}
	if (plan.has_links)
		add_defaults(&plan);
	*ret = plan;
	return 0;
}

void devices_plan_done(struct devices_plan *plan)
{
	free(plan->nodes);
	plan->nodes = NULL;
	plan->count = 0;
}
