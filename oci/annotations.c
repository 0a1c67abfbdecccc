/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/annotations.h"

#include <assert.h>
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "oci/config.h"

#define RECEIVER "run.oci.seccomp.receiver"
#define RAW_FILTER "run.oci.seccomp_bpf_data"
#define STRICT_FILTER "run.oci.seccomp_fail_unknown_syscall"

/*
 * All that are asked for, and so the list of `features` of what an image should not choose: names,
 * or beginnings of names that end in a dot (features.md, "Unsafe annotations in config.json"). That
 * of CRIU's configuration is never read, but engines that save containers are to keep it away from
 * the runtimes that do.
 */
static const char *const meaningful[] = {
	"io.container.manager",
	"io.katacontainers.config.hypervisor.",
	"io.kubernetes.cri-o.ContainerType",
	"io.kubernetes.cri-o.PodLinuxResources",
	"io.kubernetes.cri-o.SandboxID",
	"io.kubernetes.cri.container-type",
	"io.kubernetes.cri.sandbox-cpu-period",
	"io.kubernetes.cri.sandbox-cpu-quota",
	"io.kubernetes.cri.sandbox-id",
	"io.kubernetes.cri.sandbox-memory",
	"io.moat.",
	"org.criu.",
	"org.systemd.property.",
	"pod-linux-resources.crio.io",
	"run.oci.",
	NULL,
};

static bool is_named_by(const char *pattern, const char *name)
{
	return str_ends_with(pattern, ".") ? str_after(name, pattern) != NULL
					   : streq(name, pattern);
}

static bool is_meaningful(const char *name)
{
	for (size_t i = 0; meaningful[i]; i++)
		if (is_named_by(meaningful[i], name))
			return true;
	return false;
}

const char *const *oci_annotations_meaningful(void)
{
	return meaningful;
}

bool oci_annotation_is_ignored(const struct oci_config *config, const char *name)
{
	strv_each(pattern, config->ignored_annotations)
		if (is_named_by(pattern, name))
			return true;
	return false;
}

const char *oci_annotation(const struct oci_config *config, const char *name)
{
	assert(is_meaningful(name));
	return oci_annotation_is_ignored(config, name) ? NULL
						       : string_map_get(&config->annotations, name);
}

bool oci_annotation_is_true(const struct oci_config *config, const char *name)
{
	const char *value = oci_annotation(config, name);

	return value && !streq(value, "0");
}

int oci_annotation_cgroup(const struct oci_config *config, const char *name, char **ret,
			  struct error *err)
{
	const char *value = oci_annotation(config, name);
	cleanup_strv char **parts = strv_split(value ? value : "", '/');
	cleanup_free char *path = path_clean(value ? value : "");

	if (strv_has(parts, ".."))
		return error_set(err, -EINVAL, "annotation %s: '%s' leads out of the cgroup", name,
				 value);
	*ret = streq(path, "/") ? NULL : xstrdup(path + 1);
	return 0;
}

static int apply_receiver(const struct oci_config *config, struct oci_seccomp *seccomp,
			  struct error *err)
{
	const char *path = oci_annotation(config, RECEIVER);

	if (!path)
		return 0;
	if (*path != '/')
		return error_set(err, -EINVAL,
				 "annotation " RECEIVER ": not an absolute path: '%s'", path);
	free(seccomp->listener_path);
	seccomp->listener_path = xstrdup(path);
	return 0;
}

int oci_annotations_apply(struct oci_config *config, char *const *ignored, struct error *err)
{
	struct oci_seccomp **seccomp = &config->linux_.seccomp;
	const char *raw;

	strv_free(config->ignored_annotations);
	config->ignored_annotations = strv_copy(ignored);
	raw = oci_annotation(config, RAW_FILTER);
	if (raw && !*seccomp) {
		*seccomp = xcalloc(1, sizeof(**seccomp));
		(*seccomp)->default_action = OCI_SECCOMP_ALLOW;
	}
	if (!*seccomp)
		return 0;
	(*seccomp)->raw_filter = raw;
	(*seccomp)->is_strict = oci_annotation_is_true(config, STRICT_FILTER);
	return apply_receiver(config, *seccomp, err);
}
