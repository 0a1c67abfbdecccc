/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define VERDICT_NAME "kvm-verdict"
#define DENIAL_NAME "kvm-denied" /* the boot in which the user was told */
/* For a host that is busy; a guest that makes no progress has used up its time long before. */
#define PROBE_TIMEOUT_MS 10000

char *kvm_verdict_format(const char *boot_id, const struct kvm_fitness *fitness)
{
	return xasprintf("%s\n%s\n", boot_id, fitness->is_fit ? "fit" : fitness->reason);
}

int kvm_verdict_parse(const char *text, const char *boot_id, struct kvm_fitness *ret)
{
	const char *rest = str_after(text, boot_id);
	size_t len;

	if (!rest || *rest != '\n')
		return -ESTALE;
	rest++;
	len = strcspn(rest, "\n");
	if (len == 0 || len >= sizeof(ret->reason) || rest[len] != '\n')
		return -EINVAL;
	*ret = (struct kvm_fitness){ .is_fit = len == 3 && strncmp(rest, "fit", 3) == 0 };
	if (!ret->is_fit)
		snprintf(ret->reason, sizeof(ret->reason), "%.*s", (int)len, rest);
	return 0;
}

static int read_verdict(int dirfd, const char *boot_id, struct kvm_fitness *ret)
{
	cleanup_free char *text = NULL;
	int r = read_file_at(dirfd, VERDICT_NAME, 4096, &text, NULL);

	return r < 0 ? r : kvm_verdict_parse(text, boot_id, ret);
}

static _Noreturn void probe_child(int fd)
{
	struct kvm_fitness fitness = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* else its own timer ends it a little later */
	kvm_probe_run(&fitness);
	(void)write_all(fd, &fitness, sizeof(fitness)); /* the parent tells by what it read */
	_exit(0);
}

/* In a child, so that neither its memory nor a vcpu that does not come back stays with us. False:
 * it did not tell, which may be this moment's fault, and not KVM's. */
static bool probe_in_child(struct kvm_fitness *ret)
{
	cleanup_fd int read_fd = -1, write_fd = -1;
	cleanup_pid pid_t pid = 0;
	struct pollfd pfd = { .events = POLLIN };
	int ends[2], n;

	*ret = (struct kvm_fitness){ .reason = "the probe could not run" };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	read_fd = ends[0];
	write_fd = ends[1];
	pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0)
		probe_child(write_fd);
	close_fdp(&write_fd);

	pfd.fd = read_fd;
	do
		n = poll(&pfd, 1, PROBE_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		snprintf(ret->reason, sizeof(ret->reason), "the probe did not end in %d seconds",
			 PROBE_TIMEOUT_MS / 1000);
		return false;
	}
	if (read_exact(read_fd, ret, sizeof(*ret)) < 0) {
		*ret = (struct kvm_fitness){ .reason = "the probe crashed" };
		return false;
	}
	ret->reason[sizeof(ret->reason) - 1] = '\0';
	return true;
}

/* Whether there is a device for us. Cheap to find out and, unlike the rest, different for each
 * user: never cached. 0 or -errno. */
static int open_device(struct kvm_fitness *ret)
{
	cleanup_fd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int errnum = errno;

	if (fd >= 0)
		return 0;
	*ret = (struct kvm_fitness){ 0 };
	if (errnum == ENOENT)
		snprintf(ret->reason, sizeof(ret->reason), "no /dev/kvm");
	else
		snprintf(ret->reason, sizeof(ret->reason), "open /dev/kvm: %s%s", strerror(errnum),
			 errnum == EACCES ? "; is this user in the group kvm?" : "");
	return -errnum;
}

/* The caches are a user's own, and so is this. */
static bool is_told_first(int dirfd, const char *boot_id)
{
	cleanup_free char *text = NULL;

	if (dirfd < 0 || !boot_id)
		return false;
	if (read_file_at(dirfd, DENIAL_NAME, 4096, &text, NULL) == 0 && streq(text, boot_id))
		return false;
	return write_atomic_at(dirfd, DENIAL_NAME, boot_id, strlen(boot_id), 0644) == 0;
}

/* *ret_is_new: the answer was not told in this boot. */
static void probe(const char *cache_dir, struct kvm_fitness *ret, bool *ret_is_new)
{
	cleanup_fd int dirfd = hv_cache_open(cache_dir);
	cleanup_free char *boot_id = hv_boot_id();
	cleanup_free char *text = NULL;
	int r = open_device(ret);

	*ret_is_new = r == -EACCES && is_told_first(dirfd, boot_id);
	if (r < 0)
		return;
	if (dirfd >= 0 && boot_id && read_verdict(dirfd, boot_id, ret) == 0)
		return;
	*ret_is_new = true;
	if (!probe_in_child(ret) || dirfd < 0 || !boot_id)
		return;
	text = kvm_verdict_format(boot_id, ret);
	/* Without a cache it is probed again the next time. */
	(void)write_atomic_at(dirfd, VERDICT_NAME, text, strlen(text), 0644);
}

void kvm_probe(const char *cache_dir, struct kvm_fitness *ret)
{
	bool is_new;

	probe(cache_dir, ret, &is_new);
}

int hv_choose_accel(enum hv_accel wanted, const char *cache_dir, enum hv_accel *ret,
		    struct error *err)
{
	struct kvm_fitness fitness;
	bool is_new;

	if (wanted == HV_ACCEL_TCG) {
		*ret = HV_ACCEL_TCG;
		return 0;
	}
	probe(cache_dir, &fitness, &is_new);
	if (fitness.is_fit) {
		*ret = HV_ACCEL_KVM;
		return 0;
	}
	if (wanted == HV_ACCEL_KVM)
		return error_set(err, -ENODEV, "accelerator 'kvm': %s", fitness.reason);
	if (is_new)
		log_warning("kvm cannot run a guest here (%s), using software emulation",
			    fitness.reason);
	*ret = HV_ACCEL_TCG;
	return 0;
}
