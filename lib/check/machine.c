/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

static void check_qemu(struct check *c)
{
	const char *configured = c->host->settings->vm.hypervisor;
	cleanup_free char *program = NULL;
	struct error err = ERROR_INIT;

	if (configured && !check_host_can(c, configured, X_OK))
		check_lacks_for_vm(c, xstrdup("correct 'vm.hypervisor' in moat.json, or remove it"),
				   "vm.hypervisor: no program '%s'", configured);
	else if (configured)
		check_ok(c, "%s, by moat.json", configured);
	else if (hypervisor_qemu.find_program(c->host->root, &program, &err) < 0)
		check_lacks_for_vm(c, check_install(c, PACKAGE_QEMU), "%s", err.msg);
	else
		check_ok(c, "%s", program);
}

/* Whether guests get their files by it: as in moat.json, or where their kernel has no 9p. */
static bool is_virtiofs_used(const struct check *c)
{
	const char *word =
		settings_word("MOAT_SHARE", &settings_share_names, c->host->settings->vm.share);
	struct guest_image image;
	bool is_used;

	if (word)
		return streq(word, "virtiofs");
	if (guest_image_load(c->host->image, &image, NULL) < 0)
		return false;
	is_used = image.has_virtiofs && !image.has_9p;
	guest_image_done(&image);
	return is_used;
}

static void check_virtiofsd(struct check *c)
{
	const char *program = hv_find_virtiofsd(c->host->root, NULL);
	bool is_used = is_virtiofs_used(c);

	if (program)
		check_ok(c, "%s%s", program, is_used ? "" : ", which guests with 9p do without");
	else if (is_used)
		check_lacks_for_vm(c, check_install(c, PACKAGE_VIRTIOFSD),
				   "no virtiofsd, by which the guest gets its files");
	else
		check_warn(c, check_install(c, PACKAGE_VIRTIOFSD),
			   "no virtiofsd: guests get their files by 9p");
}

static const struct check_spec specs[] = {
	{ "QEMU", check_qemu },
	{ "virtiofsd", check_virtiofsd },
};
const struct check_field check_machine = CHECK_FIELD("machine", specs);
