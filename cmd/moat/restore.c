/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "cmd/moat/create-options.h"
#include "cmd/moat/criu-options.h"
#include "lib/base/progress.h"

struct values {
	struct create_values create;
	struct criu_options criu;
	bool is_kept;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
#define AT_CREATE(member) AT(create.member)
#define AT_CRIU(member) AT(criu.member)
static const struct option_spec specs[] = {
	CONTAINER_OPTION_SPECS(AT_CREATE),
	{ "no-subreaper", 0, OPTION_FLAG, AT_CREATE(no_subreaper), NULL, NULL, "do not become the reaper of the container's orphans" },
	{ "detach", 'd', OPTION_FLAG, AT_CREATE(is_detached), NULL, NULL, "return once the container runs" },
	{ "keep", 0, OPTION_FLAG, AT(is_kept), NULL, NULL, "do not delete the container when it has ended" },
	CRIU_OPTION_SPECS(AT_CRIU),
	{ "tcp-close", 0, OPTION_FLAG, AT_CRIU(tcp_close), NULL, NULL, "with TCP connections closed" },
	{ "lsm-profile", 0, OPTION_TEXT, AT_CRIU(lsm_profile), NULL, "TYPE:NAME", "another AppArmor profile or SELinux label" },
	{ "lsm-mount-context", 0, OPTION_TEXT, AT_CRIU(lsm_mount_context), NULL, "CONTEXT", "another SELinux context of mounts" },
};
#undef AT_CRIU
#undef AT_CREATE
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	struct values *values = data;
	struct container_create_request request;
	int status = 0;
	int r = create_request(globals, &values->create, args[0], &request, err);

	if (r < 0)
		return r;
	criu_options_complete(&values->criu, globals);
	request.restore = &values->criu;
	progress_show("moat", PROGRESS_ON_TERMINALS);
	r = container_run(&request, values->create.is_detached, values->is_kept, &status, err);
	return r < 0 ? r : status;
}

const struct command restore_command = {
	.name = "restore",
	.summary = "make a container that goes on where a saved one was",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
