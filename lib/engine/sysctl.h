/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "oci/config.h"

struct error;

/* The path below /proc/sys that a name stands for: "net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/x"
 * and "net.ipv4.conf.eth0/1.x" alike (sysctl(8): the first separator decides). free(3) it. */
char *sysctl_path(const char *name);

/* Whether the setting belongs to one of the namespaces in @private_flags (CLONE_NEW…), so that
 * only the container sees it change. Pure. */
int sysctl_check(const char *name, int private_flags, struct error *err);

/* All of linux.sysctl. */
int sysctls_check(const struct string_map *sysctls, int private_flags, struct error *err);

/* Writes them, from inside the namespaces, through a proc file system of its own. */
int sysctls_write(const struct string_map *sysctls, struct error *err);
