/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/filter-load.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/engine/filter.h"
#include "lib/engine/sync.h"
#include "lib/linux/seccomp-program.h"

int filter_receive(struct sync *sync, struct sock_fprog *ret, struct error *err)
{
	cleanup_fd int fd = -1;
	int r = sync_wait_fd(sync, SYNC_FILTER, &fd, err);

	if (r < 0)
		return r;
	r = seccomp_program_read(fd, ret);
	return r < 0 ? error_sys(err, r, "read seccomp filter") : 0;
}

static int load(const struct filter_plan *plan, const struct sock_fprog *program)
{
	int r = seccomp_program_load(program, plan->flags | plan->optional_flags);

	if (r == -EINVAL && plan->optional_flags)
		r = seccomp_program_load(program, plan->flags);
	return r;
}

/* At first only its number: sendmsg(2), which carries descriptors, is a call that profiles ask
 * agents about. Held on to, it would keep calls waiting for an agent that has given up. */
static int hand_over(int listener, struct sync *sync, struct error *err)
{
	int is_taken = 0;
	int r = sync_send_number(sync, SYNC_LISTENER, listener, err);

	if (r == 0)
		r = sync_wait_number(sync, SYNC_LISTENER_TAKEN, &is_taken, err);
	if (r == 0 && !is_taken)
		r = sync_send_fd(sync, SYNC_LISTENER_SENT, listener, err);
	(void)close(listener); /* may be refused by now; it does not outlive execve(2) */
	return r;
}

int filter_load(const struct filter_plan *plan, const struct sock_fprog *program, struct sync *sync,
		struct error *err)
{
	int r = load(plan, program);

	if (r == -EBUSY && plan->has_listener)
		return error_set(err, r, "load seccomp filter: another one around has a listener");
	if (r < 0)
		return error_sys(err, r, "load seccomp filter");
	sync->is_child = true;
	return plan->has_listener ? hand_over(r, sync, err) : 0;
}
