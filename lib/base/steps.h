/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;

/*
 * A procedure as a table of steps. steps_run() runs them in order and traces each one: in the log
 * (level debug), and for `--timing` those that say what has been reached. When one fails, its error
 * is wrapped with its name, and the steps before it are undone backwards; a step undoes its own
 * half-done work itself.
 */
struct step {
	const char *name; /* what is being done, as it reads in front of an error: "rootfs" */
	int (*run)(void *ctx, struct error *err);
	void (*undo)(void *ctx); /* NULL: nothing to undo */
	const char *
		reached; /* what is so when it has run: "files shared" (lib/base/timing.h); or NULL */
};

/* 0, or what the failing step returned. A step without a name is not wrapped. */
int steps_run(const struct step *steps, size_t count, void *ctx, struct error *err);

/* Undoes all @count steps backwards, for a procedure that is given up later. */
void steps_undo(const struct step *steps, size_t count, void *ctx);
