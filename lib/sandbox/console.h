/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct loop;
struct strbuf;

/*
 * What the guest's console and the VMM print. The guest decides how much that is, so it is
 * bounded here: the last 4 KiB stay in memory for the message about a VM that ended, and
 * "console.log" and "console.log.1" hold at most 128 KiB each.
 */
struct console;

/* @dirfd: where the files go, borrowed for the call. 0 or -errno. */
int console_new(struct loop *loop, int dirfd, struct console **ret);
void console_free(struct console *console);

/* Collects what comes from @fd, owned from here on, until its end. At most two of them. */
int console_add(struct console *console, int fd);

/* Reads what has arrived by now, for use when the loop no longer runs. */
void console_drain(struct console *console);

/* Appends the last lines, as one line of printable text, at most @max bytes. */
void console_tail(struct console *console, struct strbuf *sb, unsigned int max);
