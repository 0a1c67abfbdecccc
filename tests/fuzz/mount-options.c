/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/engine/mount-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan(const struct oci_mount *mount, bool has_user_ns)
{
	struct oci_id_mapping map = { 0, 100000, 65536 };
	struct oci_namespace user = { .type = OCI_NS_USER };
	const struct oci_linux l = {
		.uid_mappings = &map,
		.uid_mappings_count = has_user_ns,
		.gid_mappings = &map,
		.gid_mappings_count = has_user_ns,
		.namespaces = &user,
		.namespaces_count = has_user_ns,
	};
	const struct mount_context context = {
		.linux_ = &l,
		.label = has_user_ns ? "a:b:c:d" : NULL,
		.label_option = "context",
	};
	struct mount_plan planned;
	struct error err = ERROR_INIT;

	if (mount_plan(&context, mount, 0, &planned, &err) == 0)
		mount_plan_done(&planned);
	else if (!*err.msg)
		abort();
}

/* One mount: its type, source, destination and options, a line each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_strv char **lines = strv_split(text, '\n');
	struct oci_mount mount = { 0 };

	log_setup(&silent);
	if (strv_len(lines) < 3 || !*lines[2])
		return 0;
	mount.type = *lines[0] ? lines[0] : NULL;
	mount.source = *lines[1] ? lines[1] : NULL;
	mount.destination = lines[2];
	mount.options = lines + 3;
	plan(&mount, false);
	plan(&mount, true);
	return 0;
}
