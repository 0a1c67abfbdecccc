/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/preserved.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/base/error.h"

int preserved_check(unsigned int count, struct error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		int flags = fcntl(3 + (int)i, F_GETFD);

		/* What execve(2) left to us cannot be close-on-exec, and all that we open is. */
		if (flags < 0 || (flags & FD_CLOEXEC))
			return error_set(err, -EBADF, "unable to stat preserved-fd %u (of %u)", i,
					 count);
	}
	return 0;
}
