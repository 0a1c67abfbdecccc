/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

#define PROGRAM_USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Finds what execve(2) is to be given for args[0], as a shell would, in the root and with the
 * rights this process has: @name with a '/' is a path, else it is looked for in @path_list (the
 * PATH of the container's environment, NULL: the usual directories). *ret: free(3) it.
 *
 * The texts are those of Go's os/exec, on which callers match:
 *	exec: "sh": executable file not found in $PATH
 *	exec: "/bin/sh": stat /bin/sh: no such file or directory
 *	exec: "/etc": permission denied
 */
int program_find(const char *name, const char *path_list, char **ret, struct error *err);
