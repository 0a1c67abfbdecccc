/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "cmd/moat/create-options.h"
#include "cmd/moat/timing.h"

struct values {
	struct create_values create;
	struct timing_values timing;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
#define AT_CREATE(member) AT(create.member)
#define AT_TIMING(member) AT(timing.member)
static const struct option_spec specs[] = {
	CREATE_OPTION_SPECS(AT_CREATE),
	{ "detach", 'd', OPTION_FLAG, AT_CREATE(is_detached), NULL, NULL, "accepted for compatibility" },
	{ "no-subreaper", 0, OPTION_FLAG, AT_CREATE(no_subreaper), NULL, NULL, "accepted for compatibility" },
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
	int r = timing_begin(&values->timing, err);

	if (r == 0)
		r = create_request(globals, &values->create, args[0], &request, err);
	if (r == 0)
		r = container_create(&request, NULL, err);
	return timing_end(&values->timing, globals, "create", args[0], r, err);
}

const struct command create_command = {
	.name = "create",
	.summary = "make a container up to the point where its program would start",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
