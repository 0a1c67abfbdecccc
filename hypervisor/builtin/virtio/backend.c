/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/backend.h"

#include "lib/base/log.h"

void backend_want(struct backend *b, uint32_t events)
{
	if (b->source)
		loop_set_events(b->source, events);
	else if (loop_add_fd(b->loop, b->fd, events, b->fn, b->ctx, &b->source) < 0)
		log_warning("a descriptor of a device cannot be waited for");
}

void backend_ignore(struct backend *b)
{
	loop_remove(b->source);
	b->source = NULL;
}
