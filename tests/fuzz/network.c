/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/net/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The kernel writes the messages, but names and addresses in them are others'. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *answer = xmemdup(data, size);
	cleanup_network struct network network = { 0 };
	cleanup_net_plan struct net_plan plan = { 0 };
	cleanup_free char *text = NULL;
	int left = (int)size;

	for (const struct nlmsghdr *m = (void *)answer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
		(void)network_add_message(&network, m); /* one that is refused ends nothing */
	if (net_plan_make(&network, &plan, NULL) < 0)
		return 0;
	text = net_plan_text(&plan);
	if (plan.endpoints_count && !*text)
		abort();
	return 0;
}
