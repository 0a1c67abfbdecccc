/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct oci_config;

/* A configuration that has this linux.seccomp, and what every one needs. */
struct oci_config *profile_parse(const char *seccomp);
