/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/lsm.h"

#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define SELINUX_FS_MAGIC 0xf97cff8c

bool lsm_has_apparmor(void)
{
	cleanup_free char *text = NULL;
	const char *path = "/sys/module/apparmor/parameters/enabled";

	return read_file_at(AT_FDCWD, path, 16, &text, NULL) == 0 && text[0] == 'Y';
}

bool lsm_has_selinux(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && (unsigned long)fs.f_type == SELINUX_FS_MAGIC;
}
