/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/linux/cgroupfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The kernel writes it, but mount points and sources in it are named by others. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;

	if (cgroupfs_parse_mounts(text, &mounts, &count) < 0)
		return 0;
	if (!count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (mounts[i].mount_point[0] != '/' || !mounts[i].options)
			abort();
	cgroupfs_free_mounts(mounts, count);
	return 0;
}
