/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct hv_metrics;
struct strbuf;

/* What a VMM has counted as lines of text: "exits port 7", "device net0 READ_BYTES READS
 * WRITTEN_BYTES WRITES DROPPED". */
void hv_counters_write(const struct hv_metrics *metrics, struct strbuf *text);
/* The other way, of one line's words (a strv). 1: taken into @metrics; 0: none of these, or of a
 * kind that we do not know; -EINVAL. */
int hv_counters_take(char *const *words, struct hv_metrics *metrics);
