/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * --regex of `kill` and `delete`: the argument is an extended regular expression (regex(7)), and
 * the command is for each container whose id has a match for it. One that fails does not keep it
 * from the others; the first error is returned. Without any there is nothing to do.
 */
int matching_each(const char *root, const char *expression,
		  int (*fn)(void *ctx, const char *id, struct error *err), void *ctx,
		  struct error *err);
