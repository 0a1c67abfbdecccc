/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* A VMM as far as its control socket shows: a process that answers what it is asked by the first
 * rule whose text is in it. What it hears, it writes into a file. */
struct fake_rule {
	const char *text;
	const char *answer;
};

struct fake_vmm {
	char dir[32];
	char *control; /* path of its socket */
	pid_t pid;
};

/* A connection from its beginning to its end, whose descriptor it closes; @heard is the file's. */
typedef void (*fake_serve)(int fd, int heard, const char *greeting, const struct fake_rule *rules);

static inline _Noreturn void fake_vmm_run(int listening, int heard, fake_serve serve,
					  const char *greeting, const struct fake_rule *rules)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody */
	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (fd < 0)
			_exit(1);
		serve(fd, heard, greeting, rules);
	}
}

/* @rules end in { NULL }. */
static inline void fake_vmm_start(struct fake_vmm *f, fake_serve serve, const char *greeting,
				  const struct fake_rule *rules)
{
	cleanup_free char *path = NULL;
	int listening, heard;

	strcpy(f->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->control = xasprintf("%s/control.sock", f->dir);
	path = xasprintf("%s/heard", f->dir);
	listening = unix_listen(f->control, 0600);
	heard = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(listening >= 0 && heard >= 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0)
		fake_vmm_run(listening, heard, serve, greeting, rules);
	close(listening);
	close(heard);
}

/* What it has heard so far, for free(3). */
static inline char *fake_vmm_heard(const struct fake_vmm *f)
{
	cleanup_free char *path = xasprintf("%s/heard", f->dir);
	char *text;

	assert_int_equal(read_file_at(AT_FDCWD, path, 1u << 20, &text, NULL), 0);
	return text;
}

static inline void fake_vmm_stop(struct fake_vmm *f)
{
	kill_reap_pid(&f->pid);
	assert_int_equal(remove_tree_at(AT_FDCWD, f->dir), 0);
	free(f->control);
}
