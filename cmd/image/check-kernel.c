/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/image/image.h"
#include "cmd/image/command.h"
#include "hypervisor/hypervisor.h"

/* clang-format off */
#define AT(member) offsetof(struct image_options, member)
static const struct option_spec specs[] = {
	{ "kernel", 0, OPTION_PATH, AT(kernel), NULL, "FILE", "kernel (default: the newest in /boot)" },
	{ "kernel-version", 0, OPTION_TEXT, AT(release), NULL, "VERSION", "its 'uname -r', or which one in /boot" },
	{ "kernel-config", 0, OPTION_PATH, AT(config), NULL, "FILE", "its configuration, when neither in nor beside it" },
};
#undef AT
/* clang-format on */
static const struct option_table table = OPTION_TABLE(specs);

static void print_features(const struct guest_image *image)
{
	const struct {
		const char *name;
		bool has;
	} features[] = {
		{ "9p", image->has_9p },       { "virtiofs", image->has_virtiofs },
		{ "vsock", image->has_vsock }, { "virtio-mmio", image->has_mmio },
		{ "pci", image->has_pci },     { "acpi", image->has_acpi },
		{ "pvh", image->is_elf },
	};

	printf("%s (%s):", image->kernel, image->release);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		printf(" %c%s", features[i].has ? '+' : '-', features[i].name);
	printf("\n");
}

/* Exit status 1 when something is missing that no guest works without. */
static int run(void *values, struct error *err)
{
	const struct image_options *o = values;
	const struct image_request request = {
		.kernel = o->kernel,
		.release = o->release,
		.config = o->config,
	};
	cleanup_strv char **missing = NULL;
	cleanup_strv char **advised = NULL;
	struct guest_image image;
	int r = image_check_kernel(&request, &missing, &advised, &image, err);

	if (r < 0)
		return r;
	print_features(&image);
	guest_image_done(&image);
	strv_each(line, missing)
		printf("missing: %s\n", line);
	strv_each(line, advised)
		printf("advised: %s\n", line);
	if (!missing)
		printf("a guest can run it\n");
	return missing ? 1 : 0;
}

const struct command check_kernel_command = {
	.name = "check-kernel",
	.summary = "tell what a kernel lacks for a guest, and how to cure it",
	.options = &table,
	.run = run,
};
