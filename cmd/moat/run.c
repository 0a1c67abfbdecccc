/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "cmd/moat/create-options.h"
#include "cmd/moat/timing.h"

struct values {
	struct create_values create;
	struct timing_values timing;
	bool is_kept;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
#define AT_CREATE(member) AT(create.member)
#define AT_TIMING(member) AT(timing.member)
static const struct option_spec specs[] = {
	CREATE_OPTION_SPECS(AT_CREATE),
	{ "no-subreaper", 0, OPTION_FLAG, AT_CREATE(no_subreaper), NULL, NULL, "do not become the reaper of the container's orphans" },
	{ "detach", 'd', OPTION_FLAG, AT_CREATE(is_detached), NULL, NULL, "return once the container runs" },
	{ "keep", 0, OPTION_FLAG, AT(is_kept), NULL, NULL, "do not delete the container when it has ended" },
	TIMING_OPTION_SPECS(AT_TIMING),
};
#undef AT_TIMING
#undef AT_CREATE
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	struct container_create_request request;
	int status = 0;
	int r = timing_begin(&values->timing, err);

	if (r == 0)
		r = create_request(globals, &values->create, args[0], &request, err);
	if (r == 0)
		r = container_run(&request, values->create.is_detached, values->is_kept, &status,
				  err);
	r = timing_end(&values->timing, globals, "run", args[0], r, err);
	return r < 0 ? r : status;
}

const struct command run_command = {
	.name = "run",
	.summary = "make a container, run it, and delete it when it has ended",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
