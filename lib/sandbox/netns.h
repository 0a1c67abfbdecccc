/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/* Enters the network namespace at @path, or, with NULL, a new one whose loopback is up. The
 * sandbox's network is what is found there; the VMM runs in it, and callers reach it through the
 * shim's pid. The one that the caller is in by now is refused. */
int netns_enter(const char *path, struct error *err);
