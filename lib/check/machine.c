/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

static const char *wish(const struct check *c)
{
	return settings_hypervisor(&c->host->settings->vm);
}

static bool is_auto(const struct check *c)
{
	return streq_null(wish(c), HYPERVISOR_AUTO);
}

/* Of another host only what can be seen from outside. */
static void probe_kvm(const struct check *c, struct kvm_fitness *ret)
{
	if (!*c->host->root) {
		kvm_probe(c->host->cache_dir, ret);
		return;
	}
	*ret = (struct kvm_fitness){
		.is_fit = check_host_can(c, "/dev/kvm", R_OK | W_OK),
		.reason = "no /dev/kvm",
	};
}

/* An index into @names, or @otherwise. */
static int find_word(const struct names *names, const char *word, int otherwise)
{
	int found = word ? names_find(names, word) : -1;

	return found < 0 ? otherwise : found;
}

/* For a container that asks for nothing particular. -ENOTSUP: no driver is fit; anything else is of
 * the guest image. */
static int select_driver(const struct check *c, const struct hypervisor **ret, char **ret_why,
			 struct error *err)
{
	const struct settings_vm *vm = &c->host->settings->vm;
	struct guest_image image;
	struct kvm_fitness kvm;
	struct hv_needs needs = {
		.guest = &image,
		.accel = (enum hv_accel)find_word(
			&hv_accel_names,
			settings_word("MOAT_ACCEL", &settings_accelerator_names, vm->accelerator),
			HV_ACCEL_AUTO),
		.share = find_word(&hv_share_names,
				   settings_word("MOAT_SHARE", &settings_share_names, vm->share),
				   HV_SHARE_COUNT),
		.features = (vm->memory_max_mib.is_set ? HV_FEATURE_RESIZE_MEMORY : 0u) |
			    (vm->vcpus_max.is_set ? HV_FEATURE_RESIZE_VCPUS : 0u),
		.kvm = &kvm,
		.root = c->host->root,
	};
	int r = guest_image_load(c->host->image, &image, err);

	if (r < 0)
		return r;
	probe_kvm(c, &kvm);
	r = hypervisor_select(&needs, ret, ret_why, err);
	guest_image_done(&image);
	return r;
}

const struct hypervisor *check_hypervisor(const struct check *c, const char **ret_program,
					  struct error *err)
{
	const struct hypervisor *driver;

	*ret_program = NULL;
	if (is_auto(c))
		return select_driver(c, &driver, NULL, err) < 0 ? NULL : driver;
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

/* The others that could be asked for and run guests here. */
static char *list_others(const struct check *c, const struct hypervisor *chosen)
{
	cleanup_strbuf struct strbuf names = STRBUF_INIT;
	const struct hypervisor *driver;
	struct kvm_fitness kvm;

	probe_kvm(c, &kvm);
	for (size_t i = 0; (driver = hypervisor_at(i)); i++) {
		cleanup_free char *program = NULL;

		if (driver != chosen && (kvm.is_fit || (driver->features & HV_FEATURE_TCG)) &&
		    driver->find_program(hv_host_arch(), c->host->root, &program, NULL) == 0)
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", driver->name);
	}
	return strbuf_steal(&names);
}

/* What follows from a choice that is not the usual one. */
static void check_named_choice(struct check *c)
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

static void check_selection(struct check *c)
{
	cleanup_free char *why = NULL;
	struct error err = ERROR_INIT;
	const struct hypervisor *driver;
	int r = select_driver(c, &driver, &why, &err);

	if (r == 0)
		check_ok(c, HYPERVISOR_AUTO ": %s%s%s%s%s", driver->name, *why ? " (" : "", why,
			 *why ? ")" : "", origin(c));
	else if (r == -ENOTSUP)
		check_lacks_for_vm(c, check_install(c, PACKAGE_QEMU), "%s", err.msg);
}

static void check_choice(struct check *c)
{
	if (is_auto(c))
		check_selection(c);
	else
		check_named_choice(c);
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
