/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/intel-rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "oci/config.h"

#define CONFIG "linux.intelRdt."
#define MOUNTINFO_MAX_BYTES (32u << 20)
#define FILE_MAX_BYTES (1u << 20)

/* ID PARENT DEV ROOT POINT … - resctrl … */
static char *find_mount(const char *mountinfo)
{
	cleanup_strv char **lines = strv_split(mountinfo, '\n');

	strv_each(line, lines) {
		cleanup_strv char **words = NULL;

		if (!strstr(line, " - resctrl "))
			continue;
		words = strv_split(line, ' ');
		if (strv_len(words) > 4 && *words[4] == '/')
			return xstrdup(words[4]);
	}
	return NULL;
}

int intel_rdt_find(char **ret)
{
	cleanup_free char *mountinfo = NULL;
	struct statfs fs;
	int r;

	/* The kernel makes this directory if the hardware can do it; somebody has to mount it. */
	if (statfs(INTEL_RDT_DIR, &fs) < 0)
		return -ENOENT;
	if (fs.f_type == RDTGROUP_SUPER_MAGIC) {
		*ret = xstrdup(INTEL_RDT_DIR);
		return 0;
	}
	r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &mountinfo, NULL);
	if (r < 0)
		return r;
	*ret = find_mount(mountinfo);
	return *ret ? 0 : -ENOENT;
}

void intel_rdt_done(struct intel_rdt *rdt)
{
	free(rdt->root);
	free(rdt->clos);
	free(rdt->mon);
	free(rdt->owned);
	*rdt = (struct intel_rdt){ 0 };
}

static char *path_in(const char *root, const char *dir, const char *file)
{
	return xasprintf("%s%s%s%s%s", root, *dir ? "/" : "", dir, *file ? "/" : "", file);
}

static bool exists(const char *root, const char *dir)
{
	cleanup_free char *path = path_in(root, dir, "");

	return access(path, F_OK) == 0;
}

static int refuse(const char *field, const char *reason, struct error *err)
{
	return error_set(err, -EINVAL, CONFIG "%s: %s", field, reason);
}

/* What is written was checked with the configuration; here it is what the host can do. */
static int check_host(const char *root, const struct oci_intel_rdt *config, struct error *err)
{
	if (config->l3_cache_schema && !exists(root, "info/L3") && !exists(root, "info/L3CODE"))
		return refuse("l3CacheSchema", "this host cannot divide its L3 cache (CAT)", err);
	if (config->mem_bw_schema && !exists(root, "info/MB"))
		return refuse("memBwSchema", "this host cannot limit memory bandwidth (MBA)", err);
	if (config->enable_monitoring && !exists(root, "mon_groups"))
		return refuse("enableMonitoring", "this host cannot monitor (CMT, MBM)", err);
	return 0;
}

static bool has_schemata(const struct oci_intel_rdt *config)
{
	return config->l3_cache_schema || config->mem_bw_schema ||
	       (config->schemata && *config->schemata);
}

int intel_rdt_open(const char *root, const struct oci_intel_rdt *config, const char *id,
		   struct intel_rdt *ret, struct error *err)
{
	const char *name = config->clos_id ? config->clos_id : id;
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	int r = check_host(root, config, err);

	if (r < 0)
		return r;
	rdt.root = xstrdup(root);
	rdt.clos = xstrdup(streq(name, "/") ? "" : name);
	if (config->clos_id && !has_schemata(config) && !exists(root, rdt.clos))
		return error_set(err, -ENOENT,
				 CONFIG "closID: '%s' is not in '%s', and no schemata are given",
				 rdt.clos, root);
	if (config->enable_monitoring)
		rdt.mon = xasprintf("%s%smon_groups/%s", rdt.clos, *rdt.clos ? "/" : "", id);
	if (!config->clos_id && !exists(root, rdt.clos))
		rdt.owned = xstrdup(rdt.clos);
	else if (rdt.mon)
		rdt.owned = xstrdup(rdt.mon);
	*ret = rdt;
	rdt = (struct intel_rdt){ 0 };
	return 0;
}

/* The kernel says more in info/last_cmd_status than its number does. */
static int fail(const char *root, int r, const char *what, const char *object, struct error *err)
{
	cleanup_free char *path = path_in(root, "info", "last_cmd_status");
	cleanup_free char *status = NULL;

	if (read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &status, NULL) < 0)
		return error_sys(err, r, "intelRdt: %s '%s'", what, object);
	status[strcspn(status, "\n")] = '\0';
	return error_set(err, r, "intelRdt: %s '%s': %s (%s)", what, object, strerror(-r), status);
}

static int write_in(const struct intel_rdt *rdt, const char *dir, const char *file,
		    const char *text, struct error *err)
{
	cleanup_free char *path = path_in(rdt->root, dir, file);
	int r = write_file_at(AT_FDCWD, path, text);

	return r < 0 ? fail(rdt->root, r, "write", path, err) : 0;
}

/* In the order that the specification gives them, in one write: the kernel takes all or none. */
static int write_schemata(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
			  struct error *err)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	if (!has_schemata(config))
		return 0;
	if (config->l3_cache_schema)
		strbuf_addf(&sb, "%s\n", config->l3_cache_schema);
	if (config->mem_bw_schema)
		strbuf_addf(&sb, "%s\n", config->mem_bw_schema);
	strv_each(line, config->schemata)
		strbuf_addf(&sb, "%s\n", line);
	return write_in(rdt, rdt->clos, "schemata", sb.buf, err);
}

static const char *skip_zeros(const char *s)
{
	while (*s == '0' && s[1])
		s++;
	return s;
}

/* "0=ff" and "0=00ff" are the same. */
static bool is_same_domain(const char *a, const char *b)
{
	const char *x = strchr(a, '='), *y = strchr(b, '=');

	return x && y && x - a == y - b && strncmp(a, b, (size_t)(x - a)) == 0 &&
	       strcasecmp(skip_zeros(x + 1), skip_zeros(y + 1)) == 0;
}

/* Whether the kernel's "  L3:0=ff;1=0f" says what @schema asks for; domains that @schema does not
 * name may have any value. */
static bool is_in_force(const char *schema, const char *present)
{
	const char *colon = strchr(schema, ':');
	cleanup_free char *name = xstrndup(schema, colon ? (size_t)(colon + 1 - schema) : 0);
	cleanup_strv char **wanted = strv_split(colon ? colon + 1 : "", ';');
	cleanup_strv char **lines = strv_split(present, '\n');
	const char *values = NULL;
	cleanup_strv char **domains = NULL;

	strv_each(line, lines)
		if (!values)
			values = str_after(line + strspn(line, " "), name);
	if (!values)
		return false;
	domains = strv_split(values, ';');
	for (char **want = wanted; want && *want; want++) {
		bool is_found = false;

		strv_each(domain, domains)
			is_found |= is_same_domain(*want, domain);
		if (!is_found)
			return false;
	}
	return true;
}

/* Other containers share a CLOS that has been there before, so it is not ours to change. */
static int check_shared(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
			struct error *err)
{
	cleanup_free char *path = path_in(rdt->root, rdt->clos, "schemata");
	cleanup_free char *present = NULL;
	int r;

	if (!config->l3_cache_schema && !config->mem_bw_schema)
		return 0;
	r = read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &present, NULL);
	if (r < 0)
		return error_sys(err, r, "intelRdt: read '%s'", path);
	if (config->l3_cache_schema && !is_in_force(config->l3_cache_schema, present))
		return error_set(err, -EEXIST, CONFIG "l3CacheSchema: '%s' is not what '%s' has",
				 config->l3_cache_schema, path);
	if (config->mem_bw_schema && !is_in_force(config->mem_bw_schema, present))
		return error_set(err, -EEXIST, CONFIG "memBwSchema: '%s' is not what '%s' has",
				 config->mem_bw_schema, path);
	return 0;
}

/* 1: made. */
static int make_dir(const struct intel_rdt *rdt, const char *dir, struct error *err)
{
	cleanup_free char *path = path_in(rdt->root, dir, "");

	if (mkdir(path, 0755) == 0)
		return 1;
	return errno == EEXIST ? 0 : fail(rdt->root, -errno, "make", path, err);
}

static int create(const struct intel_rdt *rdt, const struct oci_intel_rdt *config, bool *is_made,
		  struct error *err)
{
	int r = *rdt->clos ? make_dir(rdt, rdt->clos, err) : 0;

	if (r < 0)
		return r;
	*is_made = r;
	if (!*is_made && config->clos_id) {
		r = check_shared(rdt, config, err);
		if (r < 0)
			return r;
	}
	r = write_schemata(rdt, config, err);
	if (r == 0 && rdt->mon)
		r = make_dir(rdt, rdt->mon, err);
	return r < 0 ? r : 0;
}

int intel_rdt_create(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
		     struct error *err)
{
	bool is_made = false;
	int r = create(rdt, config, &is_made, err);

	if (r < 0 && is_made)
		(void)intel_rdt_remove(rdt->root, rdt->clos, NULL); /* the first error counts */
	return r;
}

int intel_rdt_attach(const struct intel_rdt *rdt, pid_t pid, struct error *err)
{
	cleanup_free char *text = xasprintf("%d", (int)pid);
	int r = write_in(rdt, rdt->clos, "tasks", text, err);

	return r < 0 || !rdt->mon ? r : write_in(rdt, rdt->mon, "tasks", text, err);
}

int intel_rdt_update(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
		     struct error *err)
{
	int r = check_host(rdt->root, config, err);

	return r < 0 ? r : write_schemata(rdt, config, err);
}

int intel_rdt_remove(const char *root, const char *owned, struct error *err)
{
	cleanup_free char *path = path_in(root, owned, "");

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return error_sys(err, errno, "intelRdt: remove '%s'", path);
}
