/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The program @name of a system whose root directory is at @root (else ""), in the directories that
 * systems have for programs: what $PATH says is the caller's word, or the container's. Its path
 * begins with @root, and is the caller's to free; NULL: there is none. */
char *system_program_find(const char *root, const char *name);
