/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_process;

/* process.rlimits. */

/* Pure. */
int rlimits_check(const struct oci_process *process, struct error *err);

/* Raising a hard limit takes CAP_SYS_RESOURCE in the first user namespace: so it is done, as far as
 * possible, before another one is entered. What is only raised cannot disturb our own work. */
void rlimits_raise(const struct oci_process *process);

/* All of it, late, because they hold for the runtime's own work too, and before capabilities
 * go. */
int rlimits_set(const struct oci_process *process, struct error *err);
