/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/program.h"
#include "oci/config.h"

/* As many bytes as the kernel looks at for "#!", and as often as it follows one to the next. */
#define HEAD_BYTES 256
#define INTERPRETERS_MAX 4

/* What it is, is known before it is opened: a device or a pipe may act on that. */
static size_t read_head(int rootfd, const char *path, char head[static HEAD_BYTES])
{
	cleanup_fd int handle = beneath_open(rootfd, path, O_PATH, 0);
	cleanup_fd int fd = -1;
	cleanup_free char *name = NULL;
	struct stat st;
	ssize_t n;

	head[0] = '\0';
	if (handle < 0 || fstat(handle, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	name = xasprintf("/proc/self/fd/%d", handle);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : pread(fd, head, HEAD_BYTES - 1, 0);
	head[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* "#! /bin/sh -e" to "/bin/sh"; NULL: no such line. */
static char *interpreter(const char *head)
{
	const char *begin;

	if (head[0] != '#' || head[1] != '!')
		return NULL;
	begin = head + 2 + strspn(head + 2, " \t");
	return *begin == '/' ? xstrndup(begin, strcspn(begin, " \t\n")) : NULL;
}

/* @ret_found: whether there is such a file, whatever it is. */
static enum hv_arch arch_of(int rootfd, const char *path, bool *ret_found)
{
	cleanup_free char *name = xstrdup(path);

	for (int i = 0; i <= INTERPRETERS_MAX && name; i++) {
		char head[HEAD_BYTES];
		size_t len = read_head(rootfd, name, head);
		enum hv_arch arch = hv_elf_arch(head, len);

		if (i == 0)
			*ret_found = len > 0;
		if (arch != HV_ARCH_COUNT)
			return arch;
		free(name);
		name = interpreter(head);
	}
	return HV_ARCH_COUNT;
}

static enum hv_arch search(int rootfd, const struct oci_process *process)
{
	const char *path_list = environment_get(process->env, "PATH");
	const char *name = process->args[0];
	enum hv_arch arch = HV_ARCH_COUNT;
	cleanup_strv char **dirs = NULL;
	bool is_found = false;

	if (strchr(name, '/')) {
		cleanup_free char *path =
			xasprintf("%s/%s", *name == '/' ? "" : process->cwd, name);

		return arch_of(rootfd, path, &is_found);
	}
	dirs = strv_split(path_list ? path_list : PROGRAM_USUAL_PATH, ':');
	for (size_t i = 0; dirs && dirs[i] && !is_found; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dirs[i], name);

		arch = arch_of(rootfd, path, &is_found);
	}
	return arch;
}

enum hv_arch entry_arch(const struct oci_config *config, const char *bundle)
{
	const char *root = config->root.path;
	const struct oci_process *process = config->process;
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;

	if (!root || !process || !process->args || !process->args[0])
		return HV_ARCH_COUNT;
	path = *root == '/' ? xstrdup(root) : xasprintf("%s/%s", bundle, root);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? HV_ARCH_COUNT : search(fd, process);
}
