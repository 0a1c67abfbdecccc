/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/intel-rdt.h"

#define FILE_MAX_BYTES (1u << 20)

/* Without blanks at both ends; NULL: absent. */
static char *read_text(const char *dir, const char *file)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, file);
	cleanup_free char *text = NULL;
	size_t len, start;

	if (read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &text, &len) < 0)
		return NULL;
	while (len && strchr(" \n", text[len - 1]))
		len--;
	start = strspn(text, " \n");
	return start >= len ? xstrdup("") : xstrndup(text + start, len - start);
}

/* "Unavailable" and "Error" are absent too. */
static bool read_number(const char *dir, const char *file, uint64_t *ret)
{
	cleanup_free char *text = read_text(dir, file);

	return text && parse_u64(text, ret) == 0;
}

static void read_l3_info(const char *root, struct intel_rdt_stats *s)
{
	cleanup_free char *dir = xasprintf("%s/info/L3", root);

	s->l3_cbm_mask = read_text(dir, "cbm_mask");
	s->has_l3_info = s->l3_cbm_mask && read_number(dir, "min_cbm_bits", &s->l3_min_cbm_bits) &&
			 read_number(dir, "num_closids", &s->l3_num_closids);
}

static void read_mb_info(const char *root, struct intel_rdt_stats *s)
{
	cleanup_free char *dir = xasprintf("%s/info/MB", root);

	s->has_mb_info = read_number(dir, "bandwidth_gran", &s->mb_bandwidth_gran) &&
			 read_number(dir, "delay_linear", &s->mb_delay_linear) &&
			 read_number(dir, "min_bandwidth", &s->mb_min_bandwidth) &&
			 read_number(dir, "num_closids", &s->mb_num_closids);
}

static char **read_schemata(const char *dir)
{
	cleanup_free char *text = read_text(dir, "schemata");
	cleanup_strv char **lines = text ? strv_split(text, '\n') : NULL;
	char **trimmed = NULL;

	strv_each(line, lines)
		strv_push(&trimmed, xstrdup(line + strspn(line, " ")));
	return trimmed;
}

/* The line of one resource, or NULL. */
static char *find_schema(char *const *schemata, const char *name)
{
	strv_each(line, schemata)
		if (str_after(line, name))
			return xstrdup(line);
	return NULL;
}

static void read_domain(const char *dir, struct intel_rdt_stats *s)
{
	struct intel_rdt_mbm mbm = { 0, 0 };
	uint64_t occupancy;
	bool has_total = read_number(dir, "mbm_total_bytes", &mbm.total_bytes);
	bool has_local = read_number(dir, "mbm_local_bytes", &mbm.local_bytes);

	if (has_total || has_local) {
		s->mbm = xrealloc(s->mbm, s->mbm_count + 1, sizeof(*s->mbm));
		s->mbm[s->mbm_count++] = mbm;
	}
	if (read_number(dir, "llc_occupancy", &occupancy)) {
		s->llc_occupancy = xrealloc(s->llc_occupancy, s->llc_occupancy_count + 1,
					    sizeof(*s->llc_occupancy));
		s->llc_occupancy[s->llc_occupancy_count++] = occupancy;
	}
}

static int is_domain(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

/* One directory a cache domain ("mon_L3_00"), in their order. */
static void read_monitoring(const char *dir, struct intel_rdt_stats *s)
{
	cleanup_free char *data = xasprintf("%s/mon_data", dir);
	struct dirent **domains = NULL;
	int count = scandir(data, &domains, is_domain, alphasort);

	for (int i = 0; i < count; i++) {
		cleanup_free char *domain = xasprintf("%s/%s", data, domains[i]->d_name);

		read_domain(domain, s);
		free(domains[i]);
	}
	free(domains);
}

int intel_rdt_stats(const struct intel_rdt *rdt, struct intel_rdt_stats *ret, struct error *err)
{
	cleanup_free char *clos = xasprintf("%s%s%s", rdt->root, *rdt->clos ? "/" : "", rdt->clos);
	cleanup_free char *mon = rdt->mon ? xasprintf("%s/%s", rdt->root, rdt->mon) : xstrdup(clos);
	cleanup_strv char **root_schemata = read_schemata(rdt->root);
	struct intel_rdt_stats s = { .schemata = read_schemata(clos) };

	if (!s.schemata)
		return error_set(err, -ENOENT, "intelRdt: '%s' has no schemata", clos);
	read_l3_info(rdt->root, &s);
	read_mb_info(rdt->root, &s);
	s.l3_schema_root = find_schema(root_schemata, "L3:");
	s.l3_schema = find_schema(s.schemata, "L3:");
	s.mb_schema_root = find_schema(root_schemata, "MB:");
	s.mb_schema = find_schema(s.schemata, "MB:");
	read_monitoring(mon, &s);
	*ret = s;
	return 0;
}

void intel_rdt_stats_done(struct intel_rdt_stats *stats)
{
	free(stats->l3_cbm_mask);
	free(stats->l3_schema_root);
	free(stats->l3_schema);
	free(stats->mb_schema_root);
	free(stats->mb_schema);
	strv_free(stats->schemata);
	free(stats->mbm);
	free(stats->llc_occupancy);
	*stats = (struct intel_rdt_stats){ 0 };
}
