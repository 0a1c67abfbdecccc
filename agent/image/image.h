/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/image/modules.h"

struct error;
struct guest_image;
struct kconfig;

/*
 * The guest's files made from a kernel and the agent: OUTPUT/kernel, OUTPUT/initramfs, and
 * OUTPUT/guest.json, which is written last and says what the other two are. The same inputs give
 * the same bytes. Progress is logged at level info.
 */
struct image_request {
	const char *kernel;  /* a file; NULL: of the newest version in /boot */
	const char *release; /* its uname -r; NULL: found in the file or its name */
	const char *config;  /* NULL: inside the kernel, or "config-…" beside "vmlinuz-…" */
	const char *modules; /* like /lib/modules/RELEASE; NULL: looked for near the kernel */
	char *const *extra_modules; /* packed and loaded at boot; strv */
	const char *agent;	    /* the guest's /init */
	const char *output;
};
int image_build(const struct image_request *request, struct error *err);

/* What kconfig_check() finds of the kernel that image_build() would take, and what such a guest
 * could do; no modules are read. *ret_lacks: kernel_lacks_done(), *ret_image:
 * guest_image_done(). */
struct kernel_lacks;
int image_check_kernel(const struct image_request *request, struct kernel_lacks *ret_lacks,
		       struct guest_image *ret_image, struct error *err);

/* Pure: the initramfs of @agent and the modules, which are loaded when they are needed and before
 * that in no case, but for those in the strv @at_boot (agent/server/guest-modules.h). The initramfs
 * is a root that holds nothing but them and the directories to mount on. */
struct image_module {
	const char *name;
	const char *data;
	size_t len;
	struct module_info info;
};
struct strbuf;
void image_pack(const char *agent, size_t agent_len, const struct image_module *modules,
		size_t count, char *const *at_boot, struct strbuf *ret);

/* The modules to pack for a kernel that has them as such; strv, in no order. Pure. */
char **image_wanted_modules(const struct kconfig *config);
