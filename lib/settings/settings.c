/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/settings/keys.h"
#include "lib/state/record.h"

#define NAME "moat.json"
#define MAX_BYTES (1u << 20)

static const char *const accelerator_words[] = { "auto", "kvm", "tcg" };
const struct names settings_accelerator_names = NAMES(accelerator_words);
static const char *const guest_arch_words[] = { "auto",	   "x86_64",  "aarch64",
						"riscv64", "ppc64le", "s390x" };
const struct names settings_guest_arch_names = NAMES(guest_arch_words);
static const char *const share_words[] = { "9p", "virtiofs", "none" };
const struct names settings_share_names = NAMES(share_words);
static const char *const hypervisor_words[] = { "auto", "qemu", "cloud-hypervisor", "firecracker",
						"builtin" };
const struct names settings_hypervisor_names = NAMES(hypervisor_words);
static const char *const template_words[] = {
	[TEMPLATE_AUTO] = "auto",
	[TEMPLATE_ON] = "on",
	[TEMPLATE_OFF] = "off",
};
static const char *const page_reporting_words[] = {
	[PAGE_REPORTING_AUTO] = "auto",
	[PAGE_REPORTING_ON] = "on",
	[PAGE_REPORTING_OFF] = "off",
};
_Static_assert(ARRAY_SIZE(page_reporting_words) == PAGE_REPORTING_COUNT, "a word for each");
const struct names settings_page_reporting_names = NAMES(page_reporting_words);
_Static_assert(ARRAY_SIZE(template_words) == TEMPLATE_COUNT, "a word for each use of templates");
const struct names settings_template_names = NAMES(template_words);

/* clang-format off */
static const struct field vm_table[] = {
	FIELD(struct settings_vm, "memory_mib", OPT_U32, memory_mib),
	FIELD(struct settings_vm, "vcpus", OPT_U32, vcpus),
	FIELD(struct settings_vm, "boot_timeout", OPT_U32, boot_timeout_s),
	FIELD(struct settings_vm, "memory_max_mib", OPT_U32, memory_max_mib),
	FIELD(struct settings_vm, "vcpus_max", OPT_U32, vcpus_max),
	FIELD_ENUM(struct settings_vm, "page_reporting", page_reporting,
		   &settings_page_reporting_names),
	FIELD(struct settings_vm, "image", STRING, image),
	FIELD(struct settings_vm, "kernel", STRING, kernel),
	FIELD(struct settings_vm, "initrd", STRING, initrd),
	FIELD(struct settings_vm, "kernel_parameters", STRINGS, kernel_parameters),
	FIELD(struct settings_vm, "hypervisor", STRING, hypervisor),
	FIELD(struct settings_vm, "hypervisor_parameters", STRINGS, hypervisor_parameters),
	FIELD(struct settings_vm, "jail", OPT_BOOL, jail),
	FIELD_ENUM(struct settings_vm, "guest_arch", guest_arch, &settings_guest_arch_names),
	FIELD_ENUM(struct settings_vm, "accelerator", accelerator, &settings_accelerator_names),
	FIELD_ENUM(struct settings_vm, "share", share, &settings_share_names),
	FIELD_ENUM(struct settings_vm, "template", template_use, &settings_template_names),
	FIELD(struct settings_vm, "template_dir", STRING, template_dir),
	FIELD(struct settings_vm, "disk_mib", OPT_U32, disk_mib),
	FIELD(struct settings_vm, "disk_dir", STRING, disk_dir),
};
/* clang-format on */

static void init_vm(void *obj)
{
	struct settings_vm *vm = obj;

	vm->guest_arch = -1;
	vm->accelerator = -1;
	vm->share = -1;
}
static const struct fields vm_fields = FIELDS_INIT(struct settings_vm, vm_table, init_vm);

/* clang-format off */
static const struct field settings_table[] = {
	FIELD_ENUM(struct settings, "isolation", isolation, &isolation_names),
	FIELD_ENUM(struct settings, "log_level", log_level, &log_level_names),
	FIELD(struct settings, "allow_annotations", STRINGS, allow_annotations),
	FIELD(struct settings, "ignore_annotations", STRINGS, ignore_annotations),
	FIELD_OBJECT(struct settings, "vm", OBJECT, vm, &vm_fields),
};
/* clang-format on */

static void init_settings(void *obj)
{
	struct settings *settings = obj;

	settings->isolation = -1;
	settings->log_level = -1;
}
static const struct fields settings_fields =
	FIELDS_INIT(struct settings, settings_table, init_settings);

static const struct json_limits limits = {
	.max_bytes = MAX_BYTES,
	.max_depth = 16,
	.max_values = 10000,
	.allow_comments = true,
};

void settings_init(struct settings *settings)
{
	fields_init(&settings_fields, settings);
}

void settings_done(struct settings *settings)
{
	strv_free(steal_ptr(&settings->warnings)); /* which is no field, nor is this: */
	string_map_done(&settings->origins);
	fields_release(&settings_fields, settings);
	settings_init(settings);
}

/* A relative one would depend on where somebody's shell happens to be. */
static int check_path(const char *name, const char *key, const char *path, struct error *err)
{
	return !path || *path == '/' ? 0
				     : error_set(err, -EINVAL, "%s: %s: not an absolute path: '%s'",
						 name, key, path);
}

static int check_hypervisor(const char *name, const char *wish, struct error *err)
{
	if (wish && names_find(&settings_hypervisor_names, wish) >= 0)
		return 0;
	return check_path(name, "vm.hypervisor", wish, err);
}

static int check_sizes(const char *name, const struct settings_vm *vm, struct error *err)
{
	const struct {
		const char *key;
		const struct opt_u32 *size;
	} sizes[] = {
		{ "vm.vcpus", &vm->vcpus },	    { "vm.memory_mib", &vm->memory_mib },
		{ "vm.vcpus_max", &vm->vcpus_max }, { "vm.memory_max_mib", &vm->memory_max_mib },
		{ "vm.disk_mib", &vm->disk_mib },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i].size->is_set && !sizes[i].size->value)
			return error_set(err, -EINVAL, "%s: %s: must not be 0", name, sizes[i].key);
	return 0;
}

static int check(const char *name, const struct settings *settings, struct error *err)
{
	const struct settings_vm *vm = &settings->vm;
	int r = check_path(name, "vm.image", vm->image, err);

	if (r == 0)
		r = check_path(name, "vm.kernel", vm->kernel, err);
	if (r == 0)
		r = check_path(name, "vm.initrd", vm->initrd, err);
	if (r == 0)
		r = check_hypervisor(name, vm->hypervisor, err);
	if (r == 0)
		r = check_path(name, "vm.template_dir", vm->template_dir, err);
	if (r == 0)
		r = check_path(name, "vm.disk_dir", vm->disk_dir, err);
	if (r == 0)
		r = check_sizes(name, vm, err);
	if (r < 0)
		return r;
	if (vm->boot_timeout_s.is_set &&
	    (!vm->boot_timeout_s.value || vm->boot_timeout_s.value > SETTINGS_BOOT_TIMEOUT_MAX_S))
		return error_set(err, -EINVAL, "%s: vm.boot_timeout: must be 1 to %d seconds: %u",
				 name, SETTINGS_BOOT_TIMEOUT_MAX_S, vm->boot_timeout_s.value);
	return 0;
}

int settings_parse(const char *name, const char *buf, size_t len, struct settings *settings,
		   struct error *err)
{
	int r = fields_parse(&settings_fields, name, buf, len, &limits, settings, err);

	if (r == 0)
		r = check(name, settings, err);
	if (r == 0)
		settings_keys_find(&settings_fields, name, buf, len, &limits, &settings->warnings,
				   &settings->origins);
	return r;
}

static int load_file(const char *path, bool is_optional, struct settings *settings,
		     struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(AT_FDCWD, path, MAX_BYTES, &text, &len);

	if (is_optional && (r == -ENOENT || r == -ENOTDIR))
		return 0;
	if (r < 0)
		return error_sys(err, r, "read configuration '%s'", path);
	return settings_parse(path, text, len, settings, err);
}

static int is_drop_in(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".json");
}

static int load_drop_ins(const char *dir, struct settings *settings, struct error *err)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_drop_in, alphasort), r = 0;

	if (count < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : error_sys(err, errno, "list '%s'", dir);
	for (int i = 0; i < count; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

		if (r == 0)
			r = load_file(path, true, settings, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int load_dir(const char *dir, struct settings *settings, struct error *err)
{
	cleanup_free char *file = xasprintf("%s/" NAME, dir);
	cleanup_free char *drop_ins = xasprintf("%s/" NAME ".d", dir);
	int r = load_file(file, true, settings, err);

	return r < 0 ? r : load_drop_ins(drop_ins, settings, err);
}

/* NULL: there is none, or it is root's, whose containers are the system's. */
static char *user_dir(void)
{
	const char *config_home = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (!state_is_rootless())
		return NULL;
	if (config_home && *config_home == '/')
		return xasprintf("%s/moat", config_home);
	return home && *home == '/' ? xasprintf("%s/.config/moat", home) : NULL;
}

int settings_load(struct settings *ret, struct error *err)
{
	const char *only = getenv(SETTINGS_VARIABLE);
	cleanup_settings struct settings settings;
	cleanup_free char *own = NULL;
	int r;

	settings_init(&settings);
	if (only && *only) {
		r = load_file(only, false, &settings, err);
	} else {
		own = user_dir();
		r = load_dir(SETTINGS_SYSTEM_DIR, &settings, err);
		if (r == 0 && own)
			r = load_dir(own, &settings, err);
	}
	if (r < 0)
		return r;
	*ret = settings;
	settings_init(&settings);
	return 0;
}

static void visit_fields(const struct settings *settings, const struct fields *fields,
			 const void *obj, const char *prefix, settings_visit visit, void *ctx)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *f = &fields->fields[i];
		cleanup_free char *key = xasprintf("%s%s%s", prefix, *prefix ? "." : "", f->name);

		if (f->kind == FIELD_KIND_OBJECT)
			visit_fields(settings, f->object, (const char *)obj + f->offset, key, visit,
				     ctx);
		else
			visit(ctx, key, f, obj, string_map_get(&settings->origins, key));
	}
}

void settings_each(const struct settings *settings, settings_visit visit, void *ctx)
{
	visit_fields(settings, &settings_fields, settings, "", visit, ctx);
}

const char *settings_word(const char *variable, const struct names *words, int slot)
{
	const char *wish = getenv(variable);

	return wish && *wish ? wish : names_get(words, (size_t)slot);
}

const char *settings_hypervisor(const struct settings_vm *vm)
{
	const char *forced = getenv("MOAT_HYPERVISOR");

	return forced && *forced ? forced : vm->hypervisor;
}

char **settings_files(void)
{
	const char *only = getenv(SETTINGS_VARIABLE);
	cleanup_free char *own = NULL;
	char **files = NULL;

	if (only && *only) {
		strv_push(&files, xstrdup(only));
		return files;
	}
	own = user_dir();
	strv_push(&files, xstrdup(SETTINGS_SYSTEM_DIR "/" NAME));
	strv_push(&files, xstrdup(SETTINGS_SYSTEM_DIR "/" NAME ".d/*.json"));
	if (own) {
		strv_pushf(&files, "%s/" NAME, own);
		strv_pushf(&files, "%s/" NAME ".d/*.json", own);
	}
	return files;
}
