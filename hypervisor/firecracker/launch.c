/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/firecracker/answers.h"
#include "hypervisor/firecracker/control.h"
#include "hypervisor/firecracker/firecracker-internal.h"
#include "hypervisor/firecracker/taps.h"
#include "hypervisor/firecracker/watch.h"
#include "hypervisor/jail.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define START_TIMEOUT_MS 10000
#define LOOK_AGAIN_MS 2

static const char *const programs[] = { "firecracker", NULL };

/* One that runs guests of another architecture there is not. */
static int find_program(enum hv_arch arch, const char *root, char **ret, struct error *err)
{
	(void)arch;
	return hv_find_program(root, programs, ret, err);
}

static int plan(const struct hv_config *config, char ***ret_argv, struct error *err)
{
	char *names[HV_NICS_MAX];
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	int r;

	for (size_t i = 0; i < HV_NICS_MAX; i++)
		names[i] = (char *)"tap";
	r = fc_plan(config, names, &plan, err);
	if (r == 0)
		*ret_argv = steal_ptr(&plan.argv);
	return r;
}

int fc_version_parse(const char *text, unsigned int *ret_major, unsigned int *ret_minor)
{
	cleanup_strv char **parts = strv_split(text, '.');
	uint32_t major, minor;

	if (strv_len(parts) < 2 || parse_u32(parts[0], &major) < 0 ||
	    parse_u32(parts[1], &minor) < 0)
		return -EPROTO;
	*ret_major = major;
	*ret_minor = minor;
	return 0;
}

static int check_version(const char *control, const struct hv_vm *vm, struct error *err)
{
	struct fc_version answer = { 0 };
	unsigned int major, minor;
	int r = fc_ask_version(control, vm->pidfd, &answer, err);

	if (r == 0 && (!answer.version || fc_version_parse(answer.version, &major, &minor) < 0))
		r = error_set(err, -EPROTO, "it does not tell its version");
	else if (r == 0 &&
		 (major < FC_OLDEST_MAJOR || (major == FC_OLDEST_MAJOR && minor < FC_OLDEST_MINOR)))
		r = error_set(err, -ENOTSUP, "%.40s is too old: %d.%d or newer is needed",
			      answer.version, FC_OLDEST_MAJOR, FC_OLDEST_MINOR);
	error_sanitize(err);
	fields_release(&fc_version_answer, &answer);
	return r;
}

/* It makes its socket itself, and tells nobody when that is there. */
static int await_socket(const char *control, const struct hv_vm *vm, struct error *err)
{
	const long long deadline = now_ms() + START_TIMEOUT_MS;
	struct pollfd pfd = { .fd = vm->pidfd, .events = POLLIN };

	for (;;) {
		cleanup_fd int fd = unix_connect(control);

		if (fd >= 0)
			return 0;
		if (fd != -ENOENT && fd != -ECONNREFUSED)
			return error_sys(err, fd, "connect to '%s'", control);
		if (now_ms() >= deadline)
			return error_set(err, -ETIMEDOUT, "no socket '%s' in %d ms", control,
					 START_TIMEOUT_MS);
		if (poll(&pfd, 1, LOOK_AGAIN_MS) > 0)
			return error_set(err, -EPIPE, "it ended at once");
	}
}

static int make_machine(const struct hv_config *config, const struct fc_plan *plan,
			const struct hv_vm *vm, struct error *err)
{
	const char *control = config->control_path;
	int r = await_socket(control, vm, err);

	if (r == 0)
		r = check_version(control, vm, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < FC_MAX_REQUESTS && plan->requests[i].path; i++)
		r = fc_put(control, vm->pidfd, &plan->requests[i], err);
	return r < 0 && config->is_restored ? hv_blame_saved(config, r, err) : r;
}

/* One that was saved may have had drives of it, too. */
static int make_spare(const struct hv_config *config, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;

	if (!config->dir || !(config->has_disk_slots || config->is_restored))
		return 0;
	path = xasprintf("%s/" FC_SPARE_NAME, config->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_sys(err, errno, "make '%s'", path) : 0;
}

/* For the watch, before there is a VMM that could say anything: where it is to read, and where to
 * write. */
static int make_fifo(const struct hv_config *config, struct error *err)
{
	int fds[] = { -1, -1 };
	int r = 0;

	if (!config->dir)
		return 0;
	fds[1] = open(config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fds[1] < 0)
		return error_sys(err, errno, "open '%s'", config->dir);
	(void)unlinkat(fds[1], FC_FIFO_NAME, 0); /* of one that did not start */
	if (mkfifoat(fds[1], FC_FIFO_NAME, 0600) == 0)
		fds[0] = openat(fds[1], FC_FIFO_NAME,
				O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fds[0] < 0 || send_fds(config->watch_fd, "", 1, fds, ARRAY_SIZE(fds)) < 0)
		r = error_sys(err, errno, "make '%s/" FC_FIFO_NAME "'", config->dir);
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
	return r;
}

static int start(const struct hv_config *config, struct fc_taps *taps, int log_fd, struct hv_vm *vm,
		 struct error *err)
{
	cleanup_fc_plan struct fc_plan plan = { .argv = NULL };
	cleanup_hv_jail struct hv_jail jail = { .shared = NULL };
	int fds[FC_MAX_FDS];
	struct hv_spawn how = {
		.fds = fds,
		.fds_count = fc_planned_fds(config, fds),
		.dir = config->dir,
		.out_fd = config->console_fd,
		.log_fd = log_fd,
		.jail = config->is_jailed ? &jail : NULL,
		.keeps_network = taps->lent > 0,
		.has_no_rights = true,
	};
	int r = fc_plan(config, taps->names, &plan, err);

	if (r == 0)
		r = hv_make_links(config, err);
	if (r == 0)
		r = make_spare(config, err);
	if (r == 0)
		r = make_fifo(config, err);
	if (r < 0)
		return r;
	how.argv = plan.argv;
	hv_jail_plan(config, config->nics_count > 0 ? "/dev/net/tun" : NULL, &jail);
	hv_jail_share_dir_of(&jail, config->control_path);
	(void)unlink(config->control_path); /* what it makes itself has to be new */
	r = hv_spawn_as(&how, vm, err);
	if (r == 0)
		r = make_machine(config, &plan, vm, err);
	return r < 0 ? r : fc_taps_bind(taps, vm, err);
}

static int launch(const struct hv_config *config, int log_fd, struct hv_vm *ret, struct error *err)
{
	cleanup_free char *program = NULL;
	struct hv_config known = *config;
	struct fc_taps taps = { .lent = 0 };
	struct hv_vm vm = { 0 };
	int r = 0;

	if (!known.program) {
		r = find_program(hv_host_arch(), "", &program, err);
		known.program = program;
	}
	if (r == 0)
		r = fc_taps_lend(known.nics, known.nics_count, &taps, err);
	if (r == 0)
		r = start(&known, &taps, log_fd, &vm, err);
	if (r < 0)
		hv_stop(&vm);
	fc_taps_done(&taps);
	if (r < 0)
		return error_wrap(err, r, "start firecracker");
	*ret = vm;
	return 0;
}

const struct hypervisor hypervisor_firecracker = {
	.name = "firecracker",
	.socket = "firecracker.sock",
	.features = FC_FEATURES,
	.find_program = find_program,
	.plan = plan,
	.launch = launch,
	.watch = fc_watch,
	.unwatch = fc_unwatch,
	.drain = fc_drain,
	.is_heard = fc_is_heard,
	.query = fc_query,
	.pause = fc_pause,
	.resume = fc_resume,
	.plug = fc_plug,
	.unplug = fc_unplug,
	.serial = fc_serial,
	.save = fc_save,
	.restore = fc_restore,
	.quit = fc_quit,
	.metrics = fc_metrics,
};
