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
		if (ns->type == OCI_UNSET)
			return checker_refuse(c, "missing", NULL);
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

static int check_id_mappings(struct checker *c)
{
	const struct oci_linux *l = section(c);
	int r;

	if ((l->uid_mappings_count || l->gid_mappings_count) &&
	    !oci_namespace_find(c->config, OCI_NS_USER))
		return checker_refuse(
			checker_at(c, "linux.%s",
				   l->uid_mappings_count ? "uidMappings" : "gidMappings"),
			"user namespace mappings specified, but user namespace isn't enabled",
			NULL);
	r = check_mappings(c, "linux.uidMappings", l->uid_mappings, l->uid_mappings_count);
	if (r < 0)
		return r;
	return check_mappings(c, "linux.gidMappings", l->gid_mappings, l->gid_mappings_count);
}

/* A device number of Linux has 12 bits of major and 20 of minor (makedev(3), kdev_t.h). */
#define MAJOR_MAX ((1 << 12) - 1)
#define MINOR_MAX ((1 << 20) - 1)

static int check_device(struct checker *c, size_t i, const struct oci_device *device)
{
	bool is_fifo;

	checker_at(c, "linux.devices[%zu].path", i);
	if (!device->path || !*device->path)
		return checker_refuse(c, "must not be empty", NULL);
	if (*device->path != '/')
		return checker_refuse(c, "must be an absolute path", device->path);
	checker_at(c, "linux.devices[%zu].type", i);
	if (!device->type || !*device->type)
		return checker_refuse(c, "missing", NULL);
	if (!strchr("cubp", device->type[0]) || device->type[1])
		return checker_refuse(c, "not one of c, u, b, p", device->type);
	is_fifo = device->type[0] == 'p';
	if (!is_fifo && (device->major < 0 || device->major > MAJOR_MAX))
		return checker_refuse_number(checker_at(c, "linux.devices[%zu].major", i),
					     "not a device number", device->major);
	if (!is_fifo && (device->minor < 0 || device->minor > MINOR_MAX))
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

/* In a rule -1 stands for every number, as absent does. */
static int check_rule_number(struct checker *c, size_t i, const char *key,
			     const struct opt_i64 *number, int64_t max)
{
	if (!number->is_set || (number->value >= -1 && number->value <= max))
		return 0;
	return checker_refuse_number(checker_at(c, "linux.resources.devices[%zu].%s", i, key),
				     "not a device number", number->value);
}

static int check_device_rule(struct checker *c, size_t i, const struct oci_device_rule *rule)
{
	int r;

	if (rule->type && (!strchr("acb", rule->type[0]) || rule->type[1]))
		return checker_refuse(checker_at(c, "linux.resources.devices[%zu].type", i),
				      "not one of a, c, b", rule->type);
	if (rule->access && rule->access[strspn(rule->access, "rwm")])
		return checker_refuse(checker_at(c, "linux.resources.devices[%zu].access", i),
				      "has letters other than r, w, m", rule->access);
	r = check_rule_number(c, i, "major", &rule->major, MAJOR_MAX);
	if (r < 0)
		return r;
	return check_rule_number(c, i, "minor", &rule->minor, MINOR_MAX);
}

static int check_device_rules(struct checker *c)
{
	const struct oci_resources *resources = &section(c)->resources;

	for (size_t i = 0; i < resources->devices_count; i++) {
		int r = check_device_rule(c, i, &resources->devices[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_memory(struct checker *c)
{
	const struct oci_memory *m = &section(c)->resources.memory;
	const struct {
		const char *key;
		const struct opt_i64 *bytes;
	} limits[] = {
		{ "limit", &m->limit },	  { "reservation", &m->reservation }, { "swap", &m->swap },
		{ "kernel", &m->kernel }, { "kernelTCP", &m->kernel_tcp },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].bytes->value < -1)
			return checker_refuse_number(
				checker_at(c, "linux.resources.memory.%s", limits[i].key),
				"must be -1 (unlimited) or more", limits[i].bytes->value);
	if (m->swap.value > 0 && m->limit.value > m->swap.value)
		return checker_refuse_number(checker_at(c, "linux.resources.memory.swap"),
					     "memory+swap limit should be >= memory limit",
					     m->swap.value);
	if (m->swappiness.value > 100)
		return checker_refuse_number(checker_at(c, "linux.resources.memory.swappiness"),
					     "must be from 0 to 100",
					     (long long)m->swappiness.value);
	return 0;
}

/* What the kernel accepts (Documentation/scheduler/sched-bwc.rst); 0 and a negative quota mean
 * that nothing is set. */
#define CPU_PERIOD_MIN_US 1000
#define CPU_PERIOD_MAX_US 1000000

static int check_cpu_times(struct checker *c)
{
	const struct oci_cpu *cpu = &section(c)->resources.cpu;

	if (cpu->period.value &&
	    (cpu->period.value < CPU_PERIOD_MIN_US || cpu->period.value > CPU_PERIOD_MAX_US))
		return checker_refuse_number(checker_at(c, "linux.resources.cpu.period"),
					     "must be from 1000 to 1000000 microseconds",
					     (long long)cpu->period.value);
	if (cpu->quota.value > 0 && cpu->quota.value < CPU_PERIOD_MIN_US)
		return checker_refuse_number(checker_at(c, "linux.resources.cpu.quota"),
					     "must be 1000 microseconds or more", cpu->quota.value);
	if (cpu->quota.value > 0 && cpu->burst.value > (uint64_t)cpu->quota.value)
		return checker_refuse_number(checker_at(c, "linux.resources.cpu.burst"),
					     "must not be more than the quota",
					     (long long)cpu->burst.value);
	if (cpu->idle.value < 0 || cpu->idle.value > 1)
		return checker_refuse_number(checker_at(c, "linux.resources.cpu.idle"),
					     "must be 0 or 1", cpu->idle.value);
	return 0;
}

static int check_cpu_list(struct checker *c, const char *key, const char *list)
{
	/* What lists are made of (the kernel's bitmap_parselist(), which has the last word). */
	if (!list || !list[strspn(list, "0123456789,-:/Nal ")])
		return 0;
	return checker_refuse(checker_at(c, "linux.resources.cpu.%s", key), "not a list of numbers",
			      list);
}

static int check_cpu(struct checker *c)
{
	const struct oci_cpu *cpu = &section(c)->resources.cpu;
	int r;

	r = check_cpu_times(c);
	if (r < 0)
		return r;
	r = check_cpu_list(c, "cpus", cpu->cpus);
	if (r < 0)
		return r;
	return check_cpu_list(c, "mems", cpu->mems);
}

static int check_pids(struct checker *c)
{
	int64_t limit = section(c)->resources.pids.limit.value;

	if (limit < -1)
		return checker_refuse_number(checker_at(c, "linux.resources.pids.limit"),
					     "must be -1 (unlimited) or more", limit);
	return 0;
}

/* A key is a file of the cgroup, not a path from there. */
static int check_unified(struct checker *c)
{
	const struct string_map *unified = &section(c)->resources.unified;

	for (size_t i = 0; i < unified->count; i++) {
		const char *key = unified->items[i].key;

		if (!*key || strchr(key, '/'))
			return checker_refuse(checker_at(c, "linux.resources.unified"),
					      "not the name of a cgroup file", key);
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
			return checker_refuse(checker_at(c, "linux.sysctl"), "not a sysctl's name",
					      sysctl->items[i].key);
	return 0;
}

static bool takes_errno(int action)
{
	return action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE;
}

static int check_seccomp_arg(struct checker *c, size_t call, size_t i,
			     const struct oci_seccomp_arg *arg)
{
	checker_at(c, "linux.seccomp.syscalls[%zu].args[%zu].index", call, i);
	if (arg->index > 5)
		return checker_refuse_number(c, "a system call has arguments 0 to 5", arg->index);
	if (arg->op == OCI_UNSET)
		return checker_refuse(checker_at(c, "linux.seccomp.syscalls[%zu].args[%zu].op",
						 call, i),
				      "missing", NULL);
	return 0;
}

static int check_syscall(struct checker *c, size_t i, const struct oci_syscall *call)
{
	if (!strv_len(call->names))
		return checker_refuse(checker_at(c, "linux.seccomp.syscalls[%zu].names", i),
				      "must not be empty", NULL);
	checker_at(c, "linux.seccomp.syscalls[%zu].action", i);
	if (call->action == OCI_UNSET)
		return checker_refuse(c, "missing", NULL);
	/* The runtime itself writes after the filter is in force, before anybody could listen. */
	if (call->action == OCI_SECCOMP_NOTIFY && strv_has(call->names, "write"))
		return checker_refuse(c, "SCMP_ACT_NOTIFY cannot be used for the write syscall",
				      NULL);
	if (call->errno_ret.is_set && !takes_errno(call->action))
		return checker_refuse(checker_at(c, "linux.seccomp.syscalls[%zu].errnoRet", i),
				      "has no meaning for the action",
				      names_get(&oci_seccomp_action_names, (size_t)call->action));
	for (size_t a = 0; a < call->args_count; a++) {
		int r = check_seccomp_arg(c, i, a, &call->args[a]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_seccomp_default(struct checker *c)
{
	const struct oci_seccomp *s = section(c)->seccomp;

	if (!s)
		return 0;
	checker_at(c, "linux.seccomp.defaultAction");
	if (s->default_action == OCI_UNSET)
		return checker_refuse(c, "missing", NULL);
	if (s->default_action == OCI_SECCOMP_NOTIFY)
		return checker_refuse(c, "SCMP_ACT_NOTIFY cannot be used as default action", NULL);
	if (s->default_errno_ret.is_set && !takes_errno(s->default_action))
		return checker_refuse(checker_at(c, "linux.seccomp.defaultErrnoRet"),
				      "has no meaning for the action",
				      names_get(&oci_seccomp_action_names,
						(size_t)s->default_action));
	return 0;
}

static int check_seccomp_flags(struct checker *c)
{
	static const char *const flags[] = {
		"SECCOMP_FILTER_FLAG_TSYNC",
		"SECCOMP_FILTER_FLAG_LOG",
		"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
		"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	};
	static const struct names names = NAMES(flags);
	const struct oci_seccomp *s = section(c)->seccomp;
	size_t i = 0;

	strv_each(flag, s ? s->flags : NULL) {
		if (names_find(&names, flag) < 0)
			return checker_refuse(checker_at(c, "linux.seccomp.flags[%zu]", i),
					      "unknown value", flag);
		i++;
	}
	return 0;
}

static int check_seccomp_listener(struct checker *c)
{
	const struct oci_seccomp *s = section(c)->seccomp;

	if (!s)
		return 0;
	if (s->listener_path && *s->listener_path != '/')
		return checker_refuse(checker_at(c, "linux.seccomp.listenerPath"),
				      "must be an absolute path", s->listener_path);
	if (s->listener_metadata && !s->listener_path)
		return checker_refuse(checker_at(c, "linux.seccomp.listenerMetadata"),
				      "has no meaning without listenerPath", NULL);
	return 0;
}

static int check_seccomp_syscalls(struct checker *c)
{
	const struct oci_seccomp *s = section(c)->seccomp;

	for (size_t i = 0; s && i < s->syscalls_count; i++) {
		int r = check_syscall(c, i, &s->syscalls[i]);

		if (r < 0)
			return r;
	}
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

static int check_masked_paths(struct checker *c)
{
	return check_path_list(c, "maskedPaths", section(c)->masked_paths);
}

static int check_readonly_paths(struct checker *c)
{
	return check_path_list(c, "readonlyPaths", section(c)->readonly_paths);
}

const struct rule oci_linux_rules[] = {
	{ "config-linux.md#configLinuxNamespaces", check_namespaces },
	{ "config-linux.md#configLinuxUserNamespaceMappings", check_id_mappings },
	{ "config-linux.md#configLinuxDevices", check_devices },
	{ "config-linux.md#configLinuxDeviceAllowedlist", check_device_rules },
	{ "config-linux.md#configLinuxMemory", check_memory },
	{ "config-linux.md#configLinuxCPU", check_cpu },
	{ "config-linux.md#configLinuxPIDS", check_pids },
	{ "config-linux.md#configLinuxUnified", check_unified },
	{ "config-linux.md#configLinuxSysctl", check_sysctl },
	{ "config-linux.md#configLinuxSeccomp", check_seccomp_default },
	{ "config-linux.md#configLinuxSeccomp", check_seccomp_flags },
	{ "config-linux.md#configLinuxSeccomp", check_seccomp_listener },
	{ "config-linux.md#configLinuxSeccomp", check_seccomp_syscalls },
	{ "config-linux.md#configLinuxRootfsMountPropagation", check_propagation },
	{ "config-linux.md#configLinuxMaskedPaths", check_masked_paths },
	{ "config-linux.md#configLinuxReadonlyPaths", check_readonly_paths },
};
const size_t oci_linux_rules_count = ARRAY_SIZE(oci_linux_rules);
