/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_config;
struct settings;

/* What a container's annotations say of the VM that it wants, over what moat.json says, and as far
 * as that allows. Pure. */
int wishes_apply(const struct oci_config *config, struct settings *settings, struct error *err);
