/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A user namespace without a process in it: what carries an id mapping to mount_setattr(2). The
 * maps are in the form of /proc/PID/uid_map. Returns a descriptor or -errno. Needs the right to
 * write any map, CAP_SETUID and CAP_SETGID in the caller's user namespace.
 */
int userns_make(const char *uid_map, const char *gid_map);
