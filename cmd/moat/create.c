/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "cmd/moat/create-options.h"

/* clang-format off */
#define AT(member) offsetof(struct create_values, member)
static const struct option_spec specs[] = {
	CREATE_OPTION_SPECS(AT),
	{ "detach", 'd', OPTION_FLAG, AT(is_detached), NULL, NULL, "accepted for compatibility" },
	{ "no-subreaper", 0, OPTION_FLAG, AT(no_subreaper), NULL, NULL, "accepted for compatibility" },
};
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	struct container_create_request request;
	int r = create_request(globals, values, args[0], &request, err);

	return r < 0 ? r : container_create(&request, NULL, err);
}

const struct command create_command = {
	.name = "create",
	.summary = "make a container up to the point where its program would start",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct create_values),
	.run = run,
};
