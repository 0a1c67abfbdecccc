/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/taps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define TUN_DEVICE "/dev/net/tun"
/* A VMM has some dozens. */
#define FDS_MAX 1024

static int read_name(int fd, char **ret)
{
	struct ifreq request = { .ifr_flags = 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return -errno;
	*ret = xstrndup(request.ifr_name, IFNAMSIZ);
	return 0;
}

static int lend(int fd, int null_fd, struct fc_taps *taps)
{
	int r = read_name(fd, &taps->names[taps->lent]);

	if (r < 0)
		return r;
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return -errno;
	taps->lent++;
	return dup3(null_fd, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

int fc_taps_lend(const struct hv_nic *nics, size_t count, struct fc_taps *taps, struct error *err)
{
	cleanup_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return error_sys(err, errno, "open '/dev/null'");
	for (size_t i = 0; i < count; i++) {
		int r = lend(nics[i].fd, null_fd, taps);

		if (r < 0)
			return error_sys(err, r, "lend tap %zu", i);
	}
	return 0;
}

/* Whether the descriptor is one of ours, which ends with its process then. -errno. */
static int bind_one(int pidfd, int number, bool *ret_is_tap)
{
	cleanup_fd int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	cleanup_free char *name = NULL;

	*ret_is_tap = false;
	if (fd < 0)
		return errno == EBADF ? 0 : -errno;
	if (read_name(fd, &name) < 0)
		return 0;
	*ret_is_tap = true;
	return ioctl(fd, TUNSETPERSIST, 0) < 0 ? -errno : 0;
}

/* It has no taps but those that were lent to it. Not by procfs, which may know its process by
 * another number than we do. */
int fc_taps_bind(struct fc_taps *taps, const struct hv_vm *vm, struct error *err)
{
	size_t bound = 0;

	for (int number = 0; bound < taps->lent && number < FDS_MAX; number++) {
		bool is_tap;
		int r = bind_one(vm->pidfd, number, &is_tap);

		if (r < 0)
			return error_sys(err, r, "take back a tap of process %d", (int)vm->pid);
		bound += is_tap;
	}
	if (bound < taps->lent)
		return error_set(err, -EPROTO, "process %d has %zu taps of %zu", (int)vm->pid,
				 bound, taps->lent);
	taps->lent = 0;
	return 0;
}

/* As whoever opens it last. */
static void remove_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	cleanup_fd int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

	memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0)
		(void)ioctl(fd, TUNSETPERSIST, 0); /* else it stays with its namespace */
}

void fc_taps_done(struct fc_taps *taps)
{
	for (size_t i = 0; i < taps->lent; i++)
		remove_tap(taps->names[i]);
	for (size_t i = 0; i < ARRAY_SIZE(taps->names); i++)
		free(taps->names[i]);
}
