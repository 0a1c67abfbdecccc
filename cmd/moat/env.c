/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "cmd/moat/version.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/container/container.h"
#include "lib/container/templates.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"
#include "lib/settings/settings.h"
#include "oci/config.h"

enum env_format { ENV_TEXT, ENV_JSON, ENV_FORMAT_COUNT };

struct values {
	int format; /* enum env_format */
};

static const char *const format_words[] = { "text", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "format", 'f', OPTION_WORD, offsetof(struct values, format), &formats, "text|json", "how to write it (default: text)" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

/* A line of the answer beside the settings. */
struct line {
	const char *section;
	const char *name;
	char *value;	    /* NULL: there is none */
	const char *origin; /* or NULL */
};

struct answer {
	struct settings settings; /* with all that replaces or completes moat.json */
	struct line lines[16];
	size_t count;
	char **files; /* of the configuration */
};

static void answer_done(struct answer *answer)
{
	settings_done(&answer->settings);
	strv_free(answer->files);
	for (size_t i = 0; i < answer->count; i++)
		free(answer->lines[i].value);
}
#define cleanup_answer CLEANUP(answer_done)

/* Takes @value. */
static void add(struct answer *answer, const char *section, const char *name, char *value,
		const char *origin)
{
	assert(answer->count < ARRAY_SIZE(answer->lines));
	answer->lines[answer->count++] = (struct line){ section, name, value, origin };
}

static void set_origin(struct settings *settings, const char *key, const char *origin)
{
	string_map_set(&settings->origins, key, origin);
}

static int apply_word(struct settings *settings, const char *variable, const char *key,
		      const struct names *words, int *slot, struct error *err)
{
	const char *wish = getenv(variable);
	cleanup_free char *origin = xasprintf("$%s", variable);
	int word;

	if (!wish || !*wish)
		return 0;
	word = names_find(words, wish);
	if (word < 0)
		return error_set(err, -EINVAL, "%s: no such choice: '%s'", variable, wish);
	*slot = word;
	set_origin(settings, key, origin);
	return 0;
}

/* A driver's name or a path, as in moat.json; which is right is found out when it is used. */
static void apply_hypervisor(const struct globals *globals, struct settings *settings)
{
	const char *wish = getenv("MOAT_HYPERVISOR");

	if (!wish || !*wish)
		return;
	free(settings->vm.hypervisor);
	settings->vm.hypervisor = xstrdup(wish);
	set_origin(settings, "vm.hypervisor",
		   globals->hypervisor >= 0 ? "--hypervisor" : "$MOAT_HYPERVISOR");
}

/* What goes before the files. */
static int apply_environment(const struct globals *globals, struct settings *settings,
			     struct error *err)
{
	const char *image_origin;
	char *image = host_image_dir(settings, &image_origin);
	int r;

	free(settings->vm.image);
	settings->vm.image = image;
	if (image_origin)
		set_origin(settings, "vm.image", "$MOAT_GUEST");
	apply_hypervisor(globals, settings);
	r = apply_word(settings, "MOAT_ISOLATION", "isolation", &isolation_names,
		       &settings->isolation, err);
	if (r == 0)
		r = apply_word(settings, "MOAT_ACCEL", "vm.accelerator",
			       &settings_accelerator_names, &settings->vm.accelerator, err);
	if (r == 0)
		r = apply_word(settings, "MOAT_GUEST_ARCH", "vm.guest_arch",
			       &settings_guest_arch_names, &settings->vm.guest_arch, err);
	if (r == 0)
		r = apply_word(settings, "MOAT_SHARE", "vm.share", &settings_share_names,
			       &settings->vm.share, err);
	return r;
}

static int apply_command_line(const struct globals *globals, struct settings *settings,
			      struct error *err)
{
	int isolation, r = host_isolation(globals, settings, &isolation, err);

	if (r < 0)
		return r;
	if (globals->isolation >= 0)
		set_origin(settings, "isolation", "--isolation");
	else if (isolation != settings->isolation && isolation == ISOLATION_NATIVE)
		set_origin(settings, "isolation", "the program's name");
	settings->isolation = isolation;
	if (globals->is_debugging || globals->log_level >= 0) {
		settings->log_level = globals->is_debugging ? LOG_LEVEL_DEBUG : globals->log_level;
		set_origin(settings, "log_level",
			   globals->is_debugging ? "--debug" : "--log-level");
	}
	return 0;
}

static void fill_number(struct opt_u32 *slot, uint32_t value)
{
	if (!slot->is_set)
		*slot = (struct opt_u32){ .value = value, .is_set = true };
}

static void fill_text(char **slot, char *value)
{
	if (*slot)
		free(value);
	else
		*slot = value;
}

static void fill_word(int *slot, const struct names *words, const char *word)
{
	if (*slot < 0)
		*slot = names_find(words, word);
}

/* Of the driver that @wish names, or the usual one; NULL: there is none. */
static char *find_program(const char *wish)
{
	const struct hypervisor *driver;
	const char *program;
	char *found;

	if (hypervisor_choose(wish, &driver, &program, NULL) < 0)
		return NULL;
	if (program)
		return xstrdup(program);
	return driver->find_program(hv_host_arch(), "", &found, NULL) == 0 ? found : NULL;
}

/* What nobody says. */
static void complete(struct settings *settings, const struct globals *globals)
{
	struct settings_vm *vm = &settings->vm;
	struct guest_image image;

	fill_word(&settings->log_level, &log_level_names, globals->log ? "error" : "warning");
	fill_number(&vm->memory_mib, SETTINGS_DEFAULT_MEMORY_MIB);
	fill_number(&vm->vcpus, SETTINGS_DEFAULT_VCPUS);
	fill_number(&vm->boot_timeout_s, SETTINGS_DEFAULT_BOOT_TIMEOUT_S);
	fill_word(&vm->guest_arch, &settings_guest_arch_names, "auto");
	fill_word(&vm->accelerator, &settings_accelerator_names, "auto");
	fill_text(&vm->template_dir, templates_default_dir());
	if (!vm->hypervisor)
		vm->hypervisor = find_program(NULL);
	if (guest_image_load(vm->image, &image, NULL) < 0)
		return;
	if (image.has_9p || image.has_virtiofs)
		fill_word(&vm->share, &settings_share_names, image.has_9p ? "9p" : "virtiofs");
	fill_text(&vm->kernel, steal_ptr(&image.kernel));
	fill_text(&vm->initrd, steal_ptr(&image.initrd));
	guest_image_done(&image);
}

/* The first line that a program prints about itself; NULL: none. */
static char *ask_version(const char *program)
{
	cleanup_strv char **argv = NULL;
	cleanup_fd int read_fd = -1, write_fd = -1;
	cleanup_free char *text = NULL;
	struct hv_vm child = { 0 };
	int ends[2], r;

	if (!program || pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	read_fd = ends[0];
	write_fd = ends[1];
	strv_push(&argv, xstrdup(program));
	strv_push(&argv, xstrdup("--version"));
	r = hv_spawn(argv, NULL, 0, write_fd, &child, NULL);
	close_fdp(&write_fd);
	if (r == 0)
		r = read_whole_fd(read_fd, 1u << 16, &text, NULL);
	hv_stop(&child);
	if (r < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	str_sanitize(text, false);
	return *text ? steal_ptr(&text) : NULL;
}

static char *guest_release(const char *dir)
{
	struct guest_image image;
	char *release;

	if (guest_image_load(dir, &image, NULL) < 0)
		return NULL;
	release = steal_ptr(&image.release);
	guest_image_done(&image);
	return release;
}

static char *describe_accelerator(const struct globals *globals, const struct settings *settings)
{
	cleanup_free char *cache_dir = state_cache_dir(globals->root);
	const char *word = names_get(&settings_accelerator_names, (size_t)settings->vm.accelerator);
	struct kvm_fitness fitness;

	if (streq(word, "tcg"))
		return xstrdup("tcg");
	kvm_probe(cache_dir, &fitness);
	if (fitness.is_fit)
		return xstrdup("kvm");
	return xasprintf("%s (kvm: %s)", streq(word, "kvm") ? "none" : "tcg", fitness.reason);
}

static void add_versions(struct answer *answer, const struct globals *globals)
{
	const struct settings_vm *vm = &answer->settings.vm;
	cleanup_free char *hypervisor = find_program(vm->hypervisor);
	struct utsname host;

	add(answer, "versions", "moat", xstrdup(MOAT_VERSION), NULL);
	add(answer, "versions", "commit", xstrdup(MOAT_COMMIT), NULL);
	add(answer, "versions", "specification", xstrdup(OCI_VERSION), NULL);
	add(answer, "versions", "libseccomp", xstrdup(seccomp_library_version()), NULL);
	if (uname(&host) == 0)
		add(answer, "versions", "kernel", xasprintf("%s %s", host.release, host.machine),
		    NULL);
	add(answer, "versions", "guest kernel", guest_release(vm->image), NULL);
	add(answer, "versions", "hypervisor", ask_version(hypervisor), NULL);
	add(answer, "versions", "accelerator", describe_accelerator(globals, &answer->settings),
	    NULL);
}

static void add_paths(struct answer *answer, const struct globals *globals)
{
	const char *virtiofsd = hv_find_virtiofsd("", NULL);

	add(answer, "paths", "program", realpath("/proc/self/exe", NULL), NULL);
	add(answer, "paths", "shim", container_shim_path(),
	    getenv("MOAT_SHIM") ? "$MOAT_SHIM" : NULL);
	add(answer, "paths", "virtiofsd", virtiofsd ? xstrdup(virtiofsd) : NULL, NULL);
	add(answer, "paths", "state", xstrdup(globals->root), NULL);
	add(answer, "paths", "cache", state_cache_dir(globals->root), NULL);
	answer->files = settings_files();
}

static void print_setting(void *ctx, const char *key, const struct field *f, const void *obj,
			  const char *origin)
{
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *value = NULL;

	if (!field_write(f, w, obj)) {
		json_writer_free(w);
		return;
	}
	value = json_finish(w);
	printf("  %-24s %-36s %s\n", key, value, origin ? origin : "default");
}

static void print_lines(const struct answer *answer, const char *section)
{
	printf("\n%s\n", section);
	for (size_t i = 0; i < answer->count; i++) {
		const struct line *line = &answer->lines[i];

		if (streq(line->section, section))
			printf(line->origin ? "  %-24s %-36s %s\n" : "  %-24s %s\n", line->name,
			       line->value ? line->value : "-", line->origin);
	}
}

static void put_setting(void *ctx, const char *key, const struct field *f, const void *obj,
			const char *origin)
{
	struct json_writer *w = ctx;

	json_key(w, key);
	json_open_map(w);
	json_key(w, "value");
	if (!field_write(f, w, obj))
		json_null(w);
	json_key(w, "origin");
	json_string(w, origin ? origin : "default");
	json_close_map(w);
}

static void put_value(struct json_writer *w, const struct line *line)
{
	if (line->value)
		json_string(w, line->value);
	else
		json_null(w);
}

static void put_lines(struct json_writer *w, const struct answer *answer, const char *section)
{
	json_key(w, section);
	json_open_map(w);
	for (size_t i = 0; i < answer->count; i++) {
		if (!streq(answer->lines[i].section, section))
			continue;
		json_key(w, answer->lines[i].name);
		put_value(w, &answer->lines[i]);
	}
	json_close_map(w);
}

static void put_files(struct json_writer *w, char *const *files)
{
	json_key(w, "configuration");
	json_open_array(w);
	strv_each(file, files)
		json_string(w, file);
	json_close_array(w);
}

static void print_json(const struct answer *answer)
{
	struct json_writer *w = json_writer_new(true);
	cleanup_free char *text = NULL;

	json_open_map(w);
	json_key(w, "settings");
	json_open_map(w);
	settings_each(&answer->settings, put_setting, w);
	json_close_map(w);
	put_lines(w, answer, "versions");
	put_lines(w, answer, "paths");
	put_files(w, answer->files);
	json_close_map(w);
	text = json_finish(w);
	fputs(text, stdout);
}

static void print_text(const struct answer *answer)
{
	printf("settings\n");
	settings_each(&answer->settings, print_setting, NULL);
	print_lines(answer, "versions");
	print_lines(answer, "paths");
	strv_each(file, answer->files)
		printf("  %-24s %s\n", "configuration", file);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_answer struct answer answer = { .count = 0 };
	int r;

	settings_init(&answer.settings);
	r = settings_load(&answer.settings, err);
	if (r == 0)
		r = apply_environment(globals, &answer.settings, err);
	if (r == 0)
		r = apply_command_line(globals, &answer.settings, err);
	if (r < 0)
		return r;
	complete(&answer.settings, globals);
	add_versions(&answer, globals);
	add_paths(&answer, globals);
	if (values->format == ENV_JSON)
		print_json(&answer);
	else
		print_text(&answer);
	return 0;
}

const struct command env_command = {
	.name = "env",
	.summary = "show what is in force: settings with their origin, versions, paths",
	.arguments = "",
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "env",
	.run = run,
};
