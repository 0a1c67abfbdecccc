/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Brings a link of this process's network namespace up ("lo" in a new one). 0 or -errno. */
int netdev_up(const char *name);
