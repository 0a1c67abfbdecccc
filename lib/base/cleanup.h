/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/*
 * Resources that free themselves when their variable goes out of scope. Ownership moves only by
 * steal_fd() and steal_ptr(). The functions keep errno, and accept -1, 0 or NULL. Not to be
 * mixed with goto, nor declared inside a switch.
 */

/* Defines the function that DEFINE'd variables of pointer type @type use: cleanup_NAME. */
#define DEFINE_CLEANUP(name, type, fn)                                                             \
	static inline void name(type *p)                                                           \
	{                                                                                          \
		int saved = errno;                                                                 \
                                                                                                   \
		if (*p)                                                                            \
			fn(*p);                                                                    \
		errno = saved;                                                                     \
	}

#define CLEANUP(fn) __attribute__((cleanup(fn)))

void close_fdp(int *fd);	/* close(2); EBADF is a bug and asserts */
void kill_reap_pid(pid_t *pid); /* SIGKILL and waitpid(2) of a child of ours */

static inline void free_p(void *p)
{
	free(*(void **)p);
}

DEFINE_CLEANUP(fclose_p, FILE *, fclose)
DEFINE_CLEANUP(closedir_p, DIR *, closedir)

#define cleanup_fd CLEANUP(close_fdp)
#define cleanup_free CLEANUP(free_p)
#define cleanup_file CLEANUP(fclose_p)
#define cleanup_dir CLEANUP(closedir_p)
#define cleanup_pid CLEANUP(kill_reap_pid)

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

static inline pid_t steal_pid(pid_t *pid)
{
	pid_t stolen = *pid;

	*pid = 0;
	return stolen;
}

static inline void *steal_voidp(void *p)
{
	void *stolen = *(void **)p;

	*(void **)p = NULL;
	return stolen;
}

#define steal_ptr(p) ((__typeof__(*(p)))steal_voidp(p))
