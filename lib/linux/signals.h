/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Default actions and an empty mask, as a program expects to find them: execve(2) keeps what is
 * ignored and what is blocked, and conmon ignores SIGPIPE. */
void signals_reset(void);

/* What a shell makes of a status that wait(2) gave of a process that ended: its exit code, or 128
 * and the signal's number. */
int exit_code_of(int status);
