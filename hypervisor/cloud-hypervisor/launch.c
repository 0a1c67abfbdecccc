/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "hypervisor/cloud-hypervisor/answers.h"
#include "hypervisor/cloud-hypervisor/cloud-hypervisor-internal.h"
#include "hypervisor/cloud-hypervisor/control.h"
#include "hypervisor/cloud-hypervisor/watch.h"
#include "hypervisor/jail.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

static const char *const programs[] = { "cloud-hypervisor", "cloud-hypervisor-static", NULL };

/* One that runs guests of another architecture there is not. */
static int find_program(enum hv_arch arch, const char *root, char **ret, struct error *err)
{
	(void)arch;
	return hv_find_program(root, programs, ret, err);
}

int ch_version_parse(const char *text, unsigned int *ret_major)
{
	cleanup_free char *number = NULL;
	uint32_t major;

	if (*text == 'v')
		text++;
	number = xstrndup(text, strcspn(text, "."));
	if (parse_u32(number, &major) < 0)
		return -EPROTO;
	*ret_major = major;
	return 0;
}

/* One that has ended instead of answering says why itself, which its owner hears. */
static int check_version(const struct hv_config *config, const struct hv_vm *vm, struct error *err)
{
	struct ch_ping answer = { 0 };
	unsigned int major = 0;
	int r = ch_ping(config->control_path, vm->pidfd, &answer, err);

	if (r == -EPIPE)
		r = 0;
	else if (r == 0 && (!answer.version || ch_version_parse(answer.version, &major) < 0))
		r = error_set(err, -EPROTO, "it does not tell its version");
	else if (r == 0 && major < CH_OLDEST_MAJOR)
		r = error_set(err, -ENOTSUP, "%.40s is too old: %d.0 or newer is needed",
			      answer.version, CH_OLDEST_MAJOR);
	error_sanitize(err);
	fields_release(&ch_ping_answer, &answer);
	return r;
}

/* A machine that waits. */
static int load(const struct hv_config *config, const struct hv_vm *vm, struct error *err)
{
	cleanup_free char *body = ch_restore_request(config);
	int fds[HV_NICS_MAX], r;

	for (size_t i = 0; i < config->nics_count; i++)
		fds[i] = config->nics[i].fd;
	r = ch_load(config->control_path, vm->pidfd, body, fds, config->nics_count, err);
	return r < 0 ? hv_blame_saved(config, r, err) : 0;
}

static int launch(const struct hv_config *config, int log_fd, struct hv_vm *ret, struct error *err)
{
	cleanup_free char *program = NULL;
	cleanup_strv char **argv = NULL;
	struct hv_config known = *config;
	cleanup_hv_jail struct hv_jail jail = { .shared = NULL };
	struct hv_vm vm = { 0 };
	int fds[CH_MAX_FDS];
	int r;

	if (!known.program) {
		r = find_program(hv_host_arch(), "", &program, err);
		if (r < 0)
			return r;
		known.program = program;
	}
	r = ch_plan(&known, &argv, err);
	if (r == 0)
		r = hv_make_links(&known, err);
	if (r < 0)
		return r;
	hv_jail_plan(config, NULL, &jail);
	hv_jail_share_dir_of(&jail, config->channel_path);
	r = hv_spawn_as(&(struct hv_spawn){ .argv = argv,
					    .fds = fds,
					    .fds_count = ch_planned_fds(&known, fds),
					    .dir = known.dir,
					    .out_fd = known.console_fd,
					    .log_fd = log_fd,
					    .jail = known.is_jailed ? &jail : NULL,
					    .has_no_rights = true },
			&vm, err);
	if (r == 0 && known.control_path)
		r = check_version(&known, &vm, err);
	if (r == 0 && known.is_restored)
		r = load(&known, &vm, err);
	if (r < 0) {
		hv_stop(&vm);
		return error_wrap(err, r, "start cloud-hypervisor");
	}
	*ret = vm;
	return 0;
}

const struct hypervisor hypervisor_cloud_hypervisor = {
	.name = "cloud-hypervisor",
	.socket = "cloud-hypervisor.sock",
	.features = CH_FEATURES,
	.find_program = find_program,
	.plan = ch_plan,
	.launch = launch,
	.watch = ch_watch,
	.unwatch = ch_unwatch,
	.drain = ch_drain,
	.is_heard = ch_is_heard,
	.query = ch_query,
	.pause = ch_pause,
	.resume = ch_resume,
	.power_down = ch_power_down,
	.quit = ch_quit,
	.plug = ch_plug,
	.unplug = ch_unplug,
	.resize = ch_resize,
	.save = ch_save,
	.restore = ch_restore,
	.metrics = ch_metrics,
};
