/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include "oci/tables.h"

/* The linux section of config.json (config-linux.md). */

static const char *const namespace_words[] = {
	[OCI_NS_PID] = "pid",	    [OCI_NS_NETWORK] = "network", [OCI_NS_MOUNT] = "mount",
	[OCI_NS_IPC] = "ipc",	    [OCI_NS_UTS] = "uts",	  [OCI_NS_USER] = "user",
	[OCI_NS_CGROUP] = "cgroup", [OCI_NS_TIME] = "time",
};
const struct names oci_namespace_names = NAMES(namespace_words);

static const char *const action_words[] = {
	[OCI_SECCOMP_KILL] = "SCMP_ACT_KILL",
	[OCI_SECCOMP_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[OCI_SECCOMP_KILL_THREAD] = "SCMP_ACT_KILL_THREAD",
	[OCI_SECCOMP_TRAP] = "SCMP_ACT_TRAP",
	[OCI_SECCOMP_ERRNO] = "SCMP_ACT_ERRNO",
	[OCI_SECCOMP_TRACE] = "SCMP_ACT_TRACE",
	[OCI_SECCOMP_ALLOW] = "SCMP_ACT_ALLOW",
	[OCI_SECCOMP_LOG] = "SCMP_ACT_LOG",
	[OCI_SECCOMP_NOTIFY] = "SCMP_ACT_NOTIFY",
};
const struct names oci_seccomp_action_names = NAMES(action_words);

static const char *const op_words[] = {
	[OCI_SECCOMP_NE] = "SCMP_CMP_NE",
	[OCI_SECCOMP_LT] = "SCMP_CMP_LT",
	[OCI_SECCOMP_LE] = "SCMP_CMP_LE",
	[OCI_SECCOMP_EQ] = "SCMP_CMP_EQ",
	[OCI_SECCOMP_GE] = "SCMP_CMP_GE",
	[OCI_SECCOMP_GT] = "SCMP_CMP_GT",
	[OCI_SECCOMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};
const struct names oci_seccomp_op_names = NAMES(op_words);

static const char *const arch_words[] = {
	"SCMP_ARCH_X86",	 "SCMP_ARCH_X86_64",	  "SCMP_ARCH_X32",     "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64",	 "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",    "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",	 "SCMP_ARCH_MIPS64N32",	  "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",	  "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_S390",	 "SCMP_ARCH_S390X",	  "SCMP_ARCH_SH",      "SCMP_ARCH_SHEB",
	"SCMP_ARCH_PARISC",	 "SCMP_ARCH_PARISC64",	  "SCMP_ARCH_RISCV64",
};
const struct names oci_seccomp_arch_names = NAMES(arch_words);

static const char *const seccomp_flag_words[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};
const struct names oci_seccomp_flag_names = NAMES(seccomp_flag_words);

bool oci_seccomp_notifies(const struct oci_seccomp *seccomp)
{
	for (size_t i = 0; i < seccomp->syscalls_count; i++)
		if (seccomp->syscalls[i].action == OCI_SECCOMP_NOTIFY)
			return true;
	return false;
}

static void init_namespace(void *obj)
{
	((struct oci_namespace *)obj)->type = OCI_UNSET;
}

static const struct field namespace_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_namespace, "type", type, &oci_namespace_names),
	FIELD(struct oci_namespace, "path", STRING, path),
};
static const struct fields namespace_fields =
	FIELDS_INIT(struct oci_namespace, namespace_table, init_namespace);

static const struct field device_table[] = {
	FIELD_REQUIRED(struct oci_device, "path", STRING, path),
	FIELD_REQUIRED(struct oci_device, "type", STRING, type),
	FIELD_ALWAYS(struct oci_device, "major", I64, major),
	FIELD_ALWAYS(struct oci_device, "minor", I64, minor),
	FIELD(struct oci_device, "fileMode", OPT_U32, file_mode),
	FIELD(struct oci_device, "uid", OPT_U32, uid),
	FIELD(struct oci_device, "gid", OPT_U32, gid),
};
static const struct fields device_fields = FIELDS(struct oci_device, device_table);

static const struct field device_rule_table[] = {
	FIELD_ALWAYS(struct oci_device_rule, "allow", BOOL, allow),
	FIELD(struct oci_device_rule, "type", STRING, type),
	FIELD(struct oci_device_rule, "major", OPT_I64, major),
	FIELD(struct oci_device_rule, "minor", OPT_I64, minor),
	FIELD(struct oci_device_rule, "access", STRING, access),
};
static const struct fields device_rule_fields = FIELDS(struct oci_device_rule, device_rule_table);

static const struct field memory_table[] = {
	FIELD(struct oci_memory, "limit", OPT_I64, limit),
	FIELD(struct oci_memory, "reservation", OPT_I64, reservation),
	FIELD(struct oci_memory, "swap", OPT_I64, swap),
	FIELD(struct oci_memory, "kernel", OPT_I64, kernel),
	FIELD(struct oci_memory, "kernelTCP", OPT_I64, kernel_tcp),
	FIELD(struct oci_memory, "swappiness", OPT_U64, swappiness),
	FIELD(struct oci_memory, "disableOOMKiller", OPT_BOOL, disable_oom_killer),
	FIELD(struct oci_memory, "useHierarchy", OPT_BOOL, use_hierarchy),
	FIELD(struct oci_memory, "checkBeforeUpdate", OPT_BOOL, check_before_update),
};
static const struct fields memory_fields = FIELDS(struct oci_memory, memory_table);

static const struct field cpu_table[] = {
	FIELD(struct oci_cpu, "shares", OPT_U64, shares),
	FIELD(struct oci_cpu, "quota", OPT_I64, quota),
	FIELD(struct oci_cpu, "burst", OPT_U64, burst),
	FIELD(struct oci_cpu, "period", OPT_U64, period),
	FIELD(struct oci_cpu, "realtimeRuntime", OPT_I64, realtime_runtime),
	FIELD(struct oci_cpu, "realtimePeriod", OPT_U64, realtime_period),
	FIELD(struct oci_cpu, "cpus", STRING, cpus),
	FIELD(struct oci_cpu, "mems", STRING, mems),
	FIELD(struct oci_cpu, "idle", OPT_I64, idle),
};
static const struct fields cpu_fields = FIELDS(struct oci_cpu, cpu_table);

static const struct field pids_table[] = {
	FIELD(struct oci_pids, "limit", OPT_I64, limit),
};
static const struct fields pids_fields = FIELDS(struct oci_pids, pids_table);

static const struct field weight_device_table[] = {
	FIELD_ALWAYS(struct oci_weight_device, "major", I64, major),
	FIELD_ALWAYS(struct oci_weight_device, "minor", I64, minor),
	FIELD(struct oci_weight_device, "weight", OPT_U32, weight),
	FIELD(struct oci_weight_device, "leafWeight", OPT_U32, leaf_weight),
};
static const struct fields weight_device_fields =
	FIELDS(struct oci_weight_device, weight_device_table);

static const struct field throttle_device_table[] = {
	FIELD_ALWAYS(struct oci_throttle_device, "major", I64, major),
	FIELD_ALWAYS(struct oci_throttle_device, "minor", I64, minor),
	FIELD_ALWAYS(struct oci_throttle_device, "rate", U64, rate),
};
static const struct fields throttle_device_fields =
	FIELDS(struct oci_throttle_device, throttle_device_table);

static const struct field block_io_table[] = {
	FIELD(struct oci_block_io, "weight", OPT_U32, weight),
	FIELD(struct oci_block_io, "leafWeight", OPT_U32, leaf_weight),
	FIELD_OBJECTS(struct oci_block_io, "weightDevice", weight_devices, &weight_device_fields),
	FIELD_OBJECTS(struct oci_block_io, "throttleReadBpsDevice", read_bps,
		      &throttle_device_fields),
	FIELD_OBJECTS(struct oci_block_io, "throttleWriteBpsDevice", write_bps,
		      &throttle_device_fields),
	FIELD_OBJECTS(struct oci_block_io, "throttleReadIOPSDevice", read_iops,
		      &throttle_device_fields),
	FIELD_OBJECTS(struct oci_block_io, "throttleWriteIOPSDevice", write_iops,
		      &throttle_device_fields),
};
static const struct fields block_io_fields = FIELDS(struct oci_block_io, block_io_table);

static const struct field hugepage_table[] = {
	FIELD_REQUIRED(struct oci_hugepage_limit, "pageSize", STRING, page_size),
	FIELD_ALWAYS(struct oci_hugepage_limit, "limit", U64, limit),
};
static const struct fields hugepage_fields = FIELDS(struct oci_hugepage_limit, hugepage_table);

static const struct field interface_priority_table[] = {
	FIELD_REQUIRED(struct oci_interface_priority, "name", STRING, name),
	FIELD_ALWAYS(struct oci_interface_priority, "priority", U32, priority),
};
static const struct fields interface_priority_fields =
	FIELDS(struct oci_interface_priority, interface_priority_table);

static const struct field network_table[] = {
	FIELD(struct oci_network, "classID", OPT_U32, class_id),
	FIELD_OBJECTS(struct oci_network, "priorities", priorities, &interface_priority_fields),
};
static const struct fields network_fields = FIELDS(struct oci_network, network_table);

static const struct field rdma_table[] = {
	FIELD(struct oci_rdma, "hcaHandles", OPT_U32, hca_handles),
	FIELD(struct oci_rdma, "hcaObjects", OPT_U32, hca_objects),
};
static const struct fields rdma_fields = FIELDS(struct oci_rdma, rdma_table);

static const struct field resources_table[] = {
	FIELD_OBJECTS(struct oci_resources, "devices", devices, &device_rule_fields),
	FIELD_OBJECT(struct oci_resources, "memory", OBJECT, memory, &memory_fields),
	FIELD_OBJECT(struct oci_resources, "cpu", OBJECT, cpu, &cpu_fields),
	FIELD_OBJECT(struct oci_resources, "pids", OBJECT, pids, &pids_fields),
	FIELD_OBJECT(struct oci_resources, "blockIO", OBJECT, block_io, &block_io_fields),
	FIELD_OBJECTS(struct oci_resources, "hugepageLimits", hugepages, &hugepage_fields),
	FIELD_OBJECT(struct oci_resources, "network", OBJECT, network, &network_fields),
	FIELD_KEYED(struct oci_resources, "rdma", rdma, &rdma_fields, struct oci_rdma, device),
	FIELD(struct oci_resources, "unified", MAP, unified),
};
const struct fields oci_resources_fields = FIELDS(struct oci_resources, resources_table);

static void init_seccomp_arg(void *obj)
{
	((struct oci_seccomp_arg *)obj)->op = OCI_UNSET;
}

static const struct field seccomp_arg_table[] = {
	FIELD_ALWAYS(struct oci_seccomp_arg, "index", U32, index),
	FIELD_ALWAYS(struct oci_seccomp_arg, "value", U64, value),
	FIELD(struct oci_seccomp_arg, "valueTwo", U64, value_two),
	FIELD_ENUM_REQUIRED(struct oci_seccomp_arg, "op", op, &oci_seccomp_op_names),
};
static const struct fields seccomp_arg_fields =
	FIELDS_INIT(struct oci_seccomp_arg, seccomp_arg_table, init_seccomp_arg);

static void init_syscall(void *obj)
{
	((struct oci_syscall *)obj)->action = OCI_UNSET;
}

static const struct field syscall_table[] = {
	FIELD_REQUIRED(struct oci_syscall, "names", STRINGS, names),
	FIELD_ENUM_REQUIRED(struct oci_syscall, "action", action, &oci_seccomp_action_names),
	FIELD(struct oci_syscall, "errnoRet", OPT_U32, errno_ret),
	FIELD_OBJECTS(struct oci_syscall, "args", args, &seccomp_arg_fields),
};
static const struct fields syscall_fields =
	FIELDS_INIT(struct oci_syscall, syscall_table, init_syscall);

static void init_seccomp(void *obj)
{
	((struct oci_seccomp *)obj)->default_action = OCI_UNSET;
}

static const struct field seccomp_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_seccomp, "defaultAction", default_action,
			    &oci_seccomp_action_names),
	FIELD(struct oci_seccomp, "defaultErrnoRet", OPT_U32, default_errno_ret),
	FIELD(struct oci_seccomp, "architectures", STRINGS, architectures),
	FIELD(struct oci_seccomp, "flags", STRINGS, flags),
	FIELD(struct oci_seccomp, "listenerPath", STRING, listener_path),
	FIELD(struct oci_seccomp, "listenerMetadata", STRING, listener_metadata),
	FIELD_OBJECTS(struct oci_seccomp, "syscalls", syscalls, &syscall_fields),
};
static const struct fields seccomp_fields =
	FIELDS_INIT(struct oci_seccomp, seccomp_table, init_seccomp);

static const struct field time_offset_table[] = {
	FIELD_ALWAYS(struct oci_time_offset, "secs", I64, secs),
	FIELD_ALWAYS(struct oci_time_offset, "nanosecs", U32, nanosecs),
};
static const struct fields time_offset_fields = FIELDS(struct oci_time_offset, time_offset_table);

static const struct field time_offsets_table[] = {
	FIELD_OBJECT(struct oci_time_offsets, "monotonic", OPT_OBJECT, monotonic,
		     &time_offset_fields),
	FIELD_OBJECT(struct oci_time_offsets, "boottime", OPT_OBJECT, boottime,
		     &time_offset_fields),
};
static const struct fields time_offsets_fields =
	FIELDS(struct oci_time_offsets, time_offsets_table);

static const struct field net_device_table[] = {
	FIELD(struct oci_net_device, "name", STRING, name),
};
static const struct fields net_device_fields = FIELDS(struct oci_net_device, net_device_table);

static const struct field intel_rdt_table[] = {
	FIELD(struct oci_intel_rdt, "closID", STRING, clos_id),
	FIELD(struct oci_intel_rdt, "schemata", STRINGS, schemata),
	FIELD(struct oci_intel_rdt, "l3CacheSchema", STRING, l3_cache_schema),
	FIELD(struct oci_intel_rdt, "memBwSchema", STRING, mem_bw_schema),
	FIELD(struct oci_intel_rdt, "enableMonitoring", BOOL, enable_monitoring),
};
static const struct fields intel_rdt_fields = FIELDS(struct oci_intel_rdt, intel_rdt_table);

static const char *const memory_policy_words[] = {
	[OCI_MPOL_DEFAULT] = "MPOL_DEFAULT",
	[OCI_MPOL_BIND] = "MPOL_BIND",
	[OCI_MPOL_INTERLEAVE] = "MPOL_INTERLEAVE",
	[OCI_MPOL_WEIGHTED_INTERLEAVE] = "MPOL_WEIGHTED_INTERLEAVE",
	[OCI_MPOL_PREFERRED] = "MPOL_PREFERRED",
	[OCI_MPOL_PREFERRED_MANY] = "MPOL_PREFERRED_MANY",
	[OCI_MPOL_LOCAL] = "MPOL_LOCAL",
};
const struct names oci_memory_policy_names = NAMES(memory_policy_words);

static const char *const memory_policy_flag_words[] = {
	"MPOL_F_NUMA_BALANCING",
	"MPOL_F_RELATIVE_NODES",
	"MPOL_F_STATIC_NODES",
};
const struct names oci_memory_policy_flag_names = NAMES(memory_policy_flag_words);

static void init_memory_policy(void *obj)
{
	((struct oci_memory_policy *)obj)->mode = OCI_UNSET;
}

static const struct field memory_policy_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_memory_policy, "mode", mode, &oci_memory_policy_names),
	FIELD(struct oci_memory_policy, "nodes", STRING, nodes),
	FIELD(struct oci_memory_policy, "flags", STRINGS, flags),
};
static const struct fields memory_policy_fields =
	FIELDS_INIT(struct oci_memory_policy, memory_policy_table, init_memory_policy);

static const char *const personality_words[] = {
	[OCI_PERSONALITY_LINUX] = "LINUX",
	[OCI_PERSONALITY_LINUX32] = "LINUX32",
};
const struct names oci_personality_names = NAMES(personality_words);

static void init_personality(void *obj)
{
	((struct oci_personality *)obj)->domain = OCI_UNSET;
}

static const struct field personality_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_personality, "domain", domain, &oci_personality_names),
	FIELD(struct oci_personality, "flags", STRINGS, flags),
};
static const struct fields personality_fields =
	FIELDS_INIT(struct oci_personality, personality_table, init_personality);

static const struct field linux_table[] = {
	FIELD_OBJECTS(struct oci_linux, "uidMappings", uid_mappings, &oci_id_mapping_fields),
	FIELD_OBJECTS(struct oci_linux, "gidMappings", gid_mappings, &oci_id_mapping_fields),
	FIELD(struct oci_linux, "sysctl", MAP, sysctl),
	FIELD_OBJECT(struct oci_linux, "resources", OBJECT, resources, &oci_resources_fields),
	FIELD(struct oci_linux, "cgroupsPath", STRING, cgroups_path),
	FIELD_OBJECTS(struct oci_linux, "namespaces", namespaces, &namespace_fields),
	FIELD_OBJECTS(struct oci_linux, "devices", devices, &device_fields),
	FIELD_OBJECT(struct oci_linux, "seccomp", OPT_OBJECT, seccomp, &seccomp_fields),
	FIELD(struct oci_linux, "rootfsPropagation", STRING, rootfs_propagation),
	FIELD(struct oci_linux, "maskedPaths", STRINGS, masked_paths),
	FIELD(struct oci_linux, "readonlyPaths", STRINGS, readonly_paths),
	FIELD(struct oci_linux, "mountLabel", STRING, mount_label),
	FIELD_OBJECT(struct oci_linux, "timeOffsets", OPT_OBJECT, time_offsets,
		     &time_offsets_fields),
	FIELD_KEYED(struct oci_linux, "netDevices", net_devices, &net_device_fields,
		    struct oci_net_device, host_name),
	FIELD_OBJECT(struct oci_linux, "intelRdt", OPT_OBJECT, intel_rdt, &intel_rdt_fields),
	FIELD_OBJECT(struct oci_linux, "memoryPolicy", OPT_OBJECT, memory_policy,
		     &memory_policy_fields),
	FIELD_OBJECT(struct oci_linux, "personality", OPT_OBJECT, personality, &personality_fields),
};
const struct fields oci_linux_fields = FIELDS(struct oci_linux, linux_table);
