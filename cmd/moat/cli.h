/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the command line to an exit status: global options, log, command, the report of what went
 * wrong. Exit statuses: a container's own from `run` and `exec`, 255 for an `exec` that could not
 * be made, 3 for an unknown command (as runc says it), 1 for everything else. */
int cli_main(char *const *argv);
