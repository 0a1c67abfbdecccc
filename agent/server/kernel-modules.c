/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/server/guest-modules.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* CreateSandbox's kernel modules: what is loaded already, or built in, is only given its
 * parameters, the rest comes from the image. */

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

static int load_from_image(const grpc_KernelModule *module, struct error *err)
{
	cleanup_strv char **words = NULL;
	cleanup_free char *parameters = NULL;
	cleanup_guest_modules struct guest_modules *modules = NULL;

	for (size_t i = 0; i < module->parameters_count; i++)
		strv_push(&words, xstrdup(module->parameters[i]));
	parameters = strv_join(words, " ");
	if (guest_modules_open(GUEST_MODULES_DIR, &modules) < 0)
		return error_set(err, -ENOENT, "no module for '%s'", module->name);
	return guest_modules_load(modules, module->name, parameters, err);
}

static int load(const struct agent_server_options *options, const grpc_KernelModule *module,
		struct error *err)
{
	cleanup_free char *name = NULL, *dir = NULL;
	int r;

	if (!module->name || !*module->name || strchr(module->name, '/') || module->name[0] == '.')
		return error_set(err, -EINVAL, "kernel module '%.100s': not a name",
				 module->name ? module->name : "");
	name = guest_module_name(module->name);
	dir = xasprintf("%s/module/%s", server_sys_dir(options), name);
	if (access(dir, F_OK) == 0)
		return set_parameters(module, dir, err);
	r = options->is_guest ? load_from_image(module, err) : -ENOENT;
	if (r == -ENOENT)
		return error_set(err, r,
				 "kernel module '%s': not in the image (moat-image build --module)",
				 module->name);
	return r < 0 ? error_wrap(err, r, "kernel module '%s'", module->name) : 0;
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
