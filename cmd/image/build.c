/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/image.h"
#include "cmd/image/command.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/progress.h"

/* clang-format off */
#define AT(member) offsetof(struct image_options, member)
static const struct option_spec specs[] = {
	{ "kernel", 0, OPTION_PATH, AT(kernel), NULL, "FILE", "kernel (default: the newest in /boot)" },
	{ "kernel-version", 0, OPTION_TEXT, AT(release), NULL, "VERSION", "its 'uname -r', or which one in /boot" },
	{ "kernel-config", 0, OPTION_PATH, AT(config), NULL, "FILE", "its configuration, when neither in nor beside it" },
	{ "modules", 0, OPTION_PATH, AT(modules), NULL, "DIR", "its modules (default: near the kernel, or /lib/modules/VERSION)" },
	{ "module", 0, OPTION_TEXTS, AT(extra_modules), NULL, "NAME", "one more module to load in the guest; repeatable" },
	{ "agent", 0, OPTION_PATH, AT(agent), NULL, "FILE", "the guest's agent (default: the one that came with this program)" },
	{ "output", 0, OPTION_PATH, AT(output), NULL, "DIR", "where moat looks for it (default) or another directory" },
};
#undef AT
/* clang-format on */
static const struct option_table table = OPTION_TABLE(specs);

static char *find_agent(void)
{
	cleanup_free char *tree = guest_build_tree();

	return tree ? xasprintf("%s/cmd/agent/moat-agent", tree)
		    : xstrdup(MOAT_LIBEXECDIR "/moat-agent");
}

static int run(void *values, struct error *err)
{
	const struct image_options *o = values;
	cleanup_free char *agent = o->agent ? NULL : find_agent();
	cleanup_free char *output = o->output ? NULL : guest_image_default_dir();
	const struct image_request request = {
		.kernel = o->kernel,
		.release = o->release,
		.config = o->config,
		.modules = o->modules,
		.extra_modules = o->extra_modules,
		.agent = o->agent ? o->agent : agent,
		.output = o->output ? o->output : output,
	};

	progress_show("moat-image", PROGRESS_EVERYWHERE);
	return image_build(&request, err);
}

const struct command build_command = {
	.name = "build",
	.summary = "make the guest image from a kernel and the agent",
	.options = &table,
	.run = run,
};
