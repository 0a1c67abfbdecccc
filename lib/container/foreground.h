/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct console;
struct error;

/*
 * Stands for a process until it ends: our signals become its signals, and its terminal, if it has
 * one, is our own standard input and output, which are in raw mode meanwhile. Both isolations
 * look alike from here: the process is a child of ours.
 */

/* Before the process is made: from now on signals wait for foreground_wait(), so that none ends
 * us and leaves a container behind; and, with @reaps_orphans, orphans of the container become
 * children of ours. The mask stays as it is to the end of the command. */
int foreground_begin(bool reaps_orphans, struct error *err);

/* @console: as console_open() made it; our end receives the terminal's master, and the other one is
 * closed, so that a master which never comes is an error, not a wait for ever. *ret_status: 0–255,
 * 128+N for signal N. On error the process still runs. */
int foreground_wait(pid_t pid, struct console *console, int *ret_status, struct error *err);
