/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/fields.h"

/* Field tables that one file of oci/ defines and another one embeds. */
extern const struct fields oci_id_mapping_fields; /* config.c */
extern const struct fields oci_hooks_fields;	  /* config.c */
extern const struct fields oci_linux_fields;	  /* linux.c */
extern const struct fields oci_vm_fields;	  /* vm.c */
