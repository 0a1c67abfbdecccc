/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* What a host is found out to be stays true until it boots again. */

char *hv_boot_id(void)
{
	char *text;

	if (read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &text, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

int hv_cache_open(const char *cache_dir)
{
	return cache_dir ? open(cache_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}
