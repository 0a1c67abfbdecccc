/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

void signals_reset(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* A few numbers cannot be set (SIGKILL, libc's own); those need no reset either. */
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		(void)sigaction(sig, &action, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
}

int exit_code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
