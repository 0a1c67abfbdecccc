/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include "oci/tables.h"

/* The vm section of config.json (config-vm.md). */

static const struct field program_table[] = {
	FIELD(struct oci_vm_program, "path", STRING, path),
	FIELD(struct oci_vm_program, "parameters", STRINGS, parameters),
};
static const struct fields program_fields = FIELDS(struct oci_vm_program, program_table);

static const struct field kernel_table[] = {
	FIELD(struct oci_vm_kernel, "path", STRING, path),
	FIELD(struct oci_vm_kernel, "parameters", STRINGS, parameters),
	FIELD(struct oci_vm_kernel, "initrd", STRING, initrd),
};
static const struct fields kernel_fields = FIELDS(struct oci_vm_kernel, kernel_table);

static const struct field image_table[] = {
	FIELD(struct oci_vm_image, "path", STRING, path),
	FIELD(struct oci_vm_image, "format", STRING, format),
};
static const struct fields image_fields = FIELDS(struct oci_vm_image, image_table);

static const struct field io_memory_table[] = {
	FIELD(struct oci_vm_io_memory, "firstGFN", OPT_U64, first_gfn),
	FIELD_ALWAYS(struct oci_vm_io_memory, "firstMFN", U64, first_mfn),
	FIELD_ALWAYS(struct oci_vm_io_memory, "nrMFNs", U64, count),
};
static const struct fields io_memory_fields = FIELDS(struct oci_vm_io_memory, io_memory_table);

static const struct field hw_config_table[] = {
	FIELD(struct oci_vm_hw_config, "deviceTree", STRING, device_tree),
	FIELD(struct oci_vm_hw_config, "vcpus", OPT_U32, vcpus),
	FIELD(struct oci_vm_hw_config, "memory", OPT_U64, memory),
	FIELD(struct oci_vm_hw_config, "dtdevs", STRINGS, dt_devs),
	FIELD_OBJECTS(struct oci_vm_hw_config, "iomems", io_memory, &io_memory_fields),
	FIELD_U32S(struct oci_vm_hw_config, "irqs", irqs),
};
static const struct fields hw_config_fields = FIELDS(struct oci_vm_hw_config, hw_config_table);

static const struct field vm_table[] = {
	FIELD_OBJECT(struct oci_vm, "hypervisor", OPT_OBJECT, hypervisor, &program_fields),
	FIELD_OBJECT(struct oci_vm, "kernel", OPT_OBJECT, kernel, &kernel_fields),
	FIELD_OBJECT(struct oci_vm, "image", OPT_OBJECT, image, &image_fields),
	FIELD_OBJECT(struct oci_vm, "hwConfig", OPT_OBJECT, hw_config, &hw_config_fields),
};
const struct fields oci_vm_fields = FIELDS(struct oci_vm, vm_table);
