/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The absolute form of @path, by its text alone: starts with '/' (put in front of a relative one),
 * one '/' between components, no "." and no "..", which never climbs above the root. "/" for "".
 * free(3) it. */
char *path_clean(const char *path);
