/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * Who runs this command. conmon watches a container's cgroup for its engine, and leaves what it saw
 * in files; what a guest alone knows has to get there in its stead.
 */

/* The directories in which the engine behind our parent looks for a file "oom" once a container has
 * ended; strv, NULL when the parent is no conmon. */
char **caller_oom_dirs(void);

/* The same by the parent's command line, as /proc/PID/cmdline has it. Pure. */
char **caller_oom_dirs_parse(const char *cmdline, size_t len);
