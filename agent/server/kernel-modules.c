/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"
#include "lib/linux/signals.h"

/*
 * What the image has was loaded at boot, and is only given its parameters here; more than that
 * takes an image with a modprobe in it.
 */
#define MODPROBE "/sbin/modprobe"

/* The kernel's name of it: '-' and '_' are the same to modprobe. */
static char *module_dir(const struct agent_server_options *options, const char *name)
{
	char *path = xasprintf("%s/module/", server_sys_dir(options));
	char *dir = xasprintf("%s%s", path, name);

	for (char *p = dir + strlen(path); *p; p++)
		if (*p == '-')
			*p = '_';
	free(path);
	return dir;
}

static int set_parameters(const grpc_KernelModule *module, const char *dir, struct error *err)
{
	for (size_t i = 0; i < module->parameters_count; i++) {
		cleanup_free char *name = xstrdup(module->parameters[i]);
		char *value = strchr(name, '=');
		cleanup_free char *path = NULL;
		int r;

		if (value)
			*value++ = '\0';
		path = xasprintf("%s/parameters/%s", dir, name);
		r = strchr(name, '/') ? -EINVAL
				      : write_file_at(AT_FDCWD, path, value ? value : "Y");
		if (r < 0)
			return error_sys(err, r, "kernel module '%s': parameter '%s'", module->name,
					 name);
	}
	return 0;
}

static _Noreturn void exec_modprobe(const grpc_KernelModule *module)
{
	cleanup_strv char **argv = NULL;

	strv_push(&argv, xstrdup(MODPROBE));
	strv_push(&argv, xstrdup("--"));
	strv_push(&argv, xstrdup(module->name));
	for (size_t i = 0; i < module->parameters_count; i++)
		strv_push(&argv, xstrdup(module->parameters[i]));
	(void)execv(MODPROBE, argv);
	_exit(127);
}

static int run_modprobe(const grpc_KernelModule *module, struct error *err)
{
	struct clone_request clone = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&clone);
	int status = 0;

	if (pid == 0)
		exec_modprobe(module);
	if (pid < 0)
		return error_sys(err, (int)pid, "start '%s'", MODPROBE);
	if (waitpid(pid, &status, 0) != pid || status)
		return error_set(err, -EIO, "kernel module '%s': '%s' ended with status %d",
				 module->name, MODPROBE, exit_code_of(status));
	return 0;
}

static int load(const struct agent_server_options *options, const grpc_KernelModule *module,
		struct error *err)
{
	cleanup_free char *dir = NULL;

	if (!module->name || !*module->name || strchr(module->name, '/') || module->name[0] == '.')
		return error_set(err, -EINVAL, "kernel module '%.100s': not a name",
				 module->name ? module->name : "");
	dir = module_dir(options, module->name);
	if (access(dir, F_OK) == 0)
		return set_parameters(module, dir, err);
	if (options->is_guest && access(MODPROBE, X_OK) == 0)
		return run_modprobe(module, err);
	return error_set(err, -ENOENT,
			 "kernel module '%s': not in the image (moat-image build --module)",
			 module->name);
}

int kernel_modules_load(const struct agent_server_options *options,
			const grpc_KernelModule *modules, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = load(options, &modules[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
