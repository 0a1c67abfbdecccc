/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "lib/metrics/metrics.h"

/*
 * What a guest's agent answers to GetMetrics, ours or Kata's. The guest is hostile: only families
 * that are known are taken, with the labels that they are known to have, and of those so many and
 * so long; what they are called and described as is ours. So no guest speaks for another one, or
 * makes a scrape unreadable. Pure.
 */
#define METRICS_GUEST_SAMPLES_MAX 4096

/* How many samples were taken. @text is changed. */
size_t metrics_add_guest(struct metrics *m, char *text);
