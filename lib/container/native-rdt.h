/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct container;
struct error;
struct intel_rdt;
struct intel_rdt_stats;
struct oci_intel_rdt;

/*
 * linux.intelRdt of a native container: where resctrl is, and what of it goes with the container
 * (in its record). Without that part of the configuration there is nothing to do.
 */
/* Makes what is asked for; *ret, empty without it, is for intel_rdt_attach(). */
int native_rdt_create(struct container *c, struct intel_rdt *ret, struct error *err);
int native_rdt_update(const struct container *c, const struct oci_intel_rdt *changes,
		      struct error *err);
/* -ENODATA: it has none. */
int native_rdt_stats(const struct container *c, struct intel_rdt_stats *ret, struct error *err);
/* Of a container that has ended; missing is fine. */
int native_rdt_remove(const struct container *c, struct error *err);
