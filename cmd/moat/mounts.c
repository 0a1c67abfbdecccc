/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/container/container.h"
#include "oci/config.h"

static const struct option_table options = { NULL, 0 };

enum deed { ADD, REMOVE };
static const char *const deed_words[] = { [ADD] = "add", [REMOVE] = "remove" };
static const struct names deed_names = NAMES(deed_words);

static int read_mounts(void *ctx, struct oci_config **ret, struct error *err)
{
	const char *path = ctx;
	bool is_stdin = streq(path, "-");
	const char *name = is_stdin ? "standard input" : path;
	cleanup_free char *text = NULL;
	size_t len;
	int r = is_stdin ? read_whole_fd(STDIN_FILENO, OCI_CONFIG_MAX_BYTES, &text, &len)
			 : read_file_at(AT_FDCWD, path, OCI_CONFIG_MAX_BYTES, &text, &len);

	if (r < 0)
		return error_sys(err, r, "read mounts '%s'", name);
	return oci_mounts_parse(name, text, len, ret, err);
}

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	int deed = names_find(&deed_names, args[0]);
	const struct container_mounts_request request = {
		.argv = globals->argv,
		.root = globals->root,
		.id = args[1],
		.is_removal = deed == REMOVE,
		.read = read_mounts,
		.ctx = args[2],
	};

	if (deed < 0)
		return error_set(err, -EINVAL, "neither 'add' nor 'remove': '%s'", args[0]);
	return container_change_mounts(&request, err);
}

const struct command mounts_command = {
	.name = "mounts",
	.summary = "mount more in a container, or less",
	.arguments = "add|remove ID FILE",
	.min_args = 3,
	.max_args = 3,
	.options = &options,
	.context = "mounts",
	.run = run,
};
