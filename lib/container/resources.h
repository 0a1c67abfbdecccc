/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_resources;

/*
 * linux.resources as `update` changes them. Pure.
 */

/* *ret: a copy of @given without what changes nothing (limits of 0, empty lists) and what `update`
 * never changes (devices), and with what has to be said together, from @present: memory with swap,
 * quota with period and burst, realtime with its period. fields_release() it. */
void resources_plan_changes(const struct oci_resources *given, const struct oci_resources *present,
			    struct oci_resources *ret);

/* Puts what @changes sets into @resources. */
int resources_merge(struct oci_resources *resources, const struct oci_resources *changes,
		    struct error *err);
