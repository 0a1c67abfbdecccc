/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/modules.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "agent/image/unpack.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define LIST_MAX_BYTES (16u * 1024 * 1024)
#define MODULE_MAX_BYTES (64u * 1024 * 1024)
#define DEPTH_MAX 32

struct module {
	char *name;
	char *path;	/* relative to the directory */
	char **depends; /* names */
	char **before;	/* names, of modules or not */
	bool is_read;	/* its own lists were added */
};

struct module_index {
	char *dir;
	struct module *modules; /* sorted by name */
	size_t count, cap;
	char **builtin; /* names */
};

/* --- names --------------------------------------------------------------------------------- */

char *module_name(const char *name)
{
	char *copy = xstrdup(name);

	for (char *c = copy; *c; c++)
		if (*c == '-')
			*c = '_';
	return copy;
}

/* "kernel/fs/9p/9pnet-virtio.ko.xz" is 9pnet_virtio; NULL for what is not a module's path. */
static char *name_of(const char *path, size_t len)
{
	const char *base = memrchr(path, '/', len);
	cleanup_free char *name = NULL;
	const char *ko;

	base = base ? base + 1 : path;
	ko = memmem(base, (size_t)(path + len - base), ".ko", 3);
	if (!ko || ko == base)
		return NULL;
	name = xstrndup(base, (size_t)(ko - base));
	return module_name(name);
}

static int compare_modules(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

static struct module *find(const struct module_index *index, const char *name)
{
	struct module key = { .name = (char *)name };

	if (!index->count)
		return NULL;
	return bsearch(&key, index->modules, index->count, sizeof(key), compare_modules);
}

/* --- lists --------------------------------------------------------------------------------- */

typedef void (*line_fn)(struct module_index *index, const char *line, size_t len);

static void each_line(struct module_index *index, const char *text, line_fn fn)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len)
			fn(index, text, len);
		text += len + (text[len] == '\n');
	}
}

static int read_list(struct module_index *index, const char *name, line_fn fn)
{
	cleanup_free char *path = xasprintf("%s/%s", index->dir, name);
	cleanup_free char *text = NULL;
	int r = read_file_at(AT_FDCWD, path, LIST_MAX_BYTES, &text, NULL);

	if (r == 0)
		each_line(index, text, fn);
	return r;
}

static struct module *add_module(struct module_index *index, const char *path, size_t len)
{
	char *name = name_of(path, len);
	struct module *m;

	if (!name)
		return NULL;
	if (index->count == index->cap) {
		index->cap = index->cap ? index->cap * 2 : 256;
		index->modules = xrealloc(index->modules, index->cap, sizeof(*m));
	}
	m = &index->modules[index->count++];
	*m = (struct module){ .name = name, .path = xstrndup(path, len) };
	return m;
}

/* modules.dep: "PATH: PATH PATH …" */
static void on_dep_line(struct module_index *index, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	const char *p, *end = line + len;
	struct module *m;

	m = colon ? add_module(index, line, (size_t)(colon - line)) : NULL;
	if (!m)
		return;
	for (p = colon + 1; p < end; p++) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		size_t part = (size_t)((space ? space : end) - p);
		char *name = part ? name_of(p, part) : NULL;

		if (name)
			strv_push(&m->depends, name);
		p += part;
	}
}

/* modules.order: "PATH", without the suffix of compressed ones before Linux 5.16. */
static void on_order_line(struct module_index *index, const char *line, size_t len)
{
	(void)add_module(index, line, len);
}

static void on_builtin_line(struct module_index *index, const char *line, size_t len)
{
	char *name = name_of(line, len);

	if (name)
		strv_push(&index->builtin, name);
}

int module_index_open(const char *dir, struct module_index **ret, struct error *err)
{
	struct module_index *index = xcalloc(1, sizeof(*index));
	int r;

	index->dir = xstrdup(dir);
	r = read_list(index, "modules.dep", on_dep_line);
	if (r == -ENOENT)
		r = read_list(index, "modules.order", on_order_line);
	if (r == 0) {
		(void)read_list(index, "modules.builtin", on_builtin_line); /* may be empty */
		if (index->count)
			qsort(index->modules, index->count, sizeof(struct module), compare_modules);
		*ret = index;
		return 0;
	}
	module_index_free(index);
	if (r == -ENOENT)
		return error_set(err, r, "modules in '%s': neither modules.dep nor modules.order",
				 dir);
	return error_sys(err, r, "modules in '%s'", dir);
}

void module_index_free(struct module_index *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->count; i++) {
		free(index->modules[i].name);
		free(index->modules[i].path);
		strv_free(index->modules[i].depends);
		strv_free(index->modules[i].before);
	}
	free(index->modules);
	strv_free(index->builtin);
	free(index->dir);
	free(index);
}

bool module_index_is_builtin(const struct module_index *index, const char *name)
{
	return strv_has(index->builtin, name);
}

bool module_index_has(const struct module_index *index, const char *name)
{
	return find(index, name);
}

/* --- what a module says of itself ---------------------------------------------------------- */

struct section {
	const char *data;
	size_t len;
};

/* s390's are big-endian. */
static Elf64_Ehdr read_head(const char *data)
{
	Elf64_Ehdr h;

	memcpy(&h, data, sizeof(h));
	if (h.e_ident[EI_DATA] != ELFDATA2MSB)
		return h;
	h.e_shoff = be64toh(h.e_shoff);
	h.e_shnum = be16toh(h.e_shnum);
	h.e_shstrndx = be16toh(h.e_shstrndx);
	return h;
}

static Elf64_Shdr read_section(const char *data, const Elf64_Ehdr *head)
{
	Elf64_Shdr s;

	memcpy(&s, data, sizeof(s));
	if (head->e_ident[EI_DATA] != ELFDATA2MSB)
		return s;
	s.sh_name = be32toh(s.sh_name);
	s.sh_offset = be64toh(s.sh_offset);
	s.sh_size = be64toh(s.sh_size);
	return s;
}

static bool get_section(const char *data, size_t len, const Elf64_Ehdr *head, size_t i,
			Elf64_Shdr *ret_header, struct section *ret)
{
	uint64_t at = head->e_shoff + i * sizeof(Elf64_Shdr);

	if (i >= head->e_shnum || head->e_shoff > len || at > len - sizeof(Elf64_Shdr))
		return false;
	*ret_header = read_section(data + at, head);
	if (ret_header->sh_offset > len || ret_header->sh_size > len - ret_header->sh_offset)
		return false;
	*ret = (struct section){ data + ret_header->sh_offset, ret_header->sh_size };
	return true;
}

static bool find_modinfo(const char *data, size_t len, struct section *ret)
{
	struct section names;
	Elf64_Shdr header;
	Elf64_Ehdr head;

	if (len < sizeof(head) || memcmp(data, ELFMAG, SELFMAG) != 0)
		return false;
	head = read_head(data);
	if (head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    !get_section(data, len, &head, head.e_shstrndx, &header, &names))
		return false;
	for (size_t i = 1; i < head.e_shnum; i++) {
		static const char wanted[] = ".modinfo";

		if (get_section(data, len, &head, i, &header, ret) && header.sh_name < names.len &&
		    names.len - header.sh_name >= sizeof(wanted) &&
		    memcmp(names.data + header.sh_name, wanted, sizeof(wanted)) == 0)
			return true;
	}
	return false;
}

static void add_names(const char *list, char sep, char ***ret)
{
	cleanup_strv char **names = strv_split(list, sep);

	strv_each(name, names) {
		if (*name)
			strv_push(ret, module_name(name));
	}
}

static void add_depends(const char *value, struct module_info *info)
{
	add_names(value, ',', &info->depends);
}

/* "pre: a b post: c": what it wants behind itself is loaded when the kernel asks for it. */
static void add_before(const char *value, struct module_info *info)
{
	const char *list = str_after(value, "pre:");
	const char *end = list ? strstr(list, "post:") : NULL;
	cleanup_free char *part = NULL;

	if (!list)
		return;
	part = xstrndup(list, end ? (size_t)(end - list) : strlen(list));
	add_names(part, ' ', &info->before);
}

static void add_alias(const char *value, struct module_info *info)
{
	strv_push(&info->aliases, xstrdup(value));
}

static const struct {
	const char *prefix;
	void (*add)(const char *value, struct module_info *info);
} info_keys[] = {
	{ "depends=", add_depends },
	{ "softdep=", add_before },
	{ "alias=", add_alias },
};

int module_parse_info(const char *data, size_t len, struct module_info *ret)
{
	struct section info;
	const char *p, *end;

	*ret = (struct module_info){ NULL };
	if (!find_modinfo(data, len, &info))
		return -ENOEXEC;
	/* Strings with their NULs; the last one may lack it. */
	end = info.data + info.len;
	for (p = info.data; p < end;) {
		size_t n = strnlen(p, (size_t)(end - p));
		cleanup_free char *text = xstrndup(p, n);

		for (size_t i = 0; i < ARRAY_SIZE(info_keys); i++) {
			const char *value = str_after(text, info_keys[i].prefix);

			if (value)
				info_keys[i].add(value, ret);
		}
		p += n + 1;
	}
	return 0;
}

void module_info_done(struct module_info *info)
{
	strv_free(info->depends);
	strv_free(info->before);
	strv_free(info->aliases);
	*info = (struct module_info){ NULL };
}

/* --- order --------------------------------------------------------------------------------- */

/* modules.dep has what it depends on already; the file is asked all the same, for what it wants
 * before it. */
static int read_info(struct module_index *index, struct module *m, struct error *err)
{
	cleanup_free char *data = NULL;
	struct module_info info;
	size_t len;
	int r;

	if (m->is_read)
		return 0;
	r = module_index_read(index, m->name, &data, &len, err);
	if (r < 0)
		return r;
	if (module_parse_info(data, len, &info) < 0)
		return error_set(err, -ENOEXEC, "module '%s': not a kernel module", m->path);
	strv_each(name, info.depends) {
		if (!strv_has(m->depends, name))
			strv_push(&m->depends, xstrdup(name));
	}
	m->before = steal_ptr(&info.before);
	m->is_read = true;
	module_info_done(&info);
	return 0;
}

static int resolve(struct module_index *index, const char *name, size_t depth, char ***order,
		   struct error *err);

static int resolve_all(struct module_index *index, char *const *names, size_t depth, char ***order,
		       struct error *err)
{
	strv_each(name, names) {
		int r = resolve(index, name, depth, order, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int resolve(struct module_index *index, const char *name, size_t depth, char ***order,
		   struct error *err)
{
	cleanup_strv char **before = NULL;
	struct module *m = find(index, name);
	int r;

	if (strv_has(*order, name) || (!m && module_index_is_builtin(index, name)))
		return 0;
	if (!m)
		return error_set(err, -ENOENT, "module '%s': not in '%s'", name, index->dir);
	if (depth > DEPTH_MAX)
		return error_set(err, -ELOOP, "module '%s': depends on itself", name);
	r = read_info(index, m, err);
	if (r < 0)
		return r;
	strv_each(wish, m->before) {
		if (find(index, wish))
			strv_push(&before, xstrdup(wish));
	}
	(void)resolve_all(index, before, depth + 1, order, NULL); /* it can do without */
	r = resolve_all(index, m->depends, depth + 1, order, err);
	if (r == 0 && !strv_has(*order, name))
		strv_push(order, xstrdup(name));
	return r;
}

int module_index_resolve(struct module_index *index, const char *name, char ***order,
			 struct error *err)
{
	return resolve(index, name, 0, order, err);
}

int module_index_read(const struct module_index *index, const char *name, char **ret_data,
		      size_t *ret_len, struct error *err)
{
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
	const struct module *m = find(index, name);

	if (!m)
		return error_set(err, -ENOENT, "module '%s': not in '%s'", name, index->dir);
	/* modules.order may name a file as it was before it was compressed. */
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_free char *path = xasprintf("%s/%s%s", index->dir, m->path, suffixes[i]);

		if (i + 1 == ARRAY_SIZE(suffixes) || access(path, F_OK) == 0)
			return unpack_file(path, MODULE_MAX_BYTES, ret_data, ret_len, err);
	}
	return -ENOENT; /* not reached: the last suffix is tried as it is */
}
