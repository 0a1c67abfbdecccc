/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "hypervisor/hypervisor.h"

struct error;

/*
 * Firecracker opens a tap by its name, in the network namespace that it is in, and a tap has one
 * holder. So it is lent: made to outlive its holder, let go of, and made mortal again once
 * Firecracker has it.
 */
struct fc_taps {
	char *names[HV_NICS_MAX + 1]; /* a strv */
	size_t lent;
};

/* Lends the taps of @nics, whose descriptors are /dev/null's from then on: the caller can still
 * close them. */
int fc_taps_lend(const struct hv_nic *nics, size_t count, struct fc_taps *taps, struct error *err);
/* They end with the process of @pidfd from here on, which has them open. */
int fc_taps_bind(struct fc_taps *taps, const struct hv_vm *vm, struct error *err);
/* Those that were lent and not bound are gone. */
void fc_taps_done(struct fc_taps *taps);
