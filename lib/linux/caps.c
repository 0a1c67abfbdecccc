/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/caps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

int caps_number(const char *name)
{
	cap_value_t value;

	/* cap_from_name(3) takes bare numbers too, and stops at what it does not understand. */
	if (strncasecmp(name, "cap_", 4) != 0 || name[strspn(name, LETTERS)])
		return -EINVAL;
	if (cap_from_name(name, &value) < 0)
		return -EINVAL;
	return value < cap_max_bits() && value < 64 ? value : -EINVAL;
}

const char *caps_name(unsigned int number)
{
	static char name[64];
	char *text = cap_to_name((cap_value_t)number);

	if (!text)
		return NULL;
	(void)snprintf(name, sizeof(name), "%s", text); /* the names are short */
	cap_free(text);
	return name;
}

int caps_get(struct caps *ret)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (capget(&header, data) < 0)
		return -errno;
	ret->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	ret->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	ret->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

int caps_set(const struct caps *caps)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)caps->effective, (uint32_t)caps->permitted,
		  (uint32_t)caps->inheritable },
		{ (uint32_t)(caps->effective >> 32), (uint32_t)(caps->permitted >> 32),
		  (uint32_t)(caps->inheritable >> 32) },
	};

	return capset(&header, data) < 0 ? -errno : 0;
}

int caps_drop_bounding(uint64_t keep)
{
	for (int cap = 0; cap < cap_max_bits(); cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int caps_give_up(uint64_t keep)
{
	struct caps caps;
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = caps_get(&caps);
	/* The bounding set first: dropping from it takes CAP_SETPCAP. */
	if (r == 0 && caps.effective >> CAP_SETPCAP & 1)
		r = caps_drop_bounding(keep);
	if (r < 0)
		return r;
	caps = (struct caps){ caps.effective & keep, caps.permitted & keep, 0 };
	return caps_set(&caps);
}

int caps_set_ambient(uint64_t caps)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (int cap = 0; cap < cap_max_bits(); cap++) {
		if (!(caps >> cap & 1))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	}
	return 0;
}
