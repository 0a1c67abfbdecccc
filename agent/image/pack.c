/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/image.h"

#include "agent/image/cpio.h"
#include "agent/image/kconfig.h"
#include "lib/base/str.h"

/* Where the agent mounts; and what the kernel opens as its first standard streams. */
static const char *const directories[] = { "dev", "proc", "sys", "run", "tmp", "modules" };

#define MODULES_LIST "modules.list"

void image_pack(const char *agent, size_t agent_len, const struct image_module *modules,
		size_t count, struct strbuf *ret)
{
	cleanup_cpio struct cpio cpio = CPIO_INIT;
	cleanup_strbuf struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		cpio_add_dir(&cpio, directories[i], 0755);
	cpio_add_char_device(&cpio, "dev/console", 0600, 5, 1);
	cpio_add_file(&cpio, "init", 0755, agent, agent_len);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *path = xasprintf("modules/%s.ko", modules[i].name);

		cpio_add_file(&cpio, path, 0644, modules[i].data, modules[i].len);
		strbuf_addf(&list, "/%s\n", path);
	}
	if (count)
		cpio_add_file(&cpio, MODULES_LIST, 0644, list.buf, list.len);
	cpio_finish(&cpio);
	strbuf_done(ret);
	*ret = cpio.out;
	cpio.out = (struct strbuf)STRBUF_INIT;
}

/* What the agent needs before it has files from the host, and what containers need that nothing
 * would load on demand: there is no modprobe in the guest. */
static const struct {
	const char *symbol;
	const char *module;
} guest_modules[] = {
	{ "VIRTIO_PCI", "virtio_pci" },
	{ "VIRTIO_MMIO", "virtio_mmio" },
	{ "VIRTIO_CONSOLE", "virtio_console" },
	{ "VIRTIO_VSOCKETS", "vmw_vsock_virtio_transport" },
	{ "VIRTIO_FS", "virtiofs" },
	{ "NET_9P_VIRTIO", "9pnet_virtio" },
	{ "9P_FS", "9p" },
	{ "HW_RANDOM_VIRTIO", "virtio_rng" },
	{ "OVERLAY_FS", "overlay" },
};

char **image_wanted_modules(const struct kconfig *config)
{
	char **wanted = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(guest_modules); i++)
		if (kconfig_value(config, guest_modules[i].symbol) == 'm')
			strv_push(&wanted, xstrdup(guest_modules[i].module));
	return wanted;
}
