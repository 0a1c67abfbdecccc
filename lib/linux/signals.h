/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Default actions and an empty mask, as a program expects to find them: execve(2) keeps what is
 * ignored and what is blocked, and conmon ignores SIGPIPE. */
void signals_reset(void);
