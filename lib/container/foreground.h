/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

struct console;
struct error;
struct loop;

/*
 * Stands for a process until it ends: our signals become its signals, and its terminal, if it has
 * one, is our own standard input and output, which are in raw mode meanwhile. Both isolations
 * look alike from here: the process is a child of ours.
 */

/* Before the process is made: from now on signals wait for foreground_wait(), so that none ends
 * us and leaves a container behind; and, with @reaps_orphans, orphans of the container become
 * children of ours. The mask stays as it is to the end of the command. */
int foreground_begin(bool reaps_orphans, struct error *err);

/* @console: as console_open() made it, for a process that has got its terminal. Our end receives
 * the master, and the other one is closed, so that a master which never comes is an error, not a
 * wait for ever. From here to foreground_free() our own terminal is in raw mode. */
struct foreground;
int foreground_new(pid_t pid, struct console *console, struct foreground **ret, struct error *err);
/* What it waits in, for whatever else this process watches meanwhile. */
struct loop *foreground_loop(struct foreground *foreground);
/* *ret_status: 0–255, 128+N for signal N. */
int foreground_wait(struct foreground *foreground, int *ret_status, struct error *err);
void foreground_free(struct foreground *foreground); /* the process is left alone */
DEFINE_CLEANUP(foreground_free_p, struct foreground *, foreground_free)
#define cleanup_foreground CLEANUP(foreground_free_p)

/* The size of our own window, for a process that will get a terminal; false: we have none. */
bool foreground_window(uint32_t *ret_height, uint32_t *ret_width);
