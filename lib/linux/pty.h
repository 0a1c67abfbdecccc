/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Pseudo-terminals from a devpts that belongs to somebody hostile: nothing is taken for what its
 * name says (CVE-2025-52565).
 */
struct pty {
	int master;
	int slave;
	unsigned int number; /* N of its name, /dev/pts/N */
};
#define PTY_INIT                                                                                   \
	{                                                                                          \
		-1, -1, 0                                                                          \
	}

/* A new one from /dev/pts/ptmx beneath @rootfd. The other side is opened from the master, not by
 * name. -ENOENT: no such file; -ENOTTY: it is something else than the ptmx of a devpts. */
int pty_open_beneath(int rootfd, struct pty *ret);
void pty_close(struct pty *pty);

int pty_resize(int fd, uint32_t height, uint32_t width);
/* Makes @slave the controlling terminal of this process, which leads a session without one. */
int pty_take(int slave);
