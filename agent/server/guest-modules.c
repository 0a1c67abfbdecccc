/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/guest-modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/pattern.h"
#include "lib/base/str.h"

#define LIST_MAX 262144
#define MODALIAS_MAX 4096
#define ROUNDS_MAX 8 /* of devices that bring devices: PCI, virtio, SCSI */

struct guest_modules {
	char *dir;
	char **dep; /* the lines of each list */
	char **alias;
	char **boot;
};

static char **read_lines(const char *dir, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_free char *text = NULL;

	if (read_file_at(AT_FDCWD, path, LIST_MAX, &text, NULL) < 0)
		return NULL;
	return strv_split(text, '\n');
}

int guest_modules_open(const char *dir, struct guest_modules **ret)
{
	struct guest_modules *m;
	char **dep = read_lines(dir, "modules.dep");

	if (!dep)
		return -ENOENT;
	m = xmalloc(sizeof(*m));
	*m = (struct guest_modules){
		.dir = xstrdup(dir),
		.dep = dep,
		.alias = read_lines(dir, "modules.alias"),
		.boot = read_lines(dir, "modules.boot"),
	};
	*ret = m;
	return 0;
}

void guest_modules_free(struct guest_modules *m)
{
	if (!m)
		return;
	strv_free(m->dep);
	strv_free(m->alias);
	strv_free(m->boot);
	free(m->dir);
	free(m);
}

/* --- what to load -------------------------------------------------------------------------- */

/* Behind "NAME:", or NULL: not in the directory. Names are written with '-' and '_' alike. */
static const char *find_needs(const struct guest_modules *m, const char *name)
{
	strv_each(line, m->dep) {
		const char *a = line, *b = name;

		while (*b && (*a == *b || (*a == '_' && *b == '-'))) {
			a++;
			b++;
		}
		if (!*b && *a == ':')
			return a + 1;
	}
	return NULL;
}

char *guest_module_name(const char *name)
{
	char *copy = xstrdup(name);

	for (char *c = copy; *c; c++)
		if (*c == '-')
			*c = '_';
	return copy;
}

/* An order that is being found: wishes may go round in circles. */
struct search {
	char **seen;
	char **order;
};

static void add_with_needs(const struct guest_modules *m, const char *name, struct search *search)
{
	const char *list = find_needs(m, name);
	cleanup_strv char **needs = NULL;
	char *own;

	if (!list)
		return;
	own = guest_module_name(name);
	if (strv_has(search->seen, own)) {
		free(own);
		return;
	}
	strv_push(&search->seen, own);
	needs = strv_split(list, ' ');
	strv_each(need, needs) {
		if (*need)
			add_with_needs(m, need, search);
	}
	strv_push(&search->order, xstrdup(own));
}

char **guest_modules_resolve(const struct guest_modules *m, const char *wanted)
{
	struct search search = { NULL };

	add_with_needs(m, wanted, &search);
	strv_each(line, m->alias) {
		const char *space = strrchr(line, ' ');
		cleanup_free char *pattern = NULL;

		if (!space)
			continue;
		pattern = xstrndup(line, (size_t)(space - line));
		if (pattern_matches(pattern, wanted))
			add_with_needs(m, space + 1, &search);
	}
	strv_free(search.seen);
	return search.order;
}

/* --- loading ------------------------------------------------------------------------------- */

static int load_file(const struct guest_modules *m, const char *name, const char *parameters,
		     struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s.ko", m->dir, name);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0; /* it was loaded before */
	if (fd < 0)
		return error_sys(err, errno, "open module '%s'", name);
	if (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST)
		return error_sys(err, errno, "load module '%s'", name);
	log_debug("loaded module '%s'", name);
	(void)unlink(path); /* its memory is better used */
	return 0;
}

int guest_modules_load(const struct guest_modules *m, const char *wanted, const char *parameters,
		       struct error *err)
{
	cleanup_strv char **order = guest_modules_resolve(m, wanted);
	cleanup_free char *own = guest_module_name(wanted);
	int r = 0;

	if (!order)
		return error_set(err, -ENOENT, "no module for '%s'", wanted);
	strv_each(name, order) {
		/* What fails may be a wish only; if it was needed, the next one says so. */
		bool is_own = parameters && streq(name, own);
		int failed = load_file(m, name, is_own ? parameters : "", err);

		r = failed < 0 ? failed : 0;
	}
	return r;
}

static void load_or_log(const struct guest_modules *m, const char *wanted)
{
	struct error err = ERROR_INIT;
	int r = guest_modules_load(m, wanted, NULL, &err);

	if (r < 0 && r != -ENOENT)
		log_warning("%s", err.msg);
}

static void collect_bus(const char *bus, char ***ret)
{
	cleanup_free char *path = xasprintf("%s/devices", bus);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *file = xasprintf("%s/modalias", entry->d_name);
		cleanup_free char *text = NULL;

		if (entry->d_name[0] == '.' ||
		    read_file_at(dirfd(dir), file, MODALIAS_MAX, &text, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (*text && !strv_has(*ret, text))
			strv_push(ret, steal_ptr(&text));
	}
}

/* What the machine's devices are called by those who look for a driver. */
static char **collect_devices(const char *sysfs)
{
	cleanup_free char *path = xasprintf("%s/bus", sysfs);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	char **found = NULL;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *bus = xasprintf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.')
			collect_bus(bus, &found);
	}
	return found;
}

void guest_modules_load_at_boot(const struct guest_modules *m, const char *sysfs)
{
	cleanup_strv char **seen = NULL;
	bool is_new = true;

	strv_each(name, m->boot) {
		if (*name)
			load_or_log(m, name);
	}
	for (size_t round = 0; is_new && round < ROUNDS_MAX; round++) {
		cleanup_strv char **devices = collect_devices(sysfs);

		is_new = false;
		strv_each(device, devices) {
			if (strv_has(seen, device))
				continue;
			is_new = true;
			strv_push(&seen, xstrdup(device));
			load_or_log(m, device);
		}
	}
}
