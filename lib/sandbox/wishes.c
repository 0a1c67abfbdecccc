/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/wishes.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/settings/settings.h"
#include "oci/annotations.h"
#include "oci/config.h"

#define KATA "io.katacontainers.config.hypervisor."

/* Written as moat.json has it and parsed as that: one place says what is right. */

static struct json_writer *begin(void)
{
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	json_key(w, "vm");
	json_open_map(w);
	return w;
}

static int finish(struct json_writer *w, const char *name, struct settings *settings,
		  struct error *err)
{
	cleanup_free char *text = NULL;

	json_close_map(w);
	json_close_map(w);
	text = json_finish(w);
	return settings_parse(name, text, strlen(text), settings, err);
}

/* clang-format off */
static const struct {
	const char *name;  /* "io.moat.vm." and the key in moat.json */
	const char *alias; /* Kata's, where it means the same */
	const char *key;
	bool is_number;
} annotations[] = {
	{ "io.moat.vm.memory_mib", KATA "default_memory", "memory_mib", true },
	{ "io.moat.vm.vcpus", KATA "default_vcpus", "vcpus", true },
	{ "io.moat.vm.memory_max_mib", KATA "default_maxmemory", "memory_max_mib", true },
	{ "io.moat.vm.vcpus_max", KATA "default_maxvcpus", "vcpus_max", true },
	{ "io.moat.vm.image", NULL, "image", false },
	{ "io.moat.vm.kernel", KATA "kernel", "kernel", false },
	{ "io.moat.vm.initrd", NULL, "initrd", false },
	{ "io.moat.vm.hypervisor", KATA "path", "hypervisor", false },
	{ "io.moat.vm.guest_arch", NULL, "guest_arch", false },
	{ "io.moat.vm.accelerator", NULL, "accelerator", false },
	{ "io.moat.vm.share", KATA "shared_fs", "share", false },
	{ "io.moat.vm.disk_mib", NULL, "disk_mib", true },
};

/* Kata's words that are other ones here. */
static const struct {
	const char *theirs, *ours;
} words[] = {
	{ "virtio-fs", "virtiofs" },
};
/* clang-format on */

static const char *translate(const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(value, words[i].theirs))
			return words[i].ours;
	return value;
}

static int apply_one(const char *name, const char *key, bool is_number, const char *value,
		     struct settings *settings, struct error *err)
{
	cleanup_free char *place = xasprintf("annotation %s", name);
	struct json_writer *w;
	uint32_t number;

	if (is_number && parse_u32(value, &number) < 0)
		return error_set(err, -EINVAL, "%s: not a number: '%s'", place, value);
	w = begin();
	json_key(w, key);
	if (is_number)
		json_u64(w, number);
	else
		json_string(w, translate(value));
	return finish(w, place, settings, err);
}

static int apply_annotation(const struct oci_config *config, const char *name, size_t i,
			    struct settings *settings, struct error *err)
{
	const char *value = name ? oci_annotation(config, name) : NULL;

	if (!value)
		return 0;
	if (!strv_has(settings->allow_annotations, name)) {
		log_warning("annotation %s: left out, moat.json does not allow it", name);
		return 0;
	}
	return apply_one(name, annotations[i].key, annotations[i].is_number, value, settings, err);
}

int wishes_apply(const struct oci_config *config, struct settings *settings, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(annotations); i++) {
		r = apply_annotation(config, annotations[i].alias, i, settings, err);
		if (r == 0)
			r = apply_annotation(config, annotations[i].name, i, settings, err);
	}
	return r;
}
