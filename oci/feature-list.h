/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/base/fields.h"

/*
 * The document of `features` (features.md, features-linux.md): what callers may put into a
 * config.json. It is about the program, not about the host that it runs on.
 */
struct oci_features_cgroup {
	bool v1;
	bool v2;
	bool systemd;
	bool systemd_user;
	bool rdma;
};
struct oci_features_seccomp {
	bool enabled;
	char **actions;
	char **operators;
	char **archs;
	char **known_flags;
	char **supported_flags; /* by the running kernel, too */
};
struct oci_features_switch {
	bool enabled;
};
struct oci_features_memory_policy {
	char **modes;
	char **flags;
};
struct oci_features_intel_rdt {
	bool enabled;
	bool schemata;
	bool monitoring;
};
struct oci_features_mounts {
	struct oci_features_switch idmap;
};
struct oci_features_linux {
	char **namespaces;
	char **capabilities;
	struct oci_features_cgroup cgroup;
	struct oci_features_seccomp seccomp;
	struct oci_features_switch apparmor;
	struct oci_features_switch selinux;
	struct oci_features_memory_policy memory_policy;
	struct oci_features_intel_rdt intel_rdt;
	struct oci_features_mounts mount_extensions;
	struct oci_features_switch net_devices;
};
struct oci_features {
	char *oci_version_min;
	char *oci_version_max;
	char **hooks;
	char **mount_options;
	struct oci_features_linux linux_;
	struct string_map annotations;
	char **unsafe_annotations; /* those of a config.json that change what is done */
};

/* With what the model knows: versions, and every word that the enums of oci/config.h have. */
void oci_features_init(struct oci_features *features);
void oci_features_done(struct oci_features *features);
#define cleanup_oci_features CLEANUP(oci_features_done)
/* free(3) it. */
char *oci_features_text(const struct oci_features *features);
