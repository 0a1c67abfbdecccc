/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/plan-internal.h"

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "oci/config.h"

/*
 * A device number means a driver of the kernel that looks it up. Most of the host's mean nothing
 * in the guest, or something else: block 8:0 may be a disk of the VM. Only numbers that every
 * Linux gives to the same driver cross over.
 */
#define ANY_MINOR (-1)

/* clang-format off */
static const struct { char type; int64_t major, minor; } universal[] = {
	{ 'c', 1, 3 },   /* null */
	{ 'c', 1, 5 },   /* zero */
	{ 'c', 1, 7 },   /* full */
	{ 'c', 1, 8 },   /* random */
	{ 'c', 1, 9 },   /* urandom */
	{ 'c', 1, 11 },  /* kmsg */
	{ 'c', 5, 0 },   /* tty */
	{ 'c', 5, 1 },   /* console */
	{ 'c', 5, 2 },   /* ptmx */
	{ 'c', 10, 200 }, /* net/tun */
	{ 'c', 10, 229 }, /* fuse */
	{ 'c', 136, ANY_MINOR }, /* pts */
};
/* clang-format on */

bool is_universal_device(char type, int64_t major, int64_t minor)
{
	if (type == 'u')
		type = 'c';
	for (size_t i = 0; i < ARRAY_SIZE(universal); i++)
		if (universal[i].type == type && universal[i].major == major &&
		    (universal[i].minor == ANY_MINOR || universal[i].minor == minor))
			return true;
	return false;
}

static bool is_kept_device(const struct oci_device *device)
{
	return *device->type == 'p' ||
	       is_universal_device(*device->type, device->major, device->minor);
}

/* A warning and not an error: --privileged names every device of the host, and a container of
 * that kind usually wants the privileges, not the disks. */
int plan_devices(struct planning *p, struct error *err)
{
	struct oci_linux *linux_ = &p->guest->linux_;
	cleanup_free char *first = NULL;
	size_t kept = 0, dropped;

	for (size_t i = 0; i < linux_->devices_count; i++) {
		struct oci_device *device = &linux_->devices[i];

		if (is_kept_device(device)) {
			linux_->devices[kept++] = *device;
			continue;
		}
		if (!first)
			first = steal_ptr(&device->path);
		free(device->path);
		free(device->type);
	}
	dropped = linux_->devices_count - kept;
	linux_->devices_count = kept;
	if (dropped)
		log_warning("linux.devices: left out %zu of the host's devices, '%s' first",
			    dropped, first);
	return 0;
}

/* A rule for one driver's numbers. Rules that forbid can stay: they harm nobody. */
static bool is_host_only_rule(const struct oci_device_rule *rule)
{
	int64_t minor = rule->minor.is_set ? rule->minor.value : ANY_MINOR;

	if (!rule->allow || !rule->type || *rule->type == 'a')
		return false;
	if (!rule->major.is_set || rule->major.value < 0)
		return false;
	return !is_universal_device(*rule->type, rule->major.value, minor);
}

int plan_device_rules(struct planning *p, struct error *err)
{
	struct oci_resources *res = &p->guest->linux_.resources;
	size_t kept = 0;

	for (size_t i = 0; i < res->devices_count; i++) {
		if (!is_host_only_rule(&res->devices[i])) {
			res->devices[kept++] = res->devices[i];
			continue;
		}
		free(res->devices[i].type);
		free(res->devices[i].access);
	}
	res->devices_count = kept;
	return 0;
}
