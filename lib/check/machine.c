/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

static const char *wish(const struct check *c)
{
	const char *forced = getenv("MOAT_HYPERVISOR");

	return forced && *forced ? forced : c->host->settings->vm.hypervisor;
}

const struct hypervisor *check_hypervisor(const struct check *c, const char **ret_program,
					  struct error *err)
{
	const struct hypervisor *driver;

	return hypervisor_choose(wish(c), &driver, ret_program, err) < 0 ? NULL : driver;
}

/* Where what is said comes from. */
static const char *origin(const struct check *c)
{
	const char *forced = getenv("MOAT_HYPERVISOR");

	if (forced && *forced)
		return ", by $MOAT_HYPERVISOR";
	return c->host->settings->vm.hypervisor ? ", by moat.json" : "";
}

static void check_program(struct check *c, const struct hypervisor *driver, const char *configured)
{
	const bool is_usual = driver == hypervisor_at(0);
	cleanup_free char *program = NULL;
	struct error err = ERROR_INIT;

	if (configured && !check_host_can(c, configured, X_OK))
		check_lacks_for_vm(c, xstrdup("correct 'vm.hypervisor' in moat.json, or remove it"),
				   "vm.hypervisor: no program '%s'", configured);
	else if (configured)
		check_ok(c, "%s%s", configured, origin(c));
	else if (driver->find_program(hv_host_arch(), c->host->root, &program, &err) < 0)
		check_lacks_for_vm(c,
				   is_usual ? check_install(c, PACKAGE_QEMU)
					    : xasprintf("install %s in /usr/bin or "
							"/usr/local/bin, or leave vm.hypervisor to "
							"moat",
							driver->name),
				   "%s", err.msg);
	else
		check_ok(c, "%s%s", program, origin(c));
}

static void check_qemu(struct check *c)
{
	const char *program;
	const struct hypervisor *driver = check_hypervisor(c, &program, NULL);

	if (driver == hypervisor_at(0))
		check_program(c, driver, program);
}

/* The others that could be asked for. */
static char *list_others(const struct check *c, const struct hypervisor *chosen)
{
	cleanup_strbuf struct strbuf names = STRBUF_INIT;
	const struct hypervisor *driver;

	for (size_t i = 0; (driver = hypervisor_at(i)); i++) {
		cleanup_free char *program = NULL;

		if (driver != chosen &&
		    driver->find_program(hv_host_arch(), c->host->root, &program, NULL) == 0)
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", driver->name);
	}
	return strbuf_steal(&names);
}

/* What follows from a choice that is not the usual one. */
static void check_choice(struct check *c)
{
	const char *program;
	struct error err = ERROR_INIT;
	const struct hypervisor *driver = check_hypervisor(c, &program, &err);
	cleanup_free char *others = list_others(c, driver);

	if (!driver)
		check_lacks_for_vm(c, xstrdup("name one that there is"), "%s", err.msg);
	else if (driver != hypervisor_at(0))
		check_program(c, driver, program);
	else
		check_ok(c, "%s, which can do most%s%s%s", driver->name,
			 *others ? "; by vm.hypervisor: " : "", others, origin(c));
}

/* Whether guests get their files by it: as in moat.json, or where their kernel has no 9p; of a VMM
 * that serves them itself they do not. */
static bool is_virtiofs_used(const struct check *c)
{
	const char *word =
		settings_word("MOAT_SHARE", &settings_share_names, c->host->settings->vm.share);
	const struct hypervisor *driver;
	struct guest_image image;
	unsigned int features;
	const char *program;
	bool is_used;

	driver = check_hypervisor(c, &program, NULL);
	features = driver ? driver->features : HV_FEATURE_9P | HV_FEATURE_VIRTIOFS;
	if (features & HV_FEATURE_SERVES_FILES)
		return false;
	if (word)
		return streq(word, "virtiofs");
	if (guest_image_load(c->host->image, &image, NULL) < 0)
		return false;
	is_used = image.has_virtiofs && (features & HV_FEATURE_VIRTIOFS) &&
		  !(image.has_9p && (features & HV_FEATURE_9P));
	guest_image_done(&image);
	return is_used;
}

static void check_virtiofsd(struct check *c)
{
	const char *program = hv_find_virtiofsd(c->host->root, NULL);
	bool is_used = is_virtiofs_used(c);

	if (program)
		check_ok(c, "%s%s", program, is_used ? "" : ", which guests here do without");
	else if (is_used)
		check_lacks_for_vm(c, check_install(c, PACKAGE_VIRTIOFSD),
				   "no virtiofsd, by which the guest gets its files");
	else
		check_warn(c, check_install(c, PACKAGE_VIRTIOFSD),
			   "no virtiofsd: guests get their files by 9p or from the VMM itself");
}

static const struct check_spec specs[] = {
	{ "QEMU", check_qemu },
	{ "hypervisor", check_choice },
	{ "virtiofsd", check_virtiofsd },
};
const struct check_field check_machine = CHECK_FIELD("machine", specs);
