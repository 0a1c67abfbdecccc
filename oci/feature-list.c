/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/feature-list.h"

#include "lib/base/json.h"
#include "oci/config.h"
#include "oci/tables.h"

static const struct field cgroup_table[] = {
	FIELD_ALWAYS(struct oci_features_cgroup, "v1", BOOL, v1),
	FIELD_ALWAYS(struct oci_features_cgroup, "v2", BOOL, v2),
	FIELD_ALWAYS(struct oci_features_cgroup, "systemd", BOOL, systemd),
	FIELD_ALWAYS(struct oci_features_cgroup, "systemdUser", BOOL, systemd_user),
	FIELD_ALWAYS(struct oci_features_cgroup, "rdma", BOOL, rdma),
};
static const struct fields cgroup_fields = FIELDS(struct oci_features_cgroup, cgroup_table);

static const struct field seccomp_table[] = {
	FIELD_ALWAYS(struct oci_features_seccomp, "enabled", BOOL, enabled),
	FIELD(struct oci_features_seccomp, "actions", STRINGS, actions),
	FIELD(struct oci_features_seccomp, "operators", STRINGS, operators),
	FIELD(struct oci_features_seccomp, "archs", STRINGS, archs),
	FIELD(struct oci_features_seccomp, "knownFlags", STRINGS, known_flags),
	FIELD(struct oci_features_seccomp, "supportedFlags", STRINGS, supported_flags),
};
static const struct fields seccomp_fields = FIELDS(struct oci_features_seccomp, seccomp_table);

static const struct field switch_table[] = {
	FIELD_ALWAYS(struct oci_features_switch, "enabled", BOOL, enabled),
};
static const struct fields switch_fields = FIELDS(struct oci_features_switch, switch_table);

static const struct field memory_policy_table[] = {
	FIELD(struct oci_features_memory_policy, "modes", STRINGS, modes),
	FIELD(struct oci_features_memory_policy, "flags", STRINGS, flags),
};
static const struct fields memory_policy_fields =
	FIELDS(struct oci_features_memory_policy, memory_policy_table);

static const struct field intel_rdt_table[] = {
	FIELD_ALWAYS(struct oci_features_intel_rdt, "enabled", BOOL, enabled),
	FIELD_ALWAYS(struct oci_features_intel_rdt, "schemata", BOOL, schemata),
	FIELD_ALWAYS(struct oci_features_intel_rdt, "monitoring", BOOL, monitoring),
};
static const struct fields intel_rdt_fields =
	FIELDS(struct oci_features_intel_rdt, intel_rdt_table);

static const struct field mounts_table[] = {
	FIELD_OBJECT(struct oci_features_mounts, "idmap", OBJECT, idmap, &switch_fields),
};
static const struct fields mounts_fields = FIELDS(struct oci_features_mounts, mounts_table);

static const struct field linux_table[] = {
	FIELD(struct oci_features_linux, "namespaces", STRINGS, namespaces),
	FIELD(struct oci_features_linux, "capabilities", STRINGS, capabilities),
	FIELD_OBJECT(struct oci_features_linux, "cgroup", OBJECT, cgroup, &cgroup_fields),
	FIELD_OBJECT(struct oci_features_linux, "seccomp", OBJECT, seccomp, &seccomp_fields),
	FIELD_OBJECT(struct oci_features_linux, "apparmor", OBJECT, apparmor, &switch_fields),
	FIELD_OBJECT(struct oci_features_linux, "selinux", OBJECT, selinux, &switch_fields),
	FIELD_OBJECT(struct oci_features_linux, "memoryPolicy", OBJECT, memory_policy,
		     &memory_policy_fields),
	FIELD_OBJECT(struct oci_features_linux, "intelRdt", OBJECT, intel_rdt, &intel_rdt_fields),
	FIELD_OBJECT(struct oci_features_linux, "mountExtensions", OBJECT, mount_extensions,
		     &mounts_fields),
	FIELD_OBJECT(struct oci_features_linux, "netDevices", OBJECT, net_devices, &switch_fields),
};
static const struct fields linux_fields = FIELDS(struct oci_features_linux, linux_table);

static const struct field features_table[] = {
	FIELD(struct oci_features, "ociVersionMin", STRING, oci_version_min),
	FIELD(struct oci_features, "ociVersionMax", STRING, oci_version_max),
	FIELD(struct oci_features, "hooks", STRINGS, hooks),
	FIELD(struct oci_features, "mountOptions", STRINGS, mount_options),
	FIELD_OBJECT(struct oci_features, "linux", OBJECT, linux_, &linux_fields),
	FIELD(struct oci_features, "annotations", MAP, annotations),
	FIELD(struct oci_features, "potentiallyUnsafeConfigAnnotations", STRINGS,
	      unsafe_annotations),
};
static const struct fields features_fields = FIELDS(struct oci_features, features_table);

static char **words(const struct names *names)
{
	char **v = NULL;

	for (size_t i = 0; i < names->count; i++)
		strv_push(&v, xstrdup(names->names[i]));
	return v;
}

static char **keys(const struct fields *fields)
{
	char **v = NULL;

	for (size_t i = 0; i < fields->count; i++)
		strv_push(&v, xstrdup(fields->fields[i].name));
	return v;
}

void oci_features_init(struct oci_features *features)
{
	struct oci_features_linux *l = &features->linux_;

	fields_init(&features_fields, features);
	features->oci_version_min = xstrdup(OCI_VERSION_MIN);
	features->oci_version_max = xstrdup(OCI_VERSION);
	features->hooks = keys(&oci_hooks_fields);
	l->namespaces = words(&oci_namespace_names);
	l->seccomp.actions = words(&oci_seccomp_action_names);
	l->seccomp.operators = words(&oci_seccomp_op_names);
	l->seccomp.known_flags = words(&oci_seccomp_flag_names);
	l->memory_policy.modes = words(&oci_memory_policy_names);
	l->memory_policy.flags = words(&oci_memory_policy_flag_names);
}

void oci_features_done(struct oci_features *features)
{
	fields_release(&features_fields, features);
}

char *oci_features_text(const struct oci_features *features)
{
	struct json_writer *w = json_writer_new(true);

	fields_write(&features_fields, w, features);
	return json_finish(w);
}
