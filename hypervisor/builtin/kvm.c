/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"

/* What is asked of every KVM; all are older than anything else that is asked of a kernel. */
static const int needed[] = {
	KVM_CAP_IRQFD,		KVM_CAP_IOEVENTFD, KVM_CAP_USER_MEMORY,
	KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_MP_STATE,
};

static int check(const struct kvm *kvm, struct error *err)
{
	int version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return error_set(err, -ENOTSUP, "/dev/kvm: interface of version %d, not %d",
				 version, KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, needed[i]) <= 0)
			return error_set(err, -ENOTSUP, "/dev/kvm: capability %d is missing",
					 needed[i]);
	return 0;
}

int kvm_open(struct kvm *ret, struct error *err)
{
	struct kvm kvm = KVM_INIT;
	int r, size;

	kvm.fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm.fd < 0)
		return error_sys(err, errno, "open '/dev/kvm'");
	r = check(&kvm, err);
	if (r < 0) {
		kvm_close(&kvm);
		return r;
	}
	size = ioctl(kvm.fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	/* A signal ends it; nobody sends us one for long. */
	do
		kvm.vm = ioctl(kvm.fd, KVM_CREATE_VM, 0);
	while (kvm.vm < 0 && errno == EINTR);
	if (kvm.vm < 0 || size < (int)sizeof(struct kvm_run)) {
		r = error_sys(err, kvm.vm < 0 ? errno : EPROTO, "create a virtual machine");
		kvm_close(&kvm);
		return r;
	}
	kvm.run_size = (size_t)size;
	*ret = kvm;
	return 0;
}

void kvm_close(struct kvm *kvm)
{
	close_fdp(&kvm->vm);
	close_fdp(&kvm->fd);
	*kvm = (struct kvm)KVM_INIT;
}

int kvm_add_memory(const struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
		   struct error *err)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return error_sys(err, errno, "give the guest memory");
	return 0;
}

int kvm_add_irqfd(const struct kvm *kvm, int fd, uint32_t gsi, struct error *err)
{
	const struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = gsi };

	if (ioctl(kvm->vm, KVM_IRQFD, &irqfd) < 0)
		return error_sys(err, errno, "connect interrupt %u", gsi);
	return 0;
}

int kvm_add_ioeventfd(const struct kvm *kvm, int fd, uint64_t gpa, uint32_t value,
		      struct error *err)
{
	const struct kvm_ioeventfd ioeventfd = {
		.datamatch = value,
		.addr = gpa,
		.len = sizeof(value),
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(kvm->vm, KVM_IOEVENTFD, &ioeventfd) < 0)
		return error_sys(err, errno, "connect a queue's notification");
	return 0;
}
