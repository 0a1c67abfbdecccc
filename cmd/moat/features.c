/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "cmd/moat/version.h"
#include "lib/engine/mount-plan.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"
#include "oci/annotations.h"
#include "oci/config.h"
#include "oci/feature-list.h"

/* What native isolation does. Behind a VM some of it is refused, with the reason: see the table in
 * docs/architecture.md. */

static const struct option_table options = { NULL, 0 };

/* "SCMP_ARCH_X86_64" is the library's "x86_64". */
static bool is_known_arch(const char *word)
{
	cleanup_free char *name = xstrdup(str_after(word, "SCMP_ARCH_"));

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return seccomp_arch(name);
}

static void fill_seccomp(struct oci_features_seccomp *seccomp)
{
	seccomp->enabled = true;
	for (size_t i = 0; i < oci_seccomp_arch_names.count; i++)
		if (is_known_arch(oci_seccomp_arch_names.names[i]))
			strv_push(&seccomp->archs, xstrdup(oci_seccomp_arch_names.names[i]));
	strv_each(name, seccomp->known_flags) {
		int flag = seccomp_flag(name);

		if (flag >= 0 && seccomp_has_flag((unsigned int)flag))
			strv_push(&seccomp->supported_flags, xstrdup(name));
	}
}

static void fill_linux(struct oci_features_linux *l)
{
	l->capabilities = capability_names();
	l->cgroup = (struct oci_features_cgroup){
		.v1 = true, .v2 = true, .systemd = true, .systemd_user = true, .rdma = true
	};
	fill_seccomp(&l->seccomp);
	l->apparmor.enabled = true;
	l->selinux.enabled = true;
	l->intel_rdt = (struct oci_features_intel_rdt){ .enabled = true,
							.schemata = true,
							.monitoring = true };
	l->mount_extensions.idmap.enabled = true;
	l->net_devices.enabled = true;
}

static void fill_annotations(struct oci_features *features)
{
	struct string_map *map = &features->annotations;

	string_map_set(map, "io.moat.version", MOAT_VERSION);
	string_map_set(map, "io.moat.commit", MOAT_COMMIT);
	string_map_set(map, "io.github.seccomp.libseccomp.version", seccomp_library_version());
	/* Under this name callers of every runtime look for it. */
	string_map_set(map, "org.opencontainers.runc.checkpoint.enabled", "true");
	features->unsafe_annotations = strv_copy((char *const *)oci_annotations_meaningful());
}

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	cleanup_oci_features struct oci_features features;
	cleanup_free char *text = NULL;

	oci_features_init(&features);
	features.mount_options = strv_copy((char *const *)mount_option_words());
	fill_linux(&features.linux_);
	fill_annotations(&features);
	text = oci_features_text(&features);
	puts(text);
	return 0;
}

const struct command features_command = {
	.name = "features",
	.summary = "show what a config.json may ask for, as JSON",
	.arguments = "",
	.options = &options,
	.context = "features",
	.run = run,
};
