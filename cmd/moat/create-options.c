/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/create-options.h"

#include <errno.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"

int create_request(const struct globals *globals, const struct create_values *values,
		   const char *id, struct container_create_request *ret, struct error *err)
{
	if (globals->wants_systemd || globals->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		return error_set(err, -EOPNOTSUPP,
				 "systemd cgroups are not supported yet: use --cgroup-manager cgroupfs");
	*ret = (struct container_create_request){
		.argv = globals->argv,
		.root = globals->root,
		.id = id,
		.bundle = values->bundle,
		.config_path = values->config,
		.pid_file = values->pid_file,
		.console_socket = values->console_socket,
		.console_fd = -1,
		.pidfd_socket = values->pidfd_socket,
		.preserved_fds = values->preserved_fds,
		.no_pivot = values->no_pivot,
		.no_new_keyring = values->no_new_keyring,
		.no_subreaper = values->no_subreaper,
		.no_cgroup = globals->cgroup_manager == CGROUP_MANAGER_DISABLED,
		.isolation = globals->isolation,
	};
	return 0;
}
