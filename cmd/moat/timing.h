/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "cmd/moat/options.h"
#include "cmd/moat/timing-format.h"

struct error;
struct globals;

/* `--timing`: where the time goes, from the command's beginning to its end, in all processes that
 * have a part in it, the guest's agent among them (lib/base/timing.h). */
struct timing_values {
	bool is_wanted;
	char *file;
	int format; /* enum timing_format, of the file */
};

/* clang-format off */
#define TIMING_OPTION_SPECS(at) \
	{ "timing", 0, OPTION_FLAG, at(is_wanted), NULL, NULL, "say on standard error where the time went" }, \
	{ "timing-file", 0, OPTION_PATH, at(file), NULL, "FILE", "write that there" }, \
	{ "timing-format", 0, OPTION_WORD, at(format), &timing_formats, "json|table|otlp|chrome", "how the file is written (default: json)" }
/* clang-format on */

/* Before anything that is to be timed. */
int timing_begin(const struct timing_values *values, struct error *err);
/* The table, the file, and timing.json in the container's directory, if there still is one. What
 * @command of the container @id returned, and why, comes back, or what went wrong here. */
int timing_end(const struct timing_values *values, const struct globals *globals,
	       const char *command, const char *id, int result, struct error *err);
