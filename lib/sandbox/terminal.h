/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * The host's half of a terminal in the guest: a pty whose master the caller gets over its console
 * socket, and whose slave the shim sits on, in raw mode, since the line discipline that counts is
 * the guest's.
 */

/* Makes one, sends the master to @console_socket, which is closed (its reader may wait for the
 * end), and makes the slave the controlling terminal of
 * this process, which leads a session, and its standard streams. */
int terminal_open(int console_socket, struct error *err);
