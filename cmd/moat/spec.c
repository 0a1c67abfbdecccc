/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/container/isolation.h"
#include "lib/state/record.h"
#include "oci/config.h"

struct values {
	char *bundle;
	const char *file;
	bool is_rootless;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
static const struct option_spec specs[] = {
	{ "bundle", 'b', OPTION_PATH, AT(bundle), NULL, "DIR", "where to write it (default: the working directory)" },
	{ "file", 'f', OPTION_TEXT, AT(file), NULL, "FILE", "its name, or a path from there (default: config.json)" },
	{ "rootless", 0, OPTION_FLAG, AT(is_rootless), NULL, NULL, "for a container of an unprivileged user" },
};
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static char *choose_path(const struct values *values)
{
	const char *file = values->file ? values->file : "config.json";

	if (!values->bundle || *file == '/')
		return xstrdup(file);
	return xasprintf("%s/%s", values->bundle, file);
}

/* As far as it can be told without a container. */
static int choose_template(const struct globals *globals, const struct values *values,
			   struct oci_template *ret, struct error *err)
{
	int isolation;
	int r = isolation_choose_early(globals->isolation, program_invocation_short_name,
				       &isolation, err);

	if (r == 0 && isolation < 0)
		isolation = globals->settings.isolation;
	*ret = (struct oci_template){
		.is_rootless = values->is_rootless,
		.is_machine = isolation != ISOLATION_NATIVE,
	};
	return r;
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_free char *path = choose_path(values);
	cleanup_free char *text = NULL;
	cleanup_fd int fd = -1;
	struct oci_template template;
	int r = choose_template(globals, values, &template, err);

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return error_set(err, -EEXIST, "File %s exists. Remove it first",
				 values->file ? values->file : "config.json");
	if (fd < 0)
		return error_sys(err, errno, "create '%s'", path);
	text = oci_spec_template(&template);
	r = write_all(fd, text, strlen(text));
	if (r < 0) {
		(void)unlink(path); /* half a file would be taken for a whole one */
		return error_sys(err, r, "write '%s'", path);
	}
	return 0;
}

const struct command spec_command = {
	.name = "spec",
	.summary = "write a config.json to start from",
	.arguments = "",
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "spec",
	.run = run,
};
