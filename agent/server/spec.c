/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/spec.h"

#include <pb_common.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/str.h"
#include "oci/config.h"

/* nanopb's descriptors say what a message holds, but not under which names: those are here, in the
 * order of the fields in oci.proto. */
struct message_names {
	const pb_msgdesc_t *message;
	const char *const *names;
};

#define LIST(...) ((const char *const[]){ __VA_ARGS__ })

/* clang-format off */
static const struct message_names messages[] = {
	{ &grpc_Spec_msg, LIST("ociVersion", "process", "root", "hostname", "mounts", "hooks",
			       "annotations", "linux") },
	{ &grpc_Process_msg, LIST("terminal", "consoleSize", "user", "args", "env", "cwd",
				  "capabilities", "rlimits", "noNewPrivileges", "apparmorProfile",
				  "oomScoreAdj", "selinuxLabel") },
	{ &grpc_Box_msg, LIST("height", "width") },
	{ &grpc_User_msg, LIST("uid", "gid", "additionalGids", "username") },
	{ &grpc_LinuxCapabilities_msg, LIST("bounding", "effective", "inheritable", "permitted",
					    "ambient") },
	{ &grpc_POSIXRlimit_msg, LIST("type", "hard", "soft") },
	{ &grpc_Mount_msg, LIST("destination", "source", "type", "options") },
	{ &grpc_Root_msg, LIST("path", "readonly") },
	{ &grpc_Hooks_msg, LIST("prestart", "poststart", "poststop", "createRuntime",
				"createContainer", "startContainer") },
	{ &grpc_Hook_msg, LIST("path", "args", "env", "timeout") },
	{ &grpc_Linux_msg, LIST("uidMappings", "gidMappings", "sysctl", "resources", "cgroupsPath",
				"namespaces", "devices", "seccomp", "rootfsPropagation",
				"maskedPaths", "readonlyPaths", "mountLabel", "intelRdt") },
	{ &grpc_LinuxIDMapping_msg, LIST("hostID", "containerID", "size") },
	{ &grpc_LinuxNamespace_msg, LIST("type", "path") },
	{ &grpc_LinuxDevice_msg, LIST("path", "type", "major", "minor", "fileMode", "uid", "gid") },
	{ &grpc_LinuxDeviceCgroup_msg, LIST("allow", "type", "major", "minor", "access") },
	{ &grpc_LinuxResources_msg, LIST("devices", "memory", "cpu", "pids", "blockIO",
					 "hugepageLimits", "network") },
	{ &grpc_LinuxMemory_msg, LIST("limit", "reservation", "swap", "kernel", "kernelTCP",
				      "swappiness", "disableOOMKiller") },
	{ &grpc_LinuxCPU_msg, LIST("shares", "quota", "period", "realtimeRuntime",
				   "realtimePeriod", "cpus", "mems") },
	{ &grpc_LinuxPids_msg, LIST("limit") },
	{ &grpc_LinuxBlockIO_msg, LIST("weight", "leafWeight", "weightDevice",
				       "throttleReadBpsDevice", "throttleWriteBpsDevice",
				       "throttleReadIOPSDevice", "throttleWriteIOPSDevice") },
	{ &grpc_LinuxWeightDevice_msg, LIST("major", "minor", "weight", "leafWeight") },
	{ &grpc_LinuxThrottleDevice_msg, LIST("major", "minor", "rate") },
	{ &grpc_LinuxHugepageLimit_msg, LIST("pageSize", "limit") },
	{ &grpc_LinuxNetwork_msg, LIST("classID", "priorities") },
	{ &grpc_LinuxInterfacePriority_msg, LIST("name", "priority") },
	{ &grpc_LinuxSeccomp_msg, LIST("defaultAction", "architectures", "flags", "syscalls") },
	{ &grpc_LinuxSyscall_msg, LIST("names", "action", "errnoRet", "args") },
	{ &grpc_LinuxSeccompArg_msg, LIST("index", "value", "valueTwo", "op") },
	{ &grpc_LinuxIntelRdt_msg, LIST("l3CacheSchema") },
};
/* clang-format on */

static const char *const *names_of(const pb_msgdesc_t *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
		if (messages[i].message == message)
			return messages[i].names;
	return NULL;
}

static uint64_t number_at(const void *data, size_t size)
{
	uint32_t word;
	uint64_t number;

	if (size == sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		return word;
	}
	memcpy(&number, data, sizeof(number));
	return number;
}

static void write_members(struct json_writer *w, const pb_msgdesc_t *desc, const void *message);

static void write_value(struct json_writer *w, const pb_field_iter_t *field, const void *data)
{
	switch (PB_LTYPE(field->type)) {
	case PB_LTYPE_BOOL:
		json_bool(w, *(const bool *)data);
		break;
	case PB_LTYPE_VARINT: /* all of them are int64 */
		json_i64(w, (int64_t)number_at(data, field->data_size));
		break;
	case PB_LTYPE_UVARINT:
		json_u64(w, number_at(data, field->data_size));
		break;
	case PB_LTYPE_STRING:
		json_string(w, data);
		break;
	default:
		json_open_map(w);
		write_members(w, field->submsg_desc, data);
		json_close_map(w);
		break;
	}
}

/* A map is a list of pairs on the wire; both halves of each are strings in here. */
static bool is_map(const pb_field_iter_t *field)
{
	return PB_LTYPE_IS_SUBMSG(field->type) && !names_of(field->submsg_desc);
}

static void write_map(struct json_writer *w, const pb_field_iter_t *field, size_t count)
{
	const grpc_Spec_AnnotationsEntry *entries = field->pData; /* every such entry is alike */

	json_open_map(w);
	for (size_t i = 0; i < count; i++) {
		json_key(w, entries[i].key ? entries[i].key : "");
		json_string(w, entries[i].value ? entries[i].value : "");
	}
	json_close_map(w);
}

static void write_list(struct json_writer *w, const pb_field_iter_t *field, size_t count)
{
	const char *data = field->pData;

	json_open_array(w);
	for (size_t i = 0; i < count; i++, data += field->data_size)
		write_value(w, field,
			    PB_LTYPE(field->type) == PB_LTYPE_STRING ? *(const char *const *)data
								     : data);
	json_close_array(w);
}

static bool is_zero(const pb_field_iter_t *field)
{
	const char *data = field->pData;

	if (!data)
		return true;
	if (PB_LTYPE(field->type) == PB_LTYPE_STRING)
		return !*data;
	for (size_t i = 0; i < field->data_size; i++)
		if (data[i])
			return false;
	return true;
}

static bool is_present(const pb_field_iter_t *field)
{
	switch (PB_HTYPE(field->type)) {
	case PB_HTYPE_REPEATED:
		return *(const pb_size_t *)field->pSize > 0;
	case PB_HTYPE_ONEOF:
		return *(const pb_size_t *)field->pSize == field->tag;
	default:
		return PB_LTYPE_IS_SUBMSG(field->type) && field->pSize ? *(const bool *)field->pSize
								       : !is_zero(field);
	}
}

/* A rule names a device, and then both of its numbers, of which the second may well be 0. */
static bool is_rules_minor(const pb_field_iter_t *field)
{
	const grpc_LinuxDeviceCgroup *rule = field->message;

	return field->descriptor == &grpc_LinuxDeviceCgroup_msg &&
	       field->tag == grpc_LinuxDeviceCgroup_minor_tag && rule->major > 0;
}

static void write_members(struct json_writer *w, const pb_msgdesc_t *desc, const void *message)
{
	const char *const *names = names_of(desc);
	pb_field_iter_t field;

	if (!pb_field_iter_begin_const(&field, desc, message))
		return;
	do {
		if (!is_present(&field) && !is_rules_minor(&field))
			continue;
		json_key(w, names[field.index]);
		if (PB_HTYPE(field.type) != PB_HTYPE_REPEATED)
			write_value(w, &field, field.pData);
		else if (is_map(&field))
			write_map(w, &field, *(const pb_size_t *)field.pSize);
		else
			write_list(w, &field, *(const pb_size_t *)field.pSize);
	} while (pb_field_iter_next(&field));
}

static char *text_of(const pb_msgdesc_t *desc, const void *message)
{
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	write_members(w, desc, message);
	json_close_map(w);
	return json_finish(w);
}

char *spec_config_text(const grpc_Spec *spec)
{
	grpc_Spec copy = *spec;

	if (!copy.version || !*copy.version)
		copy.version = (char *)OCI_VERSION_MIN;
	return text_of(&grpc_Spec_msg, &copy);
}

char *spec_process_text(const grpc_Process *process)
{
	return text_of(&grpc_Process_msg, process);
}

char *spec_resources_text(const grpc_LinuxResources *resources)
{
	return text_of(&grpc_LinuxResources_msg, resources);
}
