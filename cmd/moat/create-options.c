/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/create-options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/log.h"

/* More descriptors than a process may have by default are somebody's mistake. */
#define ACTIVATION_FDS_MAX 1024

/* Sockets that systemd passed to us are meant for the container (sd_listen_fds(3)). */
static uint32_t activation_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint32_t owner, n;

	if (!pid || !count || parse_u32(pid, &owner) < 0 || owner != (uint32_t)getpid() ||
	    parse_u32(count, &n) < 0 || n > ACTIVATION_FDS_MAX)
		return 0;
	return n;
}

static bool is_lenient(const struct globals *globals)
{
	if (globals->rootless == ROOTLESS_AUTO)
		return state_is_rootless();
	return globals->rootless == ROOTLESS_TRUE;
}

int create_request(const struct globals *globals, const struct create_values *values,
		   const char *id, struct container_create_request *ret, struct error *err)
{
	uint32_t listen_fds = activation_fds();

	if (globals->settings_error.code) {
		*err = globals->settings_error;
		return err->code;
	}
	strv_each(warning, globals->settings.warnings)
		log_warning("%s", warning);
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
		.preserved_fds = listen_fds + values->preserved_fds,
		.listen_fds = listen_fds,
		.listen_names = getenv("LISTEN_FDNAMES"),
		.no_pivot = values->no_pivot,
		.no_new_keyring = values->no_new_keyring,
		.no_subreaper = values->no_subreaper,
		.no_cgroup = globals->cgroup_manager == CGROUP_MANAGER_DISABLED,
		.uses_systemd =
			globals->wants_systemd || globals->cgroup_manager == CGROUP_MANAGER_SYSTEMD,
		.is_lenient = is_lenient(globals),
		.isolation = globals->isolation,
		.configured_isolation = globals->settings.isolation,
		.allowed_annotations = globals->settings.allow_annotations,
		.ignored_annotations = globals->settings.ignore_annotations,
	};
	return 0;
}
