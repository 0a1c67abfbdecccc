/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "hypervisor/jail.h"
#include "hypervisor/qemu/control.h"
#include "hypervisor/qemu/qemu-internal.h"
#include "hypervisor/qemu/watch.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

static int find_program(enum hv_arch arch, const char *root, char **ret, struct error *err)
{
	return hv_find_program(root, qemu_program_names(arch), ret, err);
}

/* QEMU asks for huge pages, of which a guest's first seconds use a part each. They make a processor
 * find memory faster, and so a guest that runs on one; an emulator looks pages up by itself. */
static bool wants_small_pages(const struct hv_config *config)
{
	return config->accel == HV_ACCEL_TCG;
}

static bool others_can_read(const char *path)
{
	struct stat st;

	return !path || (stat(path, &st) == 0 && (st.st_mode & S_IROTH));
}

/* Who serves files has to be root for it, and a template's memory is root's. */
static bool can_be_anybody(const struct hv_config *config)
{
	return config->share != HV_SHARE_9P && !config->memory &&
	       others_can_read(config->guest->kernel) && others_can_read(config->guest->initrd);
}

static int launch(const struct hv_config *config, int log_fd, struct hv_vm *ret, struct error *err)
{
	cleanup_free char *program = NULL;
	cleanup_strv char **argv = NULL;
	struct hv_config known = *config;
	cleanup_hv_jail struct hv_jail jail = { .shared = NULL };
	struct hv_spawn how;
	int fds[QEMU_MAX_FDS];
	int r;

	if (!known.program) {
		r = find_program((enum hv_arch)known.guest->arch, "", &program, err);
		if (r < 0)
			return r;
		known.program = program;
	}
	if (!known.tsc_khz && qemu_wants_tsc(&known))
		known.tsc_khz = hv_host_tsc_khz();
	r = qemu_plan(&known, &argv, err);
	if (r < 0)
		return r;
	hv_jail_plan(config, NULL, &jail); /* all the rest it inherits */
	if (config->share == HV_SHARE_9P)
		jail.shared = xstrdup(config->share_path);
	how = (struct hv_spawn){
		.argv = argv,
		.fds = fds,
		.fds_count = qemu_planned_fds(&known, fds),
		.out_fd = log_fd,
		.log_fd = log_fd,
		.jail = known.is_jailed ? &jail : NULL,
		.has_own_user = known.is_jailed && can_be_anybody(&known),
		.device = known.accel == HV_ACCEL_KVM ? "/dev/kvm" : NULL,
		.has_no_rights = known.share != HV_SHARE_9P, /* which makes files of anybody */
		.has_small_pages = wants_small_pages(&known),
	};
	r = hv_spawn_as(&how, ret, err);
	return r < 0 ? error_wrap(err, r, "start qemu") : 0;
}

const struct hypervisor hypervisor_qemu = {
	.name = "qemu",
	.socket = "qmp.sock",
	.features = HV_FEATURE_9P | HV_FEATURE_VIRTIOFS | HV_FEATURE_CHANNEL_SERIAL |
		    HV_FEATURE_CHANNEL_VSOCK | HV_FEATURE_TCG | HV_FEATURE_DISKS |
		    HV_FEATURE_PAUSE | HV_FEATURE_POWER_DOWN | HV_FEATURE_PLUG |
		    HV_FEATURE_RESIZE_VCPUS | HV_FEATURE_RESIZE_MEMORY | HV_FEATURE_SAVE |
		    HV_FEATURE_MEMORY_FILE | HV_FEATURE_METRICS | HV_FEATURE_NICS |
		    HV_FEATURE_LOCKS,
	.find_program = find_program,
	.plan = qemu_plan,
	.launch = launch,
	.watch = qemu_watch,
	.unwatch = qemu_unwatch,
	.drain = qemu_drain,
	.is_heard = qemu_is_heard,
	.query = qemu_query,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.power_down = qemu_power_down,
	.quit = qemu_quit,
	.plug = qemu_plug,
	.unplug = qemu_unplug,
	.resize = qemu_resize,
	.save = qemu_save,
	.restore = qemu_restore,
	.metrics = qemu_metrics,
};
