/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

static void check_image(struct check *c)
{
	struct error err = ERROR_INIT;
	struct guest_image image;

	if (guest_image_load(c->host->image, &image, &err) < 0) {
		check_lacks_for_vm(c, xasprintf("moat-image build --output %s", c->host->image),
				   "%s", err.msg);
		return;
	}
	check_ok(c, "%s", c->host->image);
	guest_image_done(&image);
}

static void say_kernel(struct check *c, const struct guest_image *image)
{
	if (!image->has_9p && !image->has_virtiofs)
		check_lacks_for_vm(c,
				   xasprintf("moat-image check-kernel --kernel %s", image->kernel),
				   "Linux %s has neither 9p nor virtiofs", image->release);
	else
		check_ok(c, "Linux %s, files by %s%s", image->release,
			 image->has_9p ? "9p" : "virtiofs",
			 image->is_elf && image->has_mmio ? ", on a microvm" : "");
}

static void check_guest_kernel(struct check *c)
{
	const char *configured = c->host->settings->vm.kernel;
	struct guest_image image;

	if (configured && !check_host_can(c, configured, R_OK)) {
		check_lacks_for_vm(c, xstrdup("correct 'vm.kernel' in moat.json, or remove it"),
				   "vm.kernel: '%s' cannot be read", configured);
		return;
	}
	if (configured) {
		check_ok(c, "%s, by moat.json", configured);
		return;
	}
	if (guest_image_load(c->host->image, &image, NULL) < 0)
		return; /* which the line before this one says */
	say_kernel(c, &image);
	guest_image_done(&image);
}

static const struct check_spec specs[] = {
	{ "image", check_image },
	{ "kernel", check_guest_kernel },
};
const struct check_field check_guest = CHECK_FIELD("guest", specs);
