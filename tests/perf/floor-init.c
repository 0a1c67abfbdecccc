/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
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

int main(void)
{
	(void)mkdir("/root", 0755);
	if (mount("floor", "/root", "9p", 0, "trans=virtio,version=9p2000.L,msize=524288") < 0)
		perror("floor: mount");
	else if (chroot("/root") < 0 || chdir("/") < 0)
		perror("floor: chroot");
	else
		printf("floor: ended with %d\n", run_true());
	fflush(stdout);
	/* Without ACPI there is no power-off; QEMU's -no-reboot ends it here. */
	reboot(RB_AUTOBOOT);
	return 1;
}
