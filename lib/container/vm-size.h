/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct container;
struct error;
struct oci_resources;

/*
 * A VM that was started with room to grow follows the limits of the containers in it; any other one
 * keeps its size, which is warned of.
 */

/* Whether these limits say anything of a VM's size. */
bool vm_size_is_limited(const struct oci_resources *resources);

/* Makes the VM of @c, or the one that it is to join, as large as its containers need together, with
 * c->config as it is to be; and before that the limit of its VMM on the host. Only that can fail: a
 * VM that does not grow still obeys every limit. */
int vm_size_fit(const struct container *c, struct error *err);
