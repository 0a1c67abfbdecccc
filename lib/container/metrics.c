/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/metrics/metrics.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/metrics/container.h"

/* Prometheus waits ten seconds for a scrape; guests that do not answer may not use them up. */
#define PATIENCE_MS 8000
#define GUEST_PATIENCE_MIN_MS 200
#define GUEST_PATIENCE_MAX_MS 3000

struct item {
	struct container *c;
	enum oci_status status;
	const struct container_backend *backend;
};

struct scrape {
	struct item *items;
	size_t count;
	long long deadline_ms;
	size_t questions; /* that are still to be asked of guests */
	char **silent;	  /* sandboxes whose guest did not answer */
};

static void scrape_done(struct scrape *s)
{
	for (size_t i = 0; i < s->count; i++)
		container_close(s->items[i].c);
	free(s->items);
	strv_free(s->silent);
}
#define cleanup_scrape CLEANUP(scrape_done)

static bool is_living(const struct item *item)
{
	return item->status != OCI_STATUS_STOPPED && item->status != OCI_STATUS_CREATING;
}

static int open_item(const char *root, const char *id, struct item *ret, struct error *err)
{
	cleanup_container struct container *c = NULL;
	int r = container_open_record(root, id, &c, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &ret->backend, err);
	if (r == 0)
		r = container_status(c, false, &ret->status, err);
	if (r == 0)
		ret->c = steal_ptr(&c);
	return r;
}

static void add_item(struct scrape *s, struct item *item)
{
	s->items = xrealloc(s->items, s->count + 1, sizeof(*s->items));
	s->items[s->count++] = *item;
}

/* One that cannot be read has no metrics, but others do. */
static int open_all(const char *root, const char *wanted, struct scrape *s, struct error *err)
{
	cleanup_strv char **ids = NULL;
	int r = state_list(root, &ids, err);

	if (r < 0)
		return r;
	strv_each(id, ids) {
		struct error reason = ERROR_INIT;
		struct item item = { 0 };

		if (wanted && streq(id, wanted))
			continue;
		r = open_item(root, id, &item, &reason);
		if (r < 0 && r != -ENOENT)
			log_warning("metrics of '%s': %s", id, reason.msg);
		if (r < 0)
			continue;
		if (!wanted || streq_null(item.c->record.sandbox, wanted))
			add_item(s, &item);
		else
			container_close(item.c);
	}
	return 0;
}

static int open_wanted(const char *root, const char *id, struct scrape *s, struct error *err)
{
	struct item item = { 0 };
	int r = id ? open_item(root, id, &item, err) : 0;

	if (r < 0)
		return r;
	if (id)
		add_item(s, &item);
	return open_all(root, id, s, err);
}

/* A guest's share of the time that is left, so that silent ones leave the others theirs. */
static int guest_patience(struct scrape *s, const struct item *item)
{
	long long left = s->deadline_ms - now_ms();

	if (strv_has(s->silent, item->c->record.sandbox))
		return 0;
	left = s->questions ? left / (long long)s->questions : left;
	if (left < GUEST_PATIENCE_MIN_MS)
		return GUEST_PATIENCE_MIN_MS;
	return left > GUEST_PATIENCE_MAX_MS ? GUEST_PATIENCE_MAX_MS : (int)left;
}

/* False: its guest did not answer. */
static bool add_stats(const struct item *item, struct metrics *m)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	struct error err = ERROR_INIT;

	if (item->backend->stats(item->c, &stats, &err) == 0) {
		metrics_add_container(m, &stats);
		return true;
	}
	log_debug("metrics of '%s': %s", item->c->id, err.msg);
	return false;
}

static bool ask_guest(struct scrape *s, const struct item *item, struct metrics *m)
{
	bool answers;

	item->c->agent_timeout_ms = guest_patience(s, item);
	s->questions--;
	answers = item->c->agent_timeout_ms && add_stats(item, m);
	if (!answers)
		strv_push(&s->silent, xstrdup(item->c->record.sandbox));
	return answers;
}

static bool is_guests(const struct item *item)
{
	return item->backend->metrics_guest && item->c->record.sandbox;
}

static void add_one(struct scrape *s, const struct item *item, struct metrics *m)
{
	static const struct metrics_family family = { "moat_container_status", METRICS_GAUGE,
						      "1, with the status of a container." };
	const struct record *record = &item->c->record;
	const struct metrics_label of_sandbox[] = {
		{ "sandbox_id", record->sandbox },
		{ NULL },
	};
	const struct metrics_label of_container[] = {
		{ "container_id", record->id },
		{ record->sandbox ? "sandbox_id" : NULL, record->sandbox },
		{ NULL },
	};
	const struct metrics_label labels[] = {
		{ "isolation", names_get(&isolation_names, (size_t)record->isolation) },
		{ "status", oci_status_name(item->status) },
		{ NULL },
	};

	metrics_set_labels(m, of_container);
	metrics_add_u64(m, &family, labels, 1);
	if (is_living(item) && is_guests(item)) {
		bool answers = ask_guest(s, item, m);

		item->backend->metrics_host(item->c, m);
		metrics_set_labels(m, of_sandbox);
		item->backend->metrics_guest(item->c, m, answers);
	} else if (is_living(item)) {
		(void)add_stats(item, m); /* its cgroup may have gone since we looked */
	}
	metrics_set_labels(m, NULL);
}

static void add_runtime(const struct scrape *s, struct metrics *m)
{
	static const struct metrics_family build = { "moat_build_info", METRICS_GAUGE,
						     "1, with moat's version." };
	static const struct metrics_family containers = {
		"moat_containers", METRICS_GAUGE,
		"Containers below the root directory, by isolation and status."
	};
	const struct metrics_label version[] = { { "version", MOAT_VERSION }, { NULL } };
	uint64_t counts[ISOLATION_COUNT][OCI_STATUS_COUNT] = { 0 };

	metrics_add_u64(m, &build, version, 1);
	for (size_t i = 0; i < s->count; i++)
		counts[s->items[i].c->record.isolation][s->items[i].status]++;
	for (int i = 0; i < ISOLATION_COUNT; i++) {
		for (int k = 0; k < OCI_STATUS_COUNT; k++) {
			const struct metrics_label labels[] = {
				{ "isolation", names_get(&isolation_names, (size_t)i) },
				{ "status", oci_status_name((enum oci_status)k) },
				{ NULL },
			};

			metrics_add_u64(m, &containers, labels, counts[i][k]);
		}
	}
}

int container_metrics(const char *root, const char *id, struct metrics *m, struct error *err)
{
	cleanup_scrape struct scrape s = { 0 };
	int r = open_wanted(root, id, &s, err);

	if (r < 0)
		return r;
	s.deadline_ms = now_ms() + PATIENCE_MS;
	if (!id)
		add_runtime(&s, m);
	for (size_t i = 0; i < s.count; i++)
		s.questions += is_living(&s.items[i]) && is_guests(&s.items[i]);
	for (size_t i = 0; i < s.count; i++)
		add_one(&s, &s.items[i], m);
	return 0;
}
