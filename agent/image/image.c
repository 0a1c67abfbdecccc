/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/image/kconfig.h"
#include "agent/image/kernel.h"
#include "agent/image/modules.h"
#include "agent/image/unpack.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"

#define CONFIG_MAX_BYTES (4u * 1024 * 1024)
#define AGENT_MAX_BYTES (256u * 1024 * 1024)

struct build {
	const struct image_request *request;
	char *kernel_path;
	struct kernel_file kernel;
	char *release;
	struct kconfig *config;
	struct strbuf initramfs;

	char **order; /* module names */
	struct image_module *modules;
};

static void build_done(struct build *b)
{
	for (size_t i = 0; b->modules && i < strv_len(b->order); i++) {
		free((char *)b->modules[i].data);
		module_info_done(&b->modules[i].info);
	}
	free(b->modules);
	strv_free(b->order);
	strbuf_done(&b->initramfs);
	kconfig_free(b->config);
	free(b->release);
	kernel_file_done(&b->kernel);
	free(b->kernel_path);
}

/* --- the kernel ---------------------------------------------------------------------------- */

/* The part of "vmlinuz-6.1.0-9-amd64.zst" that is the release, or NULL. */
static char *release_in_name(const char *path)
{
	static const char *const packed[] = { ".zst", ".xz", ".gz" };
	const char *base = strrchr(path, '/');
	const char *dash;
	char *release;

	base = base ? base + 1 : path;
	dash = strchr(base, '-');
	if (!dash || !str_after(base, "vmlinu"))
		return NULL;
	release = xstrdup(dash + 1);
	for (size_t i = 0; i < ARRAY_SIZE(packed); i++)
		if (str_ends_with(release, packed[i]))
			release[strlen(release) - strlen(packed[i])] = '\0';
	return release;
}

/* The newest "vmlinuz-RELEASE" in /boot. */
static char *find_newest_kernel(void)
{
	cleanup_dir DIR *dir = opendir("/boot");
	cleanup_free char *newest = NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!str_after(entry->d_name, "vmlinuz-"))
			continue;
		if (newest && strverscmp(entry->d_name, newest) <= 0)
			continue;
		free(newest);
		newest = xstrdup(entry->d_name);
	}
	return newest ? xasprintf("/boot/%s", newest) : NULL;
}

static int find_kernel(void *ctx, struct error *err)
{
	struct build *b = ctx;
	const struct image_request *q = b->request;

	if (q->kernel)
		b->kernel_path = xstrdup(q->kernel);
	else if (q->release)
		b->kernel_path = xasprintf("/boot/vmlinuz-%s", q->release);
	else
		b->kernel_path = find_newest_kernel();
	if (!b->kernel_path)
		return error_set(err, -ENOENT, "no kernel in '/boot': name one with --kernel");
	return 0;
}

static int read_kernel(void *ctx, struct error *err)
{
	struct build *b = ctx;
	int r;

	progress_at("reading the kernel", 0, 0);
	r = kernel_file_read(b->kernel_path, &b->kernel, err);
	if (r < 0)
		return r;
	if (b->request->release)
		b->release = xstrdup(b->request->release);
	else if (b->kernel.release)
		b->release = xstrdup(b->kernel.release);
	else
		b->release = release_in_name(b->kernel_path);
	if (!b->release)
		return error_set(err, -ENOENT,
				 "kernel '%s': does not tell its version: name it with "
				 "--kernel-version",
				 b->kernel_path);
	log_info("kernel '%s': %s, %s", b->kernel_path, b->release,
		 names_get(&hv_arch_names, (size_t)b->kernel.arch));
	return 0;
}

/* "config-RELEASE" in the kernel's directory. */
static char *find_config_beside(const struct build *b)
{
	const char *slash = strrchr(b->kernel_path, '/');
	int dir_len = slash ? (int)(slash + 1 - b->kernel_path) : 0;
	cleanup_free char *named = release_in_name(b->kernel_path);
	const char *const releases[] = { named, b->release };

	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		char *path;

		if (!releases[i])
			continue;
		path = xasprintf("%.*sconfig-%s", dir_len, b->kernel_path, releases[i]);
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static int read_config(void *ctx, struct error *err)
{
	struct build *b = ctx;
	cleanup_free char *path = NULL;
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (!b->request->config && b->kernel.config)
		return kconfig_parse(b->kernel_path, b->kernel.config, strlen(b->kernel.config),
				     &b->config, err);
	path = b->request->config ? xstrdup(b->request->config) : find_config_beside(b);
	if (!path)
		return error_set(err, -ENOENT,
				 "kernel '%s': its configuration is neither in it nor beside it: "
				 "name it with --kernel-config",
				 b->kernel_path);
	r = unpack_file(path, CONFIG_MAX_BYTES, &text, &len, err);
	return r < 0 ? r : kconfig_parse(path, text, len, &b->config, err);
}

static int refuse_unfit(void *ctx, struct error *err)
{
	struct build *b = ctx;
	cleanup_kernel_lacks struct kernel_lacks lacks;
	cleanup_strv char **missing = NULL;
	cleanup_free char *all = NULL;

	kconfig_check(b->config, &lacks);
	for (size_t i = 0; i < lacks.count; i++) {
		const struct kernel_lack *lack = &lacks.list[i];

		if (lack->is_required)
			strv_pushf(&missing, "%s: %s", lack->what, lack->cure);
		else
			log_info("kernel '%s' lacks %s: %s; %s", b->kernel_path, lack->what,
				 lack->otherwise, lack->cure);
	}
	if (!missing)
		return 0;
	all = strv_join(missing, "; ");
	return error_set(err, -ENOTSUP, "kernel '%s': lacks %s", b->kernel_path, all);
}

/* --- modules ------------------------------------------------------------------------------- */

/* Beside the kernel's directory as packages lay it out, also where one was only unpacked:
 * X/boot/vmlinuz-R and X/lib/modules/R. */
static char *find_modules_near(const struct build *b)
{
	const char *slash = strrchr(b->kernel_path, '/');
	cleanup_free char *near = NULL;

	if (slash)
		near = xasprintf("%.*s/../lib/modules/%s", (int)(slash - b->kernel_path),
				 b->kernel_path, b->release);
	else
		near = xasprintf("../lib/modules/%s", b->release);
	if (access(near, X_OK) == 0)
		return steal_ptr(&near);
	free(near);
	near = xasprintf("/lib/modules/%s", b->release);
	return access(near, X_OK) == 0 ? steal_ptr(&near) : NULL;
}

static int read_modules(struct build *b, const struct module_index *index, struct error *err)
{
	size_t count = strv_len(b->order);

	b->modules = xcalloc(count + 1, sizeof(*b->modules));
	for (size_t i = 0; i < count; i++) {
		char *data;
		int r;

		progress_at("reading modules", i, count);
		r = module_index_read(index, b->order[i], &data, &b->modules[i].len, err);
		if (r < 0)
			return r;
		b->modules[i].name = b->order[i];
		b->modules[i].data = data;
		(void)module_parse_info(data, b->modules[i].len,
					&b->modules[i].info); /* it could */
	}
	return 0;
}

static int resolve_all(struct build *b, struct module_index *index, char *const *wanted,
		       struct error *err)
{
	strv_each(name, wanted) {
		int r = module_index_resolve(index, name, &b->order, err);

		if (r < 0)
			return r;
	}
	return read_modules(b, index, err);
}

static int take_modules(void *ctx, struct error *err)
{
	struct build *b = ctx;
	cleanup_strv char **wanted = image_wanted_modules(b->config);
	cleanup_free char *dir = NULL;
	struct module_index *index;
	cleanup_free char *names = NULL;
	int r;

	strv_each(extra, b->request->extra_modules)
		strv_push(&wanted, module_name(extra));
	if (!wanted)
		return 0;
	dir = b->request->modules ? xstrdup(b->request->modules) : find_modules_near(b);
	if (!dir)
		return error_set(err, -ENOENT,
				 "kernel '%s': has %s and more as modules: name their directory "
				 "with --modules",
				 b->kernel_path, wanted[0]);
	r = module_index_open(dir, &index, err);
	if (r < 0)
		return r;
	r = resolve_all(b, index, wanted, err);
	module_index_free(index);
	if (r < 0)
		return r;
	names = strv_join(b->order, " ");
	log_info("%zu modules from '%s': %s", strv_len(b->order), dir, names);
	return 0;
}

/* --- writing ------------------------------------------------------------------------------- */

static int pack(void *ctx, struct error *err)
{
	struct build *b = ctx;
	cleanup_strv char **at_boot = NULL;
	cleanup_free char *agent = NULL;
	size_t len;
	int r = read_file_at(AT_FDCWD, b->request->agent, AGENT_MAX_BYTES, &agent, &len);

	if (r < 0)
		return error_sys(err, r, "agent: read '%s'", b->request->agent);
	/* A script would be looked for its interpreter in a root without one. */
	if (len < 4 || memcmp(agent,
			      "\x7f"
			      "ELF",
			      4) != 0)
		return error_set(err, -ENOEXEC, "agent '%s': not a program", b->request->agent);
	if ((int)hv_elf_arch(agent, len) != b->kernel.arch)
		return error_set(err, -ENOEXEC, "agent '%s': not for %s, as the kernel is",
				 b->request->agent,
				 names_get(&hv_arch_names, (size_t)b->kernel.arch));
	strv_each(extra, b->request->extra_modules)
		strv_push(&at_boot, module_name(extra));
	image_pack(agent, len, b->modules, b->order ? strv_len(b->order) : 0, at_boot,
		   &b->initramfs);
	return 0;
}

static char *make_manifest(const struct build *b)
{
	struct guest_image image = {
		.kernel = (char *)"kernel",
		.initrd = (char *)"initramfs",
		.release = b->release,
		.arch = b->kernel.arch,
		.is_elf = b->kernel.is_elf,
	};

	kconfig_describe(b->config, b->modules, &image);
	return guest_image_format(&image);
}

static int write_files(void *ctx, struct error *err)
{
	struct build *b = ctx;
	const char *output = b->request->output;
	cleanup_free char *manifest = make_manifest(b);
	const struct {
		const char *name;
		const char *data;
		size_t len;
	} files[] = {
		{ "kernel", b->kernel.data, b->kernel.len },
		{ "initramfs", b->initramfs.buf, b->initramfs.len },
		{ "guest.json", manifest, strlen(manifest) },
	};
	cleanup_fd int dirfd = -1;
	int r = mkdir_parents(output, 0755);

	if (r == 0) {
		dirfd = open(output, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = dirfd < 0 ? -errno : 0;
	}
	if (r < 0)
		return error_sys(err, r, "make directory '%s'", output);
	progress_at("writing the image", 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		r = write_atomic_at(dirfd, files[i].name, files[i].data, files[i].len, 0644);
		if (r < 0)
			return error_sys(err, r, "write '%s/%s'", output, files[i].name);
		log_info("wrote '%s/%s' (%zu KiB)", output, files[i].name,
			 (files[i].len + 1023) / 1024);
	}
	return 0;
}

/* --- whole --------------------------------------------------------------------------------- */

/* Messages name their objects themselves, so the steps have no names. */
static const struct step kernel_steps[] = {
	{ .run = find_kernel },
	{ .run = read_kernel },
	{ .run = read_config },
};

static const struct step image_steps[] = {
	{ .run = refuse_unfit },
	{ .run = take_modules },
	{ .run = pack },
	{ .run = write_files },
};

int image_build(const struct image_request *request, struct error *err)
{
	struct build b = { .request = request };
	int r = steps_run(kernel_steps, ARRAY_SIZE(kernel_steps), &b, err);

	if (r == 0)
		r = steps_run(image_steps, ARRAY_SIZE(image_steps), &b, err);
	progress_clear();
	build_done(&b);
	return r;
}

int image_check_kernel(const struct image_request *request, struct kernel_lacks *ret_lacks,
		       struct guest_image *ret_image, struct error *err)
{
	struct build b = { .request = request };
	int r = steps_run(kernel_steps, ARRAY_SIZE(kernel_steps), &b, err);

	if (r == 0) {
		*ret_image = (struct guest_image){
			.kernel = xstrdup(b.kernel_path),
			.release = xstrdup(b.release),
			.arch = b.kernel.arch,
			.is_elf = b.kernel.is_elf,
		};
		kconfig_describe(b.config, true, ret_image);
		kconfig_check(b.config, ret_lacks);
	}
	build_done(&b);
	return r;
}
