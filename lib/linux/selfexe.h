/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Keeps the runtime's own binary out of reach of containers, which can open /proc/PID/exe of any
 * process that enters them (CVE-2019-5736): the program executes itself once more, from a
 * read-only detached bind mount of its file, or, where mounting is not permitted, from a sealed
 * copy in memory. Both have no writable way back to the file.
 *
 * To be called first thing in main(), by a program that is about to make or enter a container.
 * Returns 0 when the running image is protected already, and does not return when it had to
 * execute itself. @argv is what main() got.
 */
int selfexe_protect(char *const argv[], struct error *err);
