/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/pending.h"

#include <errno.h>

#include "lib/base/loop.h"

void pending_answer(void *ctx, const void *response, const struct error *err)
{
	struct pending *pending = ctx;

	if (err)
		pending->err = *err;
	pending->is_done = true;
}

int pending_await(struct loop *loop, const struct pending *pending, struct error *err)
{
	int r = loop_run_until(loop, &pending->is_done, -1);

	if (!pending->is_done)
		return error_set(err, r < 0 ? r : -EPIPE, "the virtual machine ended");
	*err = pending->err;
	return err->code;
}
