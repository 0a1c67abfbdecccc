/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/program.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

/* access(2) asks for the real ids, which are the effective ones too by now. */
static int check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int refuse(const char *name, int code, struct error *err)
{
	switch (code) {
	case -ENOENT:
		return error_set(err, code, "exec: \"%s\": stat %s: no such file or directory",
				 name, name);
	case -ENOTDIR:
		return error_set(err, code, "exec: \"%s\": stat %s: not a directory", name, name);
	case -EACCES:
		return error_set(err, code, "exec: \"%s\": permission denied", name);
	default:
		return error_sys(err, code, "exec: \"%s\"", name);
	}
}

int program_find(const char *name, const char *path_list, char **ret, struct error *err)
{
	cleanup_strv char **dirs = NULL;
	bool is_denied = false;

	if (strchr(name, '/')) {
		int r = check(name);

		if (r < 0)
			return refuse(name, r, err);
		*ret = xstrdup(name);
		return 0;
	}
	dirs = strv_split(path_list ? path_list : PROGRAM_USUAL_PATH, ':');
	strv_each(dir, dirs) {
		cleanup_free char *path = xasprintf("%s/%s", dir, name);
		int r;

		/* A relative directory would make it depend on where the process starts. */
		if (*dir != '/' || !*name)
			continue;
		r = check(path);
		if (r == 0) {
			*ret = steal_ptr(&path);
			return 0;
		}
		is_denied |= r == -EACCES;
	}
	if (is_denied)
		return refuse(name, -EACCES, err);
	return error_set(err, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}
