/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "agent/image/kconfig.h"
#include "agent/image/kernel.h"
#include "agent/image/modules.h"
#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_kernel(const char *data, size_t size)
{
	struct kernel_file kernel = { 0 };

	if (kernel_file_parse("kernel", xmemdup(data, size), size, &kernel, NULL) == 0)
		kernel_file_done(&kernel);
}

static void try_config(const char *data, size_t size)
{
	cleanup_kernel_lacks struct kernel_lacks lacks = { 0 };
	struct kconfig *config;

	if (kconfig_parse("config", data, size, &config, NULL) < 0)
		return;
	kconfig_check(config, &lacks);
	if (lacks.required_count > lacks.count)
		abort();
	kconfig_free(config);
}

static void try_module(const char *data, size_t size)
{
	struct module_info info = { 0 };

	if (module_parse_info(data, size, &info) == 0)
		module_info_done(&info);
}

static void try_manifest(const char *data, size_t size)
{
	struct guest_image image = { 0 };
	struct error err = ERROR_INIT;

	if (guest_image_parse("/image", "guest.json", data, size, &image, &err) == 0)
		guest_image_done(&image);
	else if (!*err.msg)
		abort();
}

/* What a guest image is made of and described by; the first byte chooses the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const files[])(const char *data, size_t size) = {
		try_kernel,
		try_config,
		try_module,
		try_manifest,
	};

	if (!size)
		return 0;
	files[data[0] % ARRAY_SIZE(files)]((const char *)data + 1, size - 1);
	return 0;
}
