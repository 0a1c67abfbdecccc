/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/base/cleanup.h"

struct strbuf;

/*
 * A set of metrics that becomes Prometheus' text format (version 0.0.4). Whoever adds a sample need
 * not know who else does: a family is written in one piece, described once, and of two samples
 * with the same labels the first counts, since a scrape with both would be refused as a whole.
 */
enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_TYPE_COUNT };

struct metrics_family {
	const char *name;
	enum metrics_type type;
	const char *help; /* one line */
};

/* Lists of them end with one that has no name. Values may hold anything. */
struct metrics_label {
	const char *name;
	const char *value;
};

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
DEFINE_CLEANUP(metrics_free_p, struct metrics *, metrics_free)
#define cleanup_metrics CLEANUP(metrics_free_p)

/* Every sample that is added from now on begins with these; NULL: none. Copied. */
void metrics_set_labels(struct metrics *m, const struct metrics_label *labels);

/* @family and @labels (NULL: none) are copied, and @value, a number as text. */
void metrics_add(struct metrics *m, const struct metrics_family *family,
		 const struct metrics_label *labels, const char *value);
void metrics_add_u64(struct metrics *m, const struct metrics_family *family,
		     const struct metrics_label *labels, uint64_t value);
/* The one label that most families of Kata's have: "item". */
void metrics_add_item(struct metrics *m, const struct metrics_family *family, const char *item,
		      uint64_t value);
/* @count units of which a second has @units_s, at most 10^9. */
void metrics_add_seconds(struct metrics *m, const struct metrics_family *family,
			 const struct metrics_label *labels, uint64_t count, uint64_t units_s);

void metrics_write(const struct metrics *m, struct strbuf *sb);
