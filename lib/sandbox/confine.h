/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Gives up for good every capability that is not in @keep (a mask), for this process and all it
 * will start. */
int confine_self(uint64_t keep, struct error *err);

/* Takes every capability that is not in @keep from the programs that this process will start,
 * root's too; what the process itself has stays. */
int confine_children(uint64_t keep, struct error *err);

/* What a VMM that serves files (9p) must be able to do, and with @with_virtiofsd that daemon, which
 * confines itself further. */
uint64_t confine_vmm_caps(bool with_virtiofsd);
