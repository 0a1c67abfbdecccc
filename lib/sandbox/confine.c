/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/confine.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <errno.h>

#include "lib/base/error.h"
#include "lib/linux/caps.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* The guest's root owns and makes files of anybody, special ones too, on the container's root. */
static const uint64_t file_caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) |
				  CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP) | CAP(MKNOD);

/* To act with the ids of a request, and to make the namespaces that it locks itself in. */
static const uint64_t virtiofsd_caps =
	CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(SYS_ADMIN) | CAP(SYS_RESOURCE);

uint64_t confine_vmm_caps(bool with_virtiofsd)
{
	return file_caps | (with_virtiofsd ? virtiofsd_caps : 0);
}

int confine_children(uint64_t keep, struct error *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "set no_new_privs");
	r = caps_drop_bounding(keep);
	return r < 0 ? error_sys(err, r, "drop capabilities") : 0;
}

int confine_self(uint64_t keep, struct error *err)
{
	int r = caps_give_up(keep);

	return r < 0 ? error_sys(err, r, "drop capabilities") : 0;
}
