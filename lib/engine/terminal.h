/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_process;

/* A terminal from the devpts of the root @rootfd, set up as @process wants it. Its master goes to
 * @console_socket, in one message: the bytes of its name, and one descriptor. *ret_slave: a
 * descriptor that is nobody's controlling terminal yet. */
int terminal_open(int rootfd, const struct oci_process *process, int console_socket, int *ret_slave,
		  struct error *err);

/* Binds the terminal on /dev/console beneath @rootfd. */
int terminal_bind_console(int rootfd, int slave, struct error *err);
