/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"

static const struct option_table options = { NULL, 0 };

const struct command checkpoint_command = {
	.name = "checkpoint",
	.options = &options,
	.refusal = "saving a running container is not supported",
};

const struct command restore_command = {
	.name = "restore",
	.options = &options,
	.refusal = "containers that were saved while they ran are not supported",
};
