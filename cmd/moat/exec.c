/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>

#include "cmd/moat/command.h"
#include "cmd/moat/exec-process.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/container/container.h"
#include "oci/config.h"

struct values {
	char *process;
	struct exec_changes changes;
	bool is_detached;
	bool is_ignoring_paused;
	char *pid_file;
	char *console_socket;
	char *pidfd_socket;
	uint32_t preserved_fds;
	char **cgroup;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
static const struct option_spec specs[] = {
	{ "process", 'p', OPTION_PATH, AT(process), NULL, "FILE", "start from this process document, not from the container's own" },
	{ "cwd", 0, OPTION_TEXT, AT(changes.cwd), NULL, "DIR", "working directory inside the container" },
	{ "env", 'e', OPTION_TEXTS, AT(changes.env), NULL, "NAME=VALUE", "set a variable (repeatable)" },
	{ "tty", 't', OPTION_FLAG, AT(changes.has_terminal), NULL, NULL, "give the process a terminal" },
	{ "user", 'u', OPTION_TEXT, AT(changes.user), NULL, "UID[:GID]", "run as this user, in numbers" },
	{ "additional-gids", 'g', OPTION_TEXTS, AT(changes.additional_gids), NULL, "GID", "add a group (repeatable)" },
	{ "cap", 'c', OPTION_TEXTS, AT(changes.capabilities), NULL, "CAP_NAME", "add a capability (repeatable)" },
	{ "no-new-privs", 0, OPTION_FLAG, AT(changes.no_new_privileges), NULL, NULL, "the process gains no privileges by execve(2)" },
	{ "apparmor", 0, OPTION_TEXT, AT(changes.apparmor_profile), NULL, "PROFILE", "AppArmor profile" },
	{ "process-label", 0, OPTION_TEXT, AT(changes.selinux_label), NULL, "LABEL", "SELinux label" },
	{ "detach", 'd', OPTION_FLAG, AT(is_detached), NULL, NULL, "return once the process runs" },
	{ "pid-file", 0, OPTION_PATH, AT(pid_file), NULL, "FILE", "write the process's pid there" },
	{ "console-socket", 0, OPTION_PATH, AT(console_socket), NULL, "SOCKET", "send the terminal's master there" },
	{ "pidfd-socket", 0, OPTION_PATH, AT(pidfd_socket), NULL, "SOCKET", "send a pidfd of the process there" },
	{ "preserve-fds", 0, OPTION_U32, AT(preserved_fds), NULL, "N", "keep descriptors 3 to 2+N open in the process" },
	{ "ignore-paused", 0, OPTION_FLAG, AT(is_ignoring_paused), NULL, NULL, "also in a paused container" },
	{ "cgroup", 0, OPTION_TEXTS, AT(cgroup), NULL, "[CTRL,...:]PATH", "join that cgroup below the container's" },
};
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int read_process(const char *path, struct oci_process **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(AT_FDCWD, path, OCI_CONFIG_MAX_BYTES, &text, &len);

	if (r < 0)
		return error_sys(err, r, "read process '%s'", path);
	return oci_process_parse(path, text, len, ret, err);
}

struct wish {
	const struct values *values;
	char *const *args;
};

static int make_process(void *ctx, const struct oci_process *own, struct oci_process **ret,
			struct error *err)
{
	const struct wish *wish = ctx;
	const char *path = wish->values->process;
	cleanup_oci_process struct oci_process *process = NULL;
	struct exec_changes changes = wish->values->changes;
	int r = 0;

	if (path) {
		r = read_process(path, &process, err);
	} else {
		process = oci_process_copy(own);
		process->terminal = false;
	}
	if (r < 0)
		return r;
	changes.args = wish->args;
	r = exec_process_change(process, &changes, err);
	if (r == 0)
		*ret = steal_ptr(&process);
	return r;
}

/* What is wrong whatever the container is like. */
static int check_values(const struct values *values, char *const *command, struct error *err)
{
	uid_t uid;
	gid_t gid = 0;

	if (!values->process && !command[0])
		return error_set(err, -EINVAL, "no command given: moat exec ID COMMAND");
	return values->changes.user ? exec_parse_user(values->changes.user, &uid, &gid, err) : 0;
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	struct wish wish = { values, args + 1 };
	struct container_exec_request request;
	int status = 0;
	int r = check_values(values, args + 1, err);

	if (r < 0)
		return r;
	request = (struct container_exec_request){
		.argv = globals->argv,
		.root = globals->root,
		.id = args[0],
		.make_process = make_process,
		.ctx = &wish,
		.pid_file = values->pid_file,
		.console_socket = values->console_socket,
		.pidfd_socket = values->pidfd_socket,
		.preserved_fds = values->preserved_fds,
		.cgroups = values->cgroup,
		.detach = values->is_detached,
		.ignore_paused = values->is_ignoring_paused,
	};
	r = container_exec(&request, &status, err);
	return r < 0 ? r : status;
}

const struct command exec_command = {
	.name = "exec",
	.summary = "run one more process in a container",
	.arguments = "ID [COMMAND [ARGUMENT]...]",
	.min_args = 1,
	.max_args = ANY_NUMBER_OF_ARGS,
	.stops_early = true,
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "exec failed",
	.failure_status = 255,
	.run = run,
};
