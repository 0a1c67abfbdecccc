/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Which security modules are in force on this kernel. */
bool lsm_has_apparmor(void);
bool lsm_has_selinux(void);
