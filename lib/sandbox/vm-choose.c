/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/vm.h"
#include "lib/settings/settings.h"

/* Which machine it is to be: what the command line, the environment, moat.json and annotations say,
 * and what the host and the guest image can. */

/* Else the verdict on KVM is not cached. */
static void make_cache_dir(const char *path)
{
	(void)mkdir(path, 0700);
}

/* A choice by the environment or moat.json (@text, or NULL). */
static int forced_choice(const char *variable, const char *text, const struct names *names,
			 int otherwise, int *ret, struct error *err)
{
	int r;

	*ret = otherwise;
	if (!text)
		return 0;
	r = names_find(names, text);
	if (r < 0)
		return error_set(err, -EINVAL, "%s: no such choice: '%s'", variable, text);
	*ret = r;
	return 0;
}

static int wanted_share(const struct settings_vm *settings, int otherwise, int *ret,
			struct error *err)
{
	const char *word = settings_word("MOAT_SHARE", &settings_share_names, settings->share);

	return forced_choice("MOAT_SHARE", word, &hv_share_names, otherwise, ret, err);
}

/* What is said of machine and host, the most particular first; NULL: nothing. */
static const char *wanted_hypervisor(const struct settings_vm *settings, const char *program)
{
	return program ? program : settings_hypervisor(settings);
}

static bool can_share(const struct hypervisor *driver)
{
	return driver->features & (HV_FEATURE_9P | HV_FEATURE_VIRTIOFS);
}

int vm_shares_nothing(const struct settings_vm *settings, const char *program, bool *ret,
		      struct error *err)
{
	const char *wish = wanted_hypervisor(settings, program);
	const struct hypervisor *driver;
	int otherwise = HV_SHARE_COUNT, share, r = 0;

	/* Who chooses by itself takes one that shares files, unless that is not wanted. */
	if (!streq_null(wish, HYPERVISOR_AUTO)) {
		r = hypervisor_choose(wish, &driver, &program, err);
		if (r == 0 && !can_share(driver))
			otherwise = HV_SHARE_NONE;
	}
	if (r == 0)
		r = wanted_share(settings, otherwise, &share, err);
	if (r == 0)
		*ret = share == HV_SHARE_NONE;
	return r;
}

static int choose_share(struct vm *vm, const struct settings_vm *settings, struct error *err)
{
	const int best = (int)hv_best_share(vm->driver, &vm->guest);
	int share = HV_SHARE_NONE, r = 0;

	if (!vm->shape)
		r = wanted_share(settings, best, &share, err);
	if (r < 0)
		return r;
	if (share == HV_SHARE_COUNT)
		return error_set(err, -ENOTSUP,
				 "guest kernel '%s' has neither 9p nor virtiofs%s%s\n"
				 "hint: with vm.share 'none' it gets its files as disks",
				 vm->guest.release,
				 vm->driver->features & HV_FEATURE_9P ? "" : " that serves ",
				 vm->driver->features & HV_FEATURE_9P ? "" : vm->driver->name);
	vm->share = (enum hv_share)share;
	return 0;
}

/* HV_ARCH_COUNT: whichever the guest image has. */
static int wanted_arch(const struct vm *vm, const struct sandbox_machine *machine,
		       enum hv_arch *ret, struct error *err)
{
	const char *word = settings_word("MOAT_GUEST_ARCH", &settings_guest_arch_names,
					 vm->settings->guest_arch);
	int arch = machine->arch, r = 0;

	if (word && !streq(word, "auto"))
		r = forced_choice("MOAT_GUEST_ARCH", word, &hv_arch_names, arch, &arch, err);
	*ret = (enum hv_arch)arch;
	return r;
}

/* Another kernel is of one of two formats, which its first bytes tell. */
static int replace_kernel(struct guest_image *guest, const char *path, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char magic[4] = "";

	if (fd < 0)
		return error_sys(err, errno, "open guest kernel '%s'", path);
	if (read(fd, magic, sizeof(magic)) < 0)
		return error_sys(err, errno, "read guest kernel '%s'", path);
	guest->is_elf = memcmp(magic, "\177ELF", sizeof(magic)) == 0;
	free(guest->kernel);
	guest->kernel = xstrdup(path);
	return 0;
}

static int choose_guest(struct vm *vm, const struct settings_vm *settings,
			const struct sandbox_machine *machine, struct error *err)
{
	const char *wish = getenv("MOAT_GUEST");
	bool is_configured = !(wish && *wish) && settings->image;
	enum hv_arch arch;
	int r = wanted_arch(vm, machine, &arch, err);

	if (r == 0)
		r = guest_image_load_for(is_configured ? settings->image : NULL, arch, &vm->guest,
					 err);
	if (r == 0 && settings->initrd) {
		free(vm->guest.initrd);
		vm->guest.initrd = xstrdup(settings->initrd);
	}
	return r == 0 && settings->kernel ? replace_kernel(&vm->guest, settings->kernel, err) : r;
}

/* The container's own wishes (config-vm.md). */
static int customize_guest(struct vm *vm, const struct sandbox_machine *machine, struct error *err)
{
	if (machine->initrd || machine->has_own_root) {
		free(vm->guest.initrd);
		vm->guest.initrd = machine->initrd ? xstrdup(machine->initrd) : NULL;
	}
	return machine->kernel ? replace_kernel(&vm->guest, machine->kernel, err) : 0;
}

/* Code of one kernel goes on in the memory of the saved machine, whatever is loaded here; but
 * another one may not serve the same machine. */
static int check_shape(const struct vm *vm, struct error *err)
{
	if (!vm->shape || streq(vm->guest.release, vm->shape->kernel))
		return 0;
	return error_set(err, -EINVAL,
			 "it was saved with guest kernel '%s', the guest image has '%s'",
			 vm->shape->kernel, vm->guest.release);
}

static int wanted_accel(const struct vm *vm, int *ret, struct error *err)
{
	const char *word =
		settings_word("MOAT_ACCEL", &settings_accelerator_names, vm->settings->accelerator);

	if (!vm->shape)
		return forced_choice("MOAT_ACCEL", word, &hv_accel_names, HV_ACCEL_AUTO, ret, err);
	*ret = names_find(&hv_accel_names, vm->shape->accelerator);
	if (*ret < 0)
		return error_set(err, -EINVAL, SHAPE_NAME ": accelerator: no such choice: '%s'",
				 vm->shape->accelerator);
	return 0;
}

static unsigned int needed_features(const struct vm *vm, const struct sandbox_machine *machine)
{
	const struct settings_vm *settings = vm->settings;
	unsigned int features = 0;

	if (settings->memory_max_mib.is_set)
		features |= HV_FEATURE_RESIZE_MEMORY;
	if (settings->vcpus_max.is_set)
		features |= HV_FEATURE_RESIZE_VCPUS;
	if (settings->template_use == TEMPLATE_ON)
		features |= HV_FEATURE_MEMORY_FILE;
	return machine->has_members ? features | HV_FEATURE_PLUG : features;
}

/* The best for this machine. */
static int select_driver(struct vm *vm, const char *cache_dir,
			 const struct sandbox_machine *machine, struct error *err)
{
	const char *const *parameters = (const char *const *)vm->settings->hypervisor_parameters;
	struct kvm_fitness kvm = { 0 };
	struct hv_needs needs = {
		.guest = &vm->guest,
		.features = needed_features(vm, machine),
		.kvm = &kvm,
		.root = "",
	};
	int accel, r = wanted_accel(vm, &accel, err);

	if (r == 0 && parameters && *parameters)
		r = error_set(err, -EINVAL,
			      "vm.hypervisor_parameters: vm.hypervisor '" HYPERVISOR_AUTO
			      "' does not tell what they are for");
	if (r == 0)
		r = wanted_share(vm->settings, HV_SHARE_COUNT, &needs.share, err);
	if (r < 0)
		return r;
	needs.accel = (enum hv_accel)accel;
	if (needs.accel != HV_ACCEL_TCG) {
		make_cache_dir(cache_dir);
		kvm_probe(cache_dir, &kvm);
	}
	return hypervisor_select(&needs, &vm->driver, NULL, err);
}

/* What one has saved no other reads. */
static int choose_old_driver(struct vm *vm, const char *wish, struct error *err)
{
	const char *name = vm->shape->hypervisor;
	int r;

	if (!wish || streq(wish, HYPERVISOR_AUTO))
		wish = name;
	r = hypervisor_choose(wish, &vm->driver, &vm->program, err);
	if (r < 0)
		return r;
	if (name && !streq(vm->driver->name, name))
		return error_set(err, -ENOTSUP,
				 "it was saved by hypervisor '%s', which '%s' is not\n"
				 "hint: without a choice of vm.hypervisor it is that one",
				 name, vm->driver->name);
	if (!(vm->driver->features & HV_FEATURE_SAVE))
		return error_set(err, -ENOTSUP, "hypervisor '%s' cannot go on from a saved machine",
				 vm->driver->name);
	return 0;
}

static int choose_driver(struct vm *vm, const char *cache_dir, const struct settings_vm *settings,
			 const struct sandbox_machine *machine, struct error *err)
{
	const char *wish = wanted_hypervisor(settings, machine->program);

	if (vm->shape)
		return choose_old_driver(vm, wish, err);
	if (streq_null(wish, HYPERVISOR_AUTO))
		return select_driver(vm, cache_dir, machine, err);
	return hypervisor_choose(wish, &vm->driver, &vm->program, err);
}

static bool is_foreign(const struct guest_image *guest)
{
	return guest->arch != (int)hv_host_arch();
}

/* One that emulates nothing leaves no choice, nor does a guest that no KVM here can run. */
static int limit_accel(const struct vm *vm, int *wanted, struct error *err)
{
	const char *arch = names_get(&hv_arch_names, (size_t)vm->guest.arch);

	if (is_foreign(&vm->guest) && *wanted == HV_ACCEL_KVM)
		return error_set(err, -ENOTSUP, "accelerator 'kvm': none for a guest of %s here",
				 arch);
	if (is_foreign(&vm->guest))
		*wanted = HV_ACCEL_TCG;
	if (vm->driver->features & HV_FEATURE_TCG)
		return 0;
	if (is_foreign(&vm->guest))
		return error_set(err, -ENOTSUP, "hypervisor '%s': none for a guest of %s here",
				 vm->driver->name, arch);
	if (*wanted == HV_ACCEL_TCG)
		return error_set(err, -ENOTSUP, "hypervisor '%s': no software emulation",
				 vm->driver->name);
	*wanted = HV_ACCEL_KVM;
	return 0;
}

static int choose_accel(struct vm *vm, const char *cache_dir, struct error *err)
{
	int wanted, r = wanted_accel(vm, &wanted, err);

	if (r == 0)
		r = limit_accel(vm, &wanted, err);
	if (r < 0)
		return r;
	make_cache_dir(cache_dir);
	r = hv_choose_accel((enum hv_accel)wanted, cache_dir, &vm->accel, err);
	if (r < 0 && !(vm->driver->features & HV_FEATURE_TCG))
		return error_wrap(err, r, "hypervisor '%s'", vm->driver->name);
	return r;
}

int vm_choose(struct vm *vm, const char *cache_dir, const struct settings_vm *settings,
	      const struct sandbox_machine *machine, struct error *err)
{
	int r;

	vm->template = TEMPLATE_INIT;
	vm->agent_fd = -1;
	vm->settings = settings;
	r = choose_guest(vm, settings, machine, err);
	if (r == 0)
		r = customize_guest(vm, machine, err);
	if (r == 0)
		r = choose_driver(vm, cache_dir, settings, machine, err);
	if (r == 0)
		r = check_shape(vm, err);
	if (r == 0)
		r = choose_share(vm, settings, err);
	if (r == 0)
		r = choose_accel(vm, cache_dir, err);
	if (r < 0)
		return r;
	/* A machine without a share can be saved, and vsock's connections end by that. */
	vm->channel_kind = channel_choose(vm->driver->features, &vm->guest);
	if (vm->share == HV_SHARE_NONE && vm->channel_kind == HV_CHANNEL_VSOCK)
		vm->channel_kind = HV_CHANNEL_SERIAL;
	if (vm->accel == HV_ACCEL_TCG && !is_foreign(&vm->guest))
		vm->tsc_khz = hv_cached_tsc_khz(cache_dir);
	return 0;
}
