/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/image.h"

#include "agent/image/cpio.h"
#include "agent/image/kconfig.h"
#include "lib/base/str.h"

static void add_list(struct cpio *cpio, const char *name, const struct strbuf *list)
{
	if (list->len)
		cpio_add_file(cpio, name, 0644, list->buf, list->len);
}

/* "NAME: WHAT IT NEEDS", "ALIAS NAME", and the names to load at boot, as agent/server/guest-modules.h
 * reads them. */
static void add_lists(struct cpio *cpio, const struct image_module *modules, size_t count,
		      char *const *at_boot)
{
	cleanup_strbuf struct strbuf dep = STRBUF_INIT;
	cleanup_strbuf struct strbuf alias = STRBUF_INIT;
	cleanup_strbuf struct strbuf boot = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		const struct image_module *m = &modules[i];

		strbuf_addf(&dep, "%s:", m->name);
		strv_each(name, m->info.before)
			strbuf_addf(&dep, " %s", name);
		strv_each(name, m->info.depends)
			strbuf_addf(&dep, " %s", name);
		strbuf_addch(&dep, '\n');
		strv_each(pattern, m->info.aliases)
			strbuf_addf(&alias, "%s %s\n", pattern, m->name);
	}
	strv_each(name, at_boot)
		strbuf_addf(&boot, "%s\n", name);
	add_list(cpio, "modules/modules.dep", &dep);
	add_list(cpio, "modules/modules.alias", &alias);
	add_list(cpio, "modules/modules.boot", &boot);
}

void image_pack(const char *agent, size_t agent_len, const struct image_module *modules,
		size_t count, char *const *at_boot, struct strbuf *ret)
{
	cleanup_cpio struct cpio cpio = CPIO_INIT;

	/* What the kernel opens as the first standard streams. The agent makes its directories in a
	 * root of its own, and leaves this one behind if it is told that nothing else is in it. */
	cpio_add_dir(&cpio, "dev", 0755);
	cpio_add_char_device(&cpio, "dev/console", 0600, 5, 1);
	cpio_add_file(&cpio, "init", 0755, agent, agent_len);
	if (count)
		cpio_add_dir(&cpio, "modules", 0755);
	else
		cpio_add_file(&cpio, "agent-alone", 0644, "", 0);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *path = xasprintf("modules/%s.ko", modules[i].name);

		cpio_add_file(&cpio, path, 0644, modules[i].data, modules[i].len);
	}
	add_lists(&cpio, modules, count, at_boot);
	cpio_finish(&cpio);
	strbuf_done(ret);
	*ret = cpio.out;
	cpio.out = (struct strbuf)STRBUF_INIT;
}

/* What the agent needs before it has files from the host, devices that a machine may have or get
 * later, and file systems. A module that is not needed costs its size in memory, nothing else. */
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
	{ "VIRTIO_NET", "virtio_net" },
	{ "VIRTIO_BLK", "virtio_blk" },
	{ "VIRTIO_BALLOON", "virtio_balloon" },
	{ "SCSI_VIRTIO", "virtio_scsi" },
	{ "BLK_DEV_SD", "sd_mod" },
	{ "OVERLAY_FS", "overlay" },
	{ "EXT4_FS", "ext4" },
	{ "EROFS_FS", "erofs" },
};

char **image_wanted_modules(const struct kconfig *config)
{
	char **wanted = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(guest_modules); i++)
		if (kconfig_value(config, guest_modules[i].symbol) == 'm')
			strv_push(&wanted, xstrdup(guest_modules[i].module));
	return wanted;
}
