/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/* Which driver is to run a machine, where nobody names one: the first in order of merit that says
 * of itself, by its plan, that it can. */

/* The quickest start and the least memory first, then who can do most. */
static const struct hypervisor *const best_first[] = {
#if defined(__x86_64__)
	&hypervisor_builtin,
#endif
	&hypervisor_qemu,
	&hypervisor_cloud_hypervisor,
	&hypervisor_firecracker,
};

enum hv_share hv_best_share(const struct hypervisor *driver, const struct guest_image *guest)
{
	if (!(driver->features & (HV_FEATURE_9P | HV_FEATURE_VIRTIOFS)))
		return HV_SHARE_NONE;
	/* It needs neither PCI nor a daemon, so the smallest and quickest machine can have it. */
	if (guest->has_9p && (driver->features & HV_FEATURE_9P))
		return HV_SHARE_9P;
	if (guest->has_virtiofs && (driver->features & HV_FEATURE_VIRTIOFS))
		return HV_SHARE_VIRTIOFS;
	return HV_SHARE_COUNT;
}

/* A machine of these needs, with stand-ins for all that is only known when it is made. */
static struct hv_config trial(const struct hypervisor *driver, const struct hv_needs *needs,
			      enum hv_accel accel, enum hv_share share)
{
	static const struct hv_memory memory = { .fd = 3 };
	const bool has_port = driver->features & HV_FEATURE_CHANNEL_SERIAL;

	return (struct hv_config){
		.name = "trial",
		.guest = needs->guest,
		.accel = accel,
		.memory_mib = 256,
		.vcpus = 1,
		.memory_max_mib = needs->features & HV_FEATURE_RESIZE_MEMORY ? 512 : 0,
		.vcpus_max = needs->features & HV_FEATURE_RESIZE_VCPUS ? 2 : 0,
		.is_restored = needs->features & HV_FEATURE_MEMORY_FILE,
		.memory = needs->features & HV_FEATURE_MEMORY_FILE ? &memory : NULL,
		.share = share,
		.share_path = "/",
		.share_tag = "trial",
		.virtiofs_fd = 3,
		.virtiofs_path = "/trial",
		.channel = has_port ? HV_CHANNEL_SERIAL : HV_CHANNEL_HYBRID,
		.channel_fd = 3,
		.channel_path = "/trial",
		.control_fd = -1,
		.control_path = "/trial",
		.watch_fd = 3,
		.console_fd = 3,
	};
}

static int check_accel(const struct hypervisor *driver, const struct hv_needs *needs,
		       enum hv_accel *ret, struct error *err)
{
	const bool is_foreign = needs->guest->arch != (int)hv_host_arch();
	const bool has_kvm = !is_foreign && needs->accel != HV_ACCEL_TCG && needs->kvm->is_fit;

	*ret = has_kvm ? HV_ACCEL_KVM : HV_ACCEL_TCG;
	if (has_kvm || (needs->accel != HV_ACCEL_KVM && (driver->features & HV_FEATURE_TCG)))
		return 0;
	if (is_foreign)
		return error_set(err, -ENOTSUP, "no guests of %s",
				 names_get(&hv_arch_names, (size_t)needs->guest->arch));
	if (needs->accel == HV_ACCEL_TCG)
		return error_set(err, -ENOTSUP, "no software emulation");
	return error_set(err, -ENOTSUP, "needs KVM (%s)", needs->kvm->reason);
}

static int check(const struct hypervisor *driver, const struct hv_needs *needs, struct error *err)
{
	const int share = needs->share == HV_SHARE_COUNT ? (int)hv_best_share(driver, needs->guest)
							 : needs->share;
	cleanup_free char *program = NULL;
	cleanup_strv char **argv = NULL;
	struct hv_config config;
	enum hv_accel accel;
	int r = check_accel(driver, needs, &accel, err);

	if (r < 0)
		return r;
	if (needs->share == HV_SHARE_COUNT && (share == HV_SHARE_NONE || share == HV_SHARE_COUNT))
		return error_set(err, -ENOTSUP, "shares no files with guest kernel '%s'",
				 needs->guest->release);
	if (share == HV_SHARE_NONE && (needs->features & HV_FEATURE_PLUG & ~driver->features))
		return error_set(err, -ENOTSUP, "takes no disks while it runs");
	config = trial(driver, needs, accel, (enum hv_share)share);
	r = driver->plan(&config, &argv, err);
	return r < 0 ? r
		     : driver->find_program((enum hv_arch)needs->guest->arch, needs->root, &program,
					    err);
}

int hypervisor_select(const struct hv_needs *needs, const struct hypervisor **ret, char **ret_why,
		      struct error *err)
{
	cleanup_strbuf struct strbuf why = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(best_first); i++) {
		struct error reason = ERROR_INIT;

		if (check(best_first[i], needs, &reason) == 0) {
			*ret = best_first[i];
			if (ret_why)
				*ret_why = strbuf_steal(&why);
			return 0;
		}
		strbuf_addf(&why, "%s%s: %s", why.len ? "; " : "", best_first[i]->name, reason.msg);
	}
	return error_set(err, -ENOTSUP, "hypervisor '" HYPERVISOR_AUTO "': %s", why.buf);
}
