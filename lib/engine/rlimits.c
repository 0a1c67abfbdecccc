/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rlimits.h"

#include <errno.h>
#include <sys/resource.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "oci/config.h"

/* clang-format off */
static const int numbers[OCI_RLIMIT_COUNT] = {
	[OCI_RLIMIT_AS]         = RLIMIT_AS,
	[OCI_RLIMIT_CORE]       = RLIMIT_CORE,
	[OCI_RLIMIT_CPU]        = RLIMIT_CPU,
	[OCI_RLIMIT_DATA]       = RLIMIT_DATA,
	[OCI_RLIMIT_FSIZE]      = RLIMIT_FSIZE,
	[OCI_RLIMIT_LOCKS]      = RLIMIT_LOCKS,
	[OCI_RLIMIT_MEMLOCK]    = RLIMIT_MEMLOCK,
	[OCI_RLIMIT_MSGQUEUE]   = RLIMIT_MSGQUEUE,
	[OCI_RLIMIT_NICE]       = RLIMIT_NICE,
	[OCI_RLIMIT_NOFILE]     = RLIMIT_NOFILE,
	[OCI_RLIMIT_NPROC]      = RLIMIT_NPROC,
	[OCI_RLIMIT_RSS]        = RLIMIT_RSS,
	[OCI_RLIMIT_RTPRIO]     = RLIMIT_RTPRIO,
	[OCI_RLIMIT_RTTIME]     = RLIMIT_RTTIME,
	[OCI_RLIMIT_SIGPENDING] = RLIMIT_SIGPENDING,
	[OCI_RLIMIT_STACK]      = RLIMIT_STACK,
};
/* clang-format on */

int rlimits_check(const struct oci_process *process, struct error *err)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < process->rlimits_count; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];

		if (limit->type < 0 || limit->type >= OCI_RLIMIT_COUNT)
			return error_set(err, -EINVAL, "process.rlimits[%zu].type: missing", i);
		if (seen & 1u << limit->type)
			return error_set(err, -EINVAL, "process.rlimits[%zu]: given twice", i);
		if (limit->soft > limit->hard)
			return error_set(err, -EINVAL,
					 "process.rlimits[%zu]: soft limit over hard limit", i);
		seen |= 1u << limit->type;
	}
	return 0;
}

void rlimits_raise(const struct oci_process *process)
{
	for (size_t i = 0; i < process->rlimits_count; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];
		struct rlimit now;

		if (getrlimit(numbers[limit->type], &now) < 0 || limit->hard <= now.rlim_max)
			continue;
		now.rlim_max = limit->hard;
		if (setrlimit(numbers[limit->type], &now) < 0)
			log_debug("raise %s: %s", names_get(&oci_rlimit_names, (size_t)limit->type),
				  strerror(errno));
	}
}

int rlimits_set(const struct oci_process *process, struct error *err)
{
	for (size_t i = 0; i < process->rlimits_count; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];
		const struct rlimit value = { limit->soft, limit->hard };

		if (setrlimit(numbers[limit->type], &value) < 0)
			return error_sys(err, errno, "set rlimit %s",
					 names_get(&oci_rlimit_names, (size_t)limit->type));
	}
	return 0;
}
