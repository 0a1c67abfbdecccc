/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/state/journal.h"

struct loop;
struct strbuf;

/*
 * What the guest's console and the VMM print. The guest decides how much that is, so it is
 * bounded here: the last 4 KiB stay in memory for the message about a VM that ended, and lines go
 * to the container's journal. Those that are the agent's go there as its own.
 */
struct console;

/* @dirfd: the container's directory. */
struct console *console_new(struct loop *loop, int dirfd);
void console_free(struct console *console);

/* Collects what comes from @fd, owned from here on, until its end. At most two of them. */
int console_add(struct console *console, int fd, enum journal_source kind);

/* Reads what has arrived by now, for use when the loop no longer runs. */
void console_drain(struct console *console);

/* Appends the last lines, as one line of printable text, at most @max bytes. */
void console_tail(struct console *console, struct strbuf *sb, unsigned int max);

/* Appends the lines with which the guest's kernel began to crash, three of 120 bytes at most, as
 * the tail; nothing if it did not. They are the guest's word, as all of its console is. */
void console_crash(struct console *console, struct strbuf *sb);
