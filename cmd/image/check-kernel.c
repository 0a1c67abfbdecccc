/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/image/image.h"
#include "agent/image/kconfig.h"
#include "cmd/image/command.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/json.h"

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const format_words[] = { "text", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
#define AT(member) offsetof(struct image_options, member)
static const struct option_spec specs[] = {
	{ "kernel", 0, OPTION_PATH, AT(kernel), NULL, "FILE", "kernel (default: the newest in /boot)" },
	{ "kernel-version", 0, OPTION_TEXT, AT(release), NULL, "VERSION", "its 'uname -r', or which one in /boot" },
	{ "kernel-config", 0, OPTION_PATH, AT(config), NULL, "FILE", "its configuration, when neither in nor beside it" },
	{ "format", 0, OPTION_WORD, AT(format), &formats, "text|json", "how to write it (default: text)" },
};
#undef AT
/* clang-format on */
static const struct option_table table = OPTION_TABLE(specs);

#define FEATURES_COUNT 7

struct feature {
	const char *name;
	bool has;
};

static void list_features(const struct guest_image *image, struct feature ret[FEATURES_COUNT])
{
	const struct feature features[FEATURES_COUNT] = {
		{ "9p", image->has_9p },       { "virtiofs", image->has_virtiofs },
		{ "vsock", image->has_vsock }, { "virtio-mmio", image->has_mmio },
		{ "pci", image->has_pci },     { "acpi", image->has_acpi },
		{ "pvh", image->is_elf },
	};

	memcpy(ret, features, sizeof(features));
}

static void print_text(const struct guest_image *image, const struct kernel_lacks *lacks)
{
	struct feature features[FEATURES_COUNT];

	list_features(image, features);
	printf("%s (%s):", image->kernel, image->release);
	for (size_t i = 0; i < FEATURES_COUNT; i++)
		printf(" %c%s", features[i].has ? '+' : '-', features[i].name);
	printf("\n");
	for (size_t i = 0; i < lacks->count; i++) {
		const struct kernel_lack *lack = &lacks->list[i];

		printf("%s: %s: %s\n    %s\n", lack->is_required ? "missing" : "advised",
		       lack->what, lack->otherwise, lack->cure);
	}
	if (!lacks->required_count)
		printf("a guest can run it\n");
}

static void put_lacks(struct json_writer *w, const char *key, const struct kernel_lacks *lacks,
		      bool is_required)
{
	json_key(w, key);
	json_open_array(w);
	for (size_t i = 0; i < lacks->count; i++) {
		const struct kernel_lack *lack = &lacks->list[i];

		if (lack->is_required != is_required)
			continue;
		json_open_map(w);
		json_key_string(w, "what", lack->what);
		json_key_string(w, "otherwise", lack->otherwise);
		json_key_string(w, "cure", lack->cure);
		json_close_map(w);
	}
	json_close_array(w);
}

static void print_json(const struct guest_image *image, const struct kernel_lacks *lacks)
{
	struct json_writer *w = json_writer_new(true);
	struct feature features[FEATURES_COUNT];
	cleanup_free char *text = NULL;

	list_features(image, features);
	json_open_map(w);
	json_key_string(w, "kernel", image->kernel);
	json_key_string(w, "release", image->release);
	json_key(w, "usable");
	json_bool(w, !lacks->required_count);
	json_key(w, "features");
	json_open_map(w);
	for (size_t i = 0; i < FEATURES_COUNT; i++) {
		json_key(w, features[i].name);
		json_bool(w, features[i].has);
	}
	json_close_map(w);
	put_lacks(w, "missing", lacks, true);
	put_lacks(w, "advised", lacks, false);
	json_close_map(w);
	text = json_finish(w);
	fputs(text, stdout);
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
	cleanup_kernel_lacks struct kernel_lacks lacks = { NULL };
	struct guest_image image;
	int r = image_check_kernel(&request, &lacks, &image, err);

	if (r < 0)
		return r;
	if (o->format == FORMAT_JSON)
		print_json(&image, &lacks);
	else
		print_text(&image, &lacks);
	guest_image_done(&image);
	return lacks.required_count ? 1 : 0;
}

const struct command check_kernel_command = {
	.name = "check-kernel",
	.summary = "tell what a kernel lacks for a guest, and how to cure it",
	.options = &table,
	.run = run,
};
