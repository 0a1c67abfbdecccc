/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/moat/command.h"
#include "cmd/moat/criu-options.h"
#include "lib/base/error.h"
#include "lib/base/progress.h"
#include "lib/container/container.h"

struct values {
	struct criu_options criu;
	bool is_pre_dump;
	uint32_t status_fd;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
#define AT_CRIU(member) AT(criu.member)
static const struct option_spec specs[] = {
	CRIU_OPTION_SPECS(AT_CRIU),
	{ "parent-path", 0, OPTION_TEXT, AT_CRIU(parent_path), NULL, "DIR", "files of an earlier pre-dump, seen from --image-path" },
	{ "pre-dump", 0, OPTION_FLAG, AT(is_pre_dump), NULL, NULL, "save memory alone, for a later checkpoint to be shorter" },
	{ "leave-running", 'R', OPTION_FLAG, AT_CRIU(leave_running), NULL, NULL, "let the container run on" },
	{ "tcp-skip-in-flight", 0, OPTION_FLAG, AT_CRIU(tcp_skip_in_flight), NULL, NULL, "without TCP connections that are being made" },
	{ "link-remap", 0, OPTION_FLAG, AT_CRIU(link_remap), NULL, NULL, "with files that have no name any more" },
	{ "page-server", 0, OPTION_TEXT, AT_CRIU(page_server), NULL, "ADDRESS:PORT", "send memory there" },
	{ "status-fd", 0, OPTION_U32, AT(status_fd), NULL, "FD", "write a byte there once the page server listens" },
};
#undef AT_CRIU
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	struct values *values = data;
	const struct container_checkpoint_request request = {
		.root = globals->root,
		.id = args[0],
		.options = &values->criu,
		.is_pre_dump = values->is_pre_dump,
	};

	if (values->is_pre_dump && values->criu.lazy_pages)
		return error_set(err, -EINVAL, "--pre-dump and --lazy-pages exclude each other");
	values->criu.status_fd = (int)values->status_fd;
	criu_options_complete(&values->criu, globals);
	progress_show("moat", PROGRESS_ON_TERMINALS);
	return container_checkpoint(&request, err);
}

const struct command checkpoint_command = {
	.name = "checkpoint",
	.summary = "save a running container into files, and end it",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
