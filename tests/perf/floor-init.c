/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The least that a virtual machine must do to run a program from a shared root file system: the
 * /init of a guest that mounts it over 9p, runs /true from it, says how that ended, and resets.
 * What `moat run` needs on top of this is its own cost.
 */
static int run_true(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/true", "/true", (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* Until the host says something; what it was saved for. */
static void answer(void)
{
	char line[80];

	printf("floor: listens\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin))
		printf("floor: answers\n");
}

static void idle(void)
{
	printf("floor: idles\n");
	fflush(stdout);
	execl("/busybox", "/busybox", "sleep", "100000", (char *)NULL);
	perror("floor: busybox");
}

static void run(const char *what)
{
	if (mount("floor", "/root", "9p", 0, "trans=virtio,version=9p2000.L,msize=512000") < 0)
		perror("floor: mount");
	else if (chroot("/root") < 0 || chdir("/") < 0)
		perror("floor: chroot");
	else if (strcmp(what, "idle") == 0)
		idle();
	else
		printf("floor: ended with %d\n", run_true());
}

/* `floor=answer` or `floor=idle` on the kernel's command line is for what is no run: words that the
 * kernel does not know come as variables. */
int main(void)
{
	const char *word = getenv("floor"), *what = word ? word : "run";

	(void)mkdir("/root", 0755);
	if (strcmp(what, "answer") == 0)
		answer();
	else
		run(what);
	fflush(stdout);
	/* Without ACPI there is no power-off; QEMU's -no-reboot ends it here. */
	reboot(RB_AUTOBOOT);
	return 1;
}
