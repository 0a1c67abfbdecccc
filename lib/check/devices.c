/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

#define KVM "/dev/kvm"

/* "kvm" where somebody insists on it, or on what emulates nothing: then a host without runs no
 * virtual machine. */
static bool insists_on_kvm(const struct check *c)
{
	const char *program;
	const struct hypervisor *driver = check_hypervisor(c, &program, NULL);
	const char *word = settings_word("MOAT_ACCEL", &settings_accelerator_names,
					 c->host->settings->vm.accelerator);

	return streq_null(word, "kvm") || (driver && !(driver->features & HV_FEATURE_TCG));
}

static char *cure_absence(const struct check *c)
{
	cleanup_free char *cpuinfo = check_host_read(c, "/proc/cpuinfo");

	if (cpuinfo && strstr(cpuinfo, " vmx"))
		return xstrdup("modprobe kvm_intel");
	if (cpuinfo && strstr(cpuinfo, " svm"))
		return xstrdup("modprobe kvm_amd");
	return xstrdup(
		"enable virtualization in the firmware, or nested virtualization for this machine");
}

static void lacks_kvm(struct check *c, char *cure, const char *reason)
{
	if (insists_on_kvm(c))
		check_lacks_for_vm(c, cure, "%s, and 'kvm' is asked for", reason);
	else
		check_warn(c, cure, "%s: virtual machines are emulated, which is slow", reason);
}

static char *cure_denial(const struct check *c)
{
	const char *user = c->host->user ? c->host->user : "USER";

	return xasprintf("usermod --append --groups kvm %s, and log in anew", user);
}

static void lacks_unfit_kvm(struct check *c, const struct kvm_fitness *fitness)
{
	cleanup_free char *reason = xasprintf(KVM " cannot run guests (%s)", fitness->reason);

	lacks_kvm(
		c,
		xstrdup("use a host whose KVM is complete; a nested one needs the outer one's help"),
		reason);
}

static void check_kvm(struct check *c)
{
	struct kvm_fitness fitness;

	if (!check_host_can(c, KVM, F_OK)) {
		lacks_kvm(c, cure_absence(c), "no " KVM);
		return;
	}
	if (!check_host_can(c, KVM, R_OK | W_OK)) {
		lacks_kvm(c, cure_denial(c), KVM " cannot be opened");
		return;
	}
	if (*c->host->root) {
		check_ok(c, KVM " is there; whether it works is found out on that host");
		return;
	}
	kvm_probe(c->host->cache_dir, &fitness);
	if (fitness.is_fit)
		check_ok(c, KVM " runs guests");
	else
		lacks_unfit_kvm(c, &fitness);
}

/* What there is instead of a device is as good for a container, though not as fast. */
static void check_device(struct check *c, const char *path, const char *module, const char *use,
			 const char *otherwise)
{
	if (check_host_can(c, path, R_OK | W_OK))
		check_ok(c, "%s: %s", path, use);
	else if (check_host_can(c, path, F_OK))
		check_warn(c,
			   xasprintf("give this user %s: chgrp kvm %s; chmod 0660 %s", path, path,
				     path),
			   "%s cannot be opened: %s", path, otherwise);
	else
		check_warn(c, xasprintf("modprobe %s", module), "no %s: %s", path, otherwise);
}

static void check_vsock(struct check *c)
{
	check_device(c, "/dev/vhost-vsock", "vhost_vsock", "the agent's channel",
		     "the agent is reached by a serial port");
}

static void check_vhost_net(struct check *c)
{
	check_device(c, "/dev/vhost-net", "vhost_net", "the kernel carries packets of guests",
		     "QEMU carries packets of guests, which is slower");
}

static void check_tun(struct check *c)
{
	check_device(c, "/dev/net/tun", "tun", "interfaces of guests",
		     "virtual machines with a network cannot start");
}

static const struct check_spec specs[] = {
	{ "KVM", check_kvm },
	{ "vsock", check_vsock },
	{ "vhost-net", check_vhost_net },
	{ "tun", check_tun },
};
const struct check_field check_devices = CHECK_FIELD("devices", specs);
