/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include <errno.h>
#include <stdio.h>

#include "oci/config.h"

/* The rules of the linux section (config-linux.md). */

static const struct oci_linux *section(const struct checker *c)
{
	return &c->config->linux_;
}

static int check_namespaces(struct checker *c)
{
	bool is_seen[OCI_NS_COUNT] = { false };

	for (size_t i = 0; i < section(c)->namespaces_count; i++) {
		const struct oci_namespace *ns = &section(c)->namespaces[i];

		checker_at(c, "linux.namespaces[%zu].type", i);
		if (is_seen[ns->type])
			return checker_refuse(c, "given twice",
					      names_get(&oci_namespace_names, (size_t)ns->type));
		is_seen[ns->type] = true;
		if (ns->path && *ns->path != '/')
			return checker_refuse(checker_at(c, "linux.namespaces[%zu].path", i),
					      "must be an absolute path", ns->path);
	}
	return 0;
}

static bool has_namespace(const struct checker *c, enum oci_namespace_type type)
{
	return oci_namespace_find(c->config, type);
}

/* A new user namespace without mappings has no id that a process could run as. One that is joined
 * has its own; callers give the same ones once more, which is for the engine to compare. */
static int check_id_mappings(struct checker *c)
{
	const struct oci_linux *l = section(c);
	const struct oci_namespace *user = oci_namespace_find(c->config, OCI_NS_USER);
	int r;

	if (!user && (l->uid_mappings_count || l->gid_mappings_count))
		return checker_refuse(
			checker_at(c, "linux.%s",
				   l->uid_mappings_count ? "uidMappings" : "gidMappings"),
			"user namespace mappings specified, but user namespace isn't enabled",
			NULL);
	if (user && !user->path && (!l->uid_mappings_count || !l->gid_mappings_count))
		return checker_refuse(
			checker_at(c, "linux.%s",
				   l->uid_mappings_count ? "gidMappings" : "uidMappings"),
			"user namespace enabled, but no path to join nor mappings specified", NULL);
	r = check_mappings(c, "linux.uidMappings", l->uid_mappings, l->uid_mappings_count);
	if (r < 0)
		return r;
	return check_mappings(c, "linux.gidMappings", l->gid_mappings, l->gid_mappings_count);
}

static int check_time_offset(struct checker *c, const char *clock,
			     const struct oci_time_offset *offset)
{
	if (offset && offset->nanosecs > 999999999)
		return checker_refuse_number(checker_at(c, "linux.timeOffsets.%s.nanosecs", clock),
					     "must be less than a second", offset->nanosecs);
	return 0;
}

/* Offsets can be set until the first process enters (time_namespaces(7)). */
static int check_time_offsets(struct checker *c)
{
	const struct oci_namespace *time = oci_namespace_find(c->config, OCI_NS_TIME);
	const struct oci_time_offsets *offsets = section(c)->time_offsets;
	int r;

	if (!offsets)
		return 0;
	checker_at(c, "linux.timeOffsets");
	if (!time)
		return checker_refuse(
			c, "time namespace offsets specified, but time namespace isn't enabled",
			NULL);
	if (time->path)
		return checker_refuse(c, "has no effect on a time namespace that is joined",
				      time->path);
	r = check_time_offset(c, "monotonic", offsets->monotonic);
	if (r < 0)
		return r;
	return check_time_offset(c, "boottime", offsets->boottime);
}

static int check_device(struct checker *c, size_t i, const struct oci_device *device)
{
	bool is_fifo;

	checker_at(c, "linux.devices[%zu].path", i);
	if (*device->path != '/')
		return checker_refuse(c, "must be an absolute path", device->path);
	checker_at(c, "linux.devices[%zu].type", i);
	if (!strchr("cubp", device->type[0]) || device->type[1])
		return checker_refuse(c, "not one of c, u, b, p", device->type);
	is_fifo = device->type[0] == 'p';
	if (!is_fifo && (device->major < 0 || device->major > DEVICE_MAJOR_MAX))
		return checker_refuse_number(checker_at(c, "linux.devices[%zu].major", i),
					     "not a device number", device->major);
	if (!is_fifo && (device->minor < 0 || device->minor > DEVICE_MINOR_MAX))
		return checker_refuse_number(checker_at(c, "linux.devices[%zu].minor", i),
					     "not a device number", device->minor);
	return 0;
}

static int check_devices(struct checker *c)
{
	for (size_t i = 0; i < section(c)->devices_count; i++) {
		int r = check_device(c, i, &section(c)->devices[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The kernel numbers the devices of a name with one "%d" in it, and takes no other '%'. */
static bool is_new_interface_name(const char *name)
{
	const char *percent = strchr(name, '%');

	if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
		return false;
	return is_interface_name(name);
}

static const char *name_in_container(const struct oci_net_device *device)
{
	return device->name ? device->name : device->host_name;
}

static bool is_taken(const struct oci_linux *l, size_t index, const char *name)
{
	for (size_t i = 0; i < index; i++)
		if (streq(name_in_container(&l->net_devices[i]), name))
			return true;
	return false;
}

/* No more than that are moved; the search above is quadratic. */
#define NET_DEVICES_MAX 1024

static int check_net_devices(struct checker *c)
{
	const struct oci_linux *l = section(c);

	checker_at(c, "linux.netDevices");
	if (l->net_devices_count && !has_namespace(c, OCI_NS_NETWORK))
		return checker_refuse(
			c, "unable to move network devices without a private network namespace",
			NULL);
	if (l->net_devices_count > NET_DEVICES_MAX)
		return checker_refuse_number(c, "too many", (long long)l->net_devices_count);
	for (size_t i = 0; i < l->net_devices_count; i++) {
		const struct oci_net_device *device = &l->net_devices[i];
		const char *name = name_in_container(device);

		checker_at(c, "linux.netDevices.%s", device->host_name);
		if (!is_interface_name(device->host_name))
			return checker_refuse(c, "not an interface's name", device->host_name);
		if (device->name)
			checker_down(c, ".name");
		if (!is_new_interface_name(name))
			return checker_refuse(c, "not an interface's name", name);
		if (!strchr(name, '%') && is_taken(l, i, name))
			return checker_refuse(c, "given twice", name);
	}
	return 0;
}

/* Names separated by '.' or '/'; an empty one covers "..", which would leave /proc/sys. */
static bool is_sysctl_key(const char *key)
{
	for (;;) {
		size_t len = strcspn(key, "./");

		if (!len)
			return false;
		if (!key[len])
			return true;
		key += len + 1;
	}
}

static int check_sysctl(struct checker *c)
{
	const struct string_map *sysctl = &section(c)->sysctl;

	for (size_t i = 0; i < sysctl->count; i++)
		if (!is_sysctl_key(sysctl->items[i].key))
			return checker_refuse(checker_at(c, "linux.sysctl.%s",
							 sysctl->items[i].key),
					      "not a sysctl's name", sysctl->items[i].key);
	return 0;
}

static int check_propagation(struct checker *c)
{
	static const char *const words[] = { "private", "rprivate", "shared",	  "rshared",
					     "slave",	"rslave",   "unbindable", "runbindable" };
	static const struct names names = NAMES(words);
	const char *word = section(c)->rootfs_propagation;

	if (word && names_find(&names, word) < 0)
		return checker_refuse(checker_at(c, "linux.rootfsPropagation"), "unknown value",
				      word);
	return 0;
}

static int check_path_list(struct checker *c, const char *key, char *const *paths)
{
	size_t i = 0;

	strv_each(path, paths) {
		if (*path != '/')
			return checker_refuse(checker_at(c, "linux.%s[%zu]", key, i),
					      "must be an absolute path", path);
		i++;
	}
	return 0;
}

/* Hiding them would hide them from the host, too. */
static int check_hidden_paths(struct checker *c)
{
	const struct oci_linux *l = section(c);
	bool has_masked = strv_len(l->masked_paths), has_readonly = strv_len(l->readonly_paths);
	int r;

	if ((has_masked || has_readonly) && !has_namespace(c, OCI_NS_MOUNT))
		return checker_refuse(
			checker_at(c, "linux.%s", has_masked ? "maskedPaths" : "readonlyPaths"),
			"unable to restrict sys entries without a private MNT namespace", NULL);
	r = check_path_list(c, "maskedPaths", l->masked_paths);
	if (r < 0)
		return r;
	return check_path_list(c, "readonlyPaths", l->readonly_paths);
}

/* A name in resctrl's root, or "/" for the root itself. */
static bool is_clos_id(const char *id)
{
	return streq(id, "/") || (!is_dots(id) && !strpbrk(id, "/\n"));
}

static int check_schemata(struct checker *c, char *const *schemata)
{
	size_t i = 0;

	strv_each(schema, schemata) {
		if (strchr(schema, '\n'))
			return checker_refuse(checker_at(c, "linux.intelRdt.schemata[%zu]", i),
					      "more than one line", schema);
		i++;
	}
	return 0;
}

/* What the two older keys SHOULD be is warned of, what they MUST be is refused. */
static int check_intel_rdt(struct checker *c)
{
	const struct oci_intel_rdt *rdt = section(c)->intel_rdt;
	const char *l3 = rdt ? rdt->l3_cache_schema : NULL;
	const char *mb = rdt ? rdt->mem_bw_schema : NULL;

	if (!rdt)
		return 0;
	if (rdt->clos_id && !is_clos_id(rdt->clos_id))
		return checker_refuse(checker_at(c, "linux.intelRdt.closID"),
				      "not the name of a directory", rdt->clos_id);
	checker_at(c, "linux.intelRdt.l3CacheSchema");
	if (l3 && (!str_after(l3, "L3:") || strchr(l3, '\n')))
		checker_warn(c, "should be one line that begins with 'L3:'", l3);
	checker_at(c, "linux.intelRdt.memBwSchema");
	if (mb && (!str_after(mb, "MB:") || strchr(mb, '\n')))
		return checker_refuse(c, "must be one line that begins with 'MB:'", mb);
	return check_schemata(c, rdt->schemata);
}

/* set_mempolicy(2): which modes go with nodes. */
static const struct {
	bool needs_nodes, takes_nodes, takes_balancing;
} memory_policies[] = {
	[OCI_MPOL_DEFAULT] = { false, false, false },
	[OCI_MPOL_BIND] = { true, true, true },
	[OCI_MPOL_INTERLEAVE] = { true, true, false },
	[OCI_MPOL_WEIGHTED_INTERLEAVE] = { true, true, false },
	[OCI_MPOL_PREFERRED] = { false, true, false },
	[OCI_MPOL_PREFERRED_MANY] = { true, true, true },
	[OCI_MPOL_LOCAL] = { false, false, false },
};

static int check_memory_policy_flags(struct checker *c, const struct oci_memory_policy *policy)
{
	int r = check_words(c, "linux.memoryPolicy.flags", policy->flags,
			    &oci_memory_policy_flag_names);

	if (r < 0)
		return r;
	checker_at(c, "linux.memoryPolicy.flags");
	if (strv_has(policy->flags, "MPOL_F_STATIC_NODES") &&
	    strv_has(policy->flags, "MPOL_F_RELATIVE_NODES"))
		return checker_refuse(
			c, "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other",
			NULL);
	if (strv_has(policy->flags, "MPOL_F_NUMA_BALANCING") &&
	    !memory_policies[policy->mode].takes_balancing)
		return checker_refuse(c, "MPOL_F_NUMA_BALANCING has no meaning for the mode",
				      names_get(&oci_memory_policy_names, (size_t)policy->mode));
	return 0;
}

static int check_memory_policy(struct checker *c)
{
	const struct oci_memory_policy *policy = section(c)->memory_policy;
	const char *mode;

	if (!policy)
		return 0;
	mode = names_get(&oci_memory_policy_names, (size_t)policy->mode);
	checker_at(c, "linux.memoryPolicy.nodes");
	if (policy->nodes && !memory_policies[policy->mode].takes_nodes)
		return checker_refuse(c, "must be empty for the mode", mode);
	if (!policy->nodes && memory_policies[policy->mode].needs_nodes)
		return checker_refuse(c, "must name a node for the mode", mode);
	if (check_id_set(c, "linux.memoryPolicy.nodes", policy->nodes) < 0)
		return -EINVAL;
	return check_memory_policy_flags(c, policy);
}

/* No flag is defined; peers ignore all of them. */
static int check_personality(struct checker *c)
{
	const struct oci_personality *personality = section(c)->personality;

	if (personality && strv_len(personality->flags))
		checker_warn(checker_at(c, "linux.personality.flags"), "not supported, ignored",
			     personality->flags[0]);
	return 0;
}

static const struct rule rules[] = {
	{ "config-linux.md#configLinuxNamespaces", check_namespaces },
	{ "config-linux.md#configLinuxUserNamespaceMappings", check_id_mappings },
	{ "config-linux.md#configLinuxTimeOffset", check_time_offsets },
	{ "config-linux.md#configLinuxDevices", check_devices },
	{ "config-linux.md#configLinuxNetworkDevices", check_net_devices },
	{ "config-linux.md#configLinuxIntelRdt", check_intel_rdt },
	{ "config-linux.md#configLinuxMemoryPolicy", check_memory_policy },
	{ "config-linux.md#configLinuxSysctl", check_sysctl },
	{ "config-linux.md#configLinuxRootfsMountPropagation", check_propagation },
	{ "config-linux.md#configLinuxMaskedPaths", check_hidden_paths },
	{ "config-linux.md#configLinuxPersonality", check_personality },
};
const struct rules oci_linux_rules = RULES(rules);
