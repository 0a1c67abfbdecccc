/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_config;
struct settings;

/* What a container says of the VM that it wants, over what moat.json says: the vm section of its
 * configuration (config-vm.md), and over that the annotations that moat.json allows. They are of
 * the caller's, as trusted as a command line, or of whoever the administrator trusts with them.
 * Pure. */
int wishes_apply(const struct oci_config *config, struct settings *settings, struct error *err);
