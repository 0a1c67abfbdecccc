/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/str.h"

#define MANIFEST "guest.json"

static const struct json_limits manifest_limits = {
	.max_bytes = 64 * 1024,
	.max_depth = 8,
	.max_values = 1000,
};

/* clang-format off */
static const struct field image_fields[] = {
	FIELD(struct guest_image, "kernel", STRING, kernel),
	FIELD(struct guest_image, "initrd", STRING, initrd),
	FIELD(struct guest_image, "release", STRING, release),
	FIELD_ENUM(struct guest_image, "arch", arch, &hv_arch_names),
	FIELD_ALWAYS(struct guest_image, "elf", BOOL, is_elf),
	FIELD_ALWAYS(struct guest_image, "9p", BOOL, has_9p),
	FIELD_ALWAYS(struct guest_image, "virtiofs", BOOL, has_virtiofs),
	FIELD_ALWAYS(struct guest_image, "vsock", BOOL, has_vsock),
	FIELD_ALWAYS(struct guest_image, "mmio", BOOL, has_mmio),
	FIELD_ALWAYS(struct guest_image, "pci", BOOL, has_pci),
	FIELD_ALWAYS(struct guest_image, "acpi", BOOL, has_acpi),
	FIELD_ALWAYS(struct guest_image, "acpi-mmio", BOOL, has_acpi_mmio),
};
/* clang-format on */
static const struct fields guest_image_object = FIELDS(struct guest_image, image_fields);

void guest_image_done(struct guest_image *image)
{
	fields_release(&guest_image_object, image);
}

/* Files are named relative to the manifest, so that the directory can be moved. */
static void make_absolute(const char *dir, char **path)
{
	char *absolute;

	if (**path == '/')
		return;
	absolute = xasprintf("%s/%s", dir, *path);
	free(*path);
	*path = absolute;
}

int guest_image_parse(const char *dir, const char *name, const char *text, size_t len,
		      struct guest_image *ret, struct error *err)
{
	struct guest_image image = { .arch = (int)hv_host_arch() };
	int r = fields_parse(&guest_image_object, name, text, len, &manifest_limits, &image, err);

	if (r == 0 && (!image.kernel || !*image.kernel))
		r = error_set(err, -EINVAL, "%s: kernel: missing", name);
	if (r == 0 && (!image.initrd || !*image.initrd))
		r = error_set(err, -EINVAL, "%s: initrd: missing", name);
	if (r < 0) {
		guest_image_done(&image);
		return r;
	}
	make_absolute(dir, &image.kernel);
	make_absolute(dir, &image.initrd);
	if (!image.release)
		image.release = xstrdup("unknown");
	*ret = image;
	return 0;
}

static int check_readable(const char *path, struct error *err)
{
	if (access(path, R_OK) < 0)
		return error_sys(err, errno, "guest image: open '%s'", path);
	return 0;
}

static int load(const char *dir, struct guest_image *ret, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" MANIFEST, dir);
	cleanup_free char *text = NULL;
	struct guest_image image;
	size_t len;
	int r = read_file_at(AT_FDCWD, path, manifest_limits.max_bytes, &text, &len);

	if (r == -ENOENT || r == -ENOTDIR)
		return error_set(err, -ENOENT, "no guest image in '%s'", dir);
	if (r < 0)
		return error_sys(err, r, "read '%s'", path);
	r = guest_image_parse(dir, path, text, len, &image, err);
	if (r < 0)
		return r;
	r = check_readable(image.kernel, err);
	if (r == 0)
		r = check_readable(image.initrd, err);
	if (r < 0) {
		guest_image_done(&image);
		return r;
	}
	*ret = image;
	return 0;
}

char *guest_build_tree(void)
{
	cleanup_free char *tree = NULL;
	cleanup_free char *mark = NULL;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return NULL;
	exe[n] = '\0';
	/* TREE/cmd/moat/moat */
	tree = xstrdup(dirname(dirname(dirname(exe))));
	mark = xasprintf("%s/build.ninja", tree);
	return access(mark, F_OK) == 0 ? steal_ptr(&tree) : NULL;
}

char *guest_image_default_dir(void)
{
	cleanup_free char *tree = guest_build_tree();

	return tree ? xasprintf("%s/guest", tree) : xstrdup(MOAT_DATADIR "/guest");
}

/* Without symbolic links, since beside it may be those for other architectures. */
static char *usual_dir(const char *dir)
{
	cleanup_free char *usual = guest_image_default_dir();
	char *absolute;

	if (!dir)
		dir = getenv("MOAT_GUEST");
	if (!dir)
		dir = usual;
	absolute = realpath(dir, NULL);
	return absolute ? absolute : xstrdup(dir);
}

int guest_image_load(const char *dir, struct guest_image *ret, struct error *err)
{
	return guest_image_load_for(dir, HV_ARCH_COUNT, ret, err);
}

static bool is_of(const struct guest_image *image, enum hv_arch arch)
{
	return arch == HV_ARCH_COUNT || image->arch == (int)arch;
}

int guest_image_load_for(const char *dir, enum hv_arch arch, struct guest_image *ret,
			 struct error *err)
{
	cleanup_free char *usual = usual_dir(dir);
	const char *word = names_get(&hv_arch_names, (size_t)arch);
	cleanup_free char *other = xasprintf("%s-%s", usual, word ? word : "");
	struct error first = ERROR_INIT;
	int r = load(usual, ret, &first);

	if (r == 0 && is_of(ret, arch))
		return 0;
	if (r == 0)
		guest_image_done(ret);
	if (r < 0 && (r != -ENOENT || arch == HV_ARCH_COUNT || arch == hv_host_arch()))
		return error_set(err, r, "%s", first.msg);
	r = load(other, ret, err);
	if (r < 0)
		return error_wrap(err, r, "a guest of %s", word);
	if (is_of(ret, arch))
		return 0;
	guest_image_done(ret);
	return error_set(err, -EINVAL, "guest image '%s': is not of %s", other, word);
}

char *guest_image_format(const struct guest_image *image)
{
	struct json_writer *w = json_writer_new(true);

	fields_write(&guest_image_object, w, image);
	return json_finish(w);
}
