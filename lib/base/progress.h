/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * How far a command is whose work takes its time. Who does the work says so by progress_at(),
 * wherever it is; whether anybody sees it is the command's decision, and without one nothing is
 * said: engines read our standard error. One thread.
 *
 * On a terminal a bar, which goes when the work is done; elsewhere a line for each piece of work
 * and for each fifth of it. In the first second nothing, so that what is quick says nothing.
 */
enum progress_lines { PROGRESS_ON_TERMINALS, PROGRESS_EVERYWHERE };

/* On standard error, from now on: @program is what lines begin with. */
void progress_show(const char *program, enum progress_lines where);
/* Or to @fn, of another process that shows it. */
#define PROGRESS_UNKNOWN (-1)
typedef void (*progress_fn)(void *ctx, const char *what, int percent);
void progress_relay(progress_fn fn, void *ctx);
bool progress_is_wanted(void);

/* @what: "saving the memory", kept until the next one. @total 0: nobody knows how much it is. */
void progress_at(const char *what, uint64_t done, uint64_t total);
void progress_percent(const char *what, int percent); /* or PROGRESS_UNKNOWN */
/* Time has passed, which is all that can be told of some work. To be called each
 * PROGRESS_TICK_MS. */
#define PROGRESS_TICK_MS 250
void progress_tick(void);
/* Takes the bar away, before something else is said; it comes back by itself. */
void progress_hide(void);
/* And for good, as the work is done. */
void progress_clear(void);
