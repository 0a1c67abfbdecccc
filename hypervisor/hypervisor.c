/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define MEMORY_MIN_MIB 64
#define VCPUS_MAX 255

static const char *const accel_words[] = {
	[HV_ACCEL_AUTO] = "auto",
	[HV_ACCEL_KVM] = "kvm",
	[HV_ACCEL_TCG] = "tcg",
};
_Static_assert(ARRAY_SIZE(accel_words) == HV_ACCEL_COUNT, "a word for each accelerator");
const struct names hv_accel_names = NAMES(accel_words);

static const char *const share_words[] = {
	[HV_SHARE_NONE] = "none",
	[HV_SHARE_9P] = "9p",
	[HV_SHARE_VIRTIOFS] = "virtiofs",
};
_Static_assert(ARRAY_SIZE(share_words) == HV_SHARE_COUNT, "a word for each kind of share");
const struct names hv_share_names = NAMES(share_words);

static const char *const channel_words[] = {
	[HV_CHANNEL_SERIAL] = "serial",
	[HV_CHANNEL_VSOCK] = "vsock",
	[HV_CHANNEL_HYBRID] = "hybrid",
};
_Static_assert(ARRAY_SIZE(channel_words) == HV_CHANNEL_COUNT, "a word for each kind of channel");
const struct names hv_channel_names = NAMES(channel_words);

static const char *const state_words[] = {
	[HV_STATE_RUNNING] = "running",
	[HV_STATE_PAUSED] = "paused",
	[HV_STATE_ENDED] = "ended",
	[HV_STATE_OTHER] = "other",
};
_Static_assert(ARRAY_SIZE(state_words) == HV_STATE_COUNT, "a word for each state");
const struct names hv_state_names = NAMES(state_words);

static const char *const exit_words[] = {
	[HV_EXIT_PORT] = "port", [HV_EXIT_MMIO] = "mmio",     [HV_EXIT_UNANSWERED] = "unanswered",
	[HV_EXIT_HALT] = "halt", [HV_EXIT_SIGNAL] = "signal", [HV_EXIT_OTHER] = "other",
};
_Static_assert(ARRAY_SIZE(exit_words) == HV_EXIT_COUNT, "a word for each reason");
const struct names hv_exit_names = NAMES(exit_words);

enum hv_state hv_state_of(const struct hv_state_word *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (streq(words[i].word, word))
			return words[i].state;
	return HV_STATE_OTHER;
}

static const struct hypervisor *const hypervisors[] = {
	&hypervisor_qemu,
	&hypervisor_cloud_hypervisor,
	&hypervisor_firecracker,
#if defined(__x86_64__)
	&hypervisor_builtin,
#endif
};

const struct hypervisor *hypervisor_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hypervisors); i++)
		if (streq(hypervisors[i]->name, name))
			return hypervisors[i];
	return NULL;
}

const struct hypervisor *hypervisor_at(size_t i)
{
	return i < ARRAY_SIZE(hypervisors) ? hypervisors[i] : NULL;
}

/* Programs carry versions and architectures behind their names. */
static const struct hypervisor *find_of_program(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	for (size_t i = 1; i < ARRAY_SIZE(hypervisors); i++)
		if (str_after(name, hypervisors[i]->name))
			return hypervisors[i];
	return hypervisors[0];
}

int hypervisor_choose(const char *wish, const struct hypervisor **ret, const char **ret_program,
		      struct error *err)
{
	const bool is_path = wish && *wish == '/';
	const struct hypervisor *hypervisor = wish ? hypervisor_find(wish) : hypervisors[0];

	if (is_path)
		hypervisor = find_of_program(wish);
	if (!hypervisor)
		return error_set(err, -EINVAL, "no such hypervisor: '%s'", wish);
	*ret = hypervisor;
	*ret_program = is_path ? wish : NULL;
	return 0;
}

int hypervisor_running(const char *dir, const struct hypervisor **ret, char **ret_control,
		       struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(hypervisors); i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, hypervisors[i]->socket);

		if (access(path, F_OK) < 0)
			continue;
		*ret = hypervisors[i];
		*ret_control = steal_ptr(&path);
		return 0;
	}
	return error_set(err, -ENOENT, "no control socket in '%s'", dir);
}

static const char *const consoles[HV_ARCH_COUNT] = {
	[HV_ARCH_X86_64] = "ttyS0", [HV_ARCH_AARCH64] = "ttyAMA0", [HV_ARCH_RISCV64] = "ttyS0",
	[HV_ARCH_PPC64LE] = "hvc0", [HV_ARCH_S390X] = "ttysclp0",
};

/* The agent's own parameter: where it listens. */
static const char *const channel_params[HV_CHANNEL_COUNT] = {
	[HV_CHANNEL_SERIAL] = "agent.channel=serial:agent",
	[HV_CHANNEL_VSOCK] = "agent.channel=vsock",
	[HV_CHANNEL_HYBRID] = "agent.channel=vsock",
};

/*
 * quiet: a serial console costs an exit for each byte, a second for a whole boot under TCG.
 * reboot=t panic=-1: a guest ends by reset, which is the one way that also works on a machine
 * without ACPI; the VMM is told to exit on it. noreplace-smp: on one CPU a kernel rewrites its lock
 * prefixes at boot, which costs an emulator the code it had translated (a fifth of the boot).
 * no_timer_check: on a busy host an emulated timer is too late for a test whose failure is a panic
 * (with KVM the kernel leaves it out by itself).
 */
char *hv_kernel_command_line(const struct hv_config *config)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	const int arch = config->guest->arch;

	strbuf_addf(&line, "console=%s quiet panic=-1 ", consoles[arch]);
	if (arch == HV_ARCH_X86_64)
		strbuf_addstr(&line, "reboot=t noreplace-smp no_timer_check ");
	strbuf_addf(&line, "cgroup_no_v1=all %s", channel_params[config->channel]);
	if (config->kernel_params && *config->kernel_params)
		strbuf_addf(&line, " %s", config->kernel_params);
	return strbuf_steal(&line);
}

/* Ids become names of the VMM's, parts of options and serial numbers: nothing in them may mean
 * something there. */
int hv_check_disk_id(const char *id, struct error *err)
{
	size_t len = strlen(id);
	bool is_good = len > 0 && len <= HV_DISK_ID_MAX && isalpha((unsigned char)id[0]);

	for (size_t i = 0; is_good && i < len; i++)
		is_good = isalnum((unsigned char)id[i]) || id[i] == '-';
	if (is_good)
		return 0;
	return error_set(err, -EINVAL, "disk '%.40s': not an id", id);
}

int hv_check_socket(const char *path, struct error *err)
{
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(err, -ENAMETOOLONG, "socket '%s': its path is too long for one",
				 path);
	return 0;
}

static int check_disks(const struct hv_config *config, struct error *err)
{
	if (config->disks_count > HV_DISKS_MAX)
		return error_set(err, -ERANGE, "disks: %zu are more than %d", config->disks_count,
				 HV_DISKS_MAX);
	for (size_t i = 0; i < config->disks_count; i++) {
		int r = hv_check_disk_id(config->disks[i].id, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What a configuration asks of a driver, in the driver's words for it. */
static const unsigned int share_features[HV_SHARE_COUNT] = {
	[HV_SHARE_9P] = HV_FEATURE_9P,
	[HV_SHARE_VIRTIOFS] = HV_FEATURE_VIRTIOFS,
};
static const unsigned int channel_features[HV_CHANNEL_COUNT] = {
	[HV_CHANNEL_SERIAL] = HV_FEATURE_CHANNEL_SERIAL,
	[HV_CHANNEL_VSOCK] = HV_FEATURE_CHANNEL_VSOCK,
	[HV_CHANNEL_HYBRID] = HV_FEATURE_CHANNEL_HYBRID,
};

static int check_features(const struct hypervisor *hypervisor, const struct hv_config *c,
			  struct error *err)
{
	const struct {
		unsigned int feature;
		const char *text;
	} wanted[] = {
		{ c->accel == HV_ACCEL_TCG ? HV_FEATURE_TCG : 0u, "software emulation" },
		{ share_features[c->share], names_get(&hv_share_names, c->share) },
		{ channel_features[c->channel], names_get(&hv_channel_names, c->channel) },
		{ c->disks_count ? HV_FEATURE_DISKS : 0u, "disks" },
		{ c->nics_count ? HV_FEATURE_NICS : 0u, "network interfaces" },
		{ c->vcpus_max > c->vcpus ? HV_FEATURE_RESIZE_VCPUS : 0u, "room for vcpus" },
		{ c->memory_max_mib > c->memory_mib ? HV_FEATURE_RESIZE_MEMORY : 0u,
		  "room for memory" },
		{ c->is_restored ? HV_FEATURE_SAVE : 0u, "saved machines" },
		{ c->memory ? HV_FEATURE_MEMORY_FILE : 0u, "memory in a file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (wanted[i].feature & ~hypervisor->features)
			return error_set(err, -ENOTSUP, "hypervisor '%s': no %s", hypervisor->name,
					 wanted[i].text);
	return 0;
}

static int check_guest(const struct hv_config *config, struct error *err)
{
	const struct guest_image *guest = config->guest;

	if (config->share == HV_SHARE_9P && !guest->has_9p)
		return error_set(err, -ENOTSUP, "guest kernel '%s': no 9p", guest->release);
	if (config->channel != HV_CHANNEL_SERIAL && !guest->has_vsock)
		return error_set(err, -ENOTSUP, "guest kernel '%s': no vsock", guest->release);
	return 0;
}

int hv_check_config(const struct hypervisor *hypervisor, const struct hv_config *config,
		    struct error *err)
{
	int r;

	if (config->accel != HV_ACCEL_KVM && config->accel != HV_ACCEL_TCG)
		return error_set(err, -EINVAL, "accelerator: not chosen yet");
	if (config->memory_mib < MEMORY_MIN_MIB)
		return error_set(err, -EINVAL, "guest memory: %u MiB is less than %d",
				 config->memory_mib, MEMORY_MIN_MIB);
	if (config->vcpus < 1 || config->vcpus > VCPUS_MAX)
		return error_set(err, -EINVAL, "vcpus: %u is not between 1 and %d", config->vcpus,
				 VCPUS_MAX);
	if (config->nics_count > HV_NICS_MAX)
		return error_set(err, -ERANGE, "network interfaces: %zu are more than %d",
				 config->nics_count, HV_NICS_MAX);
	r = check_features(hypervisor, config, err);
	if (r == 0)
		r = check_guest(config, err);
	return r < 0 ? r : check_disks(config, err);
}

void hv_kill(const struct hv_vm *vm)
{
	/* By descriptor: the pid may be another process's once somebody reaped ours. */
	if (vm->pid > 0)
		(void)syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
}

void hv_stop(struct hv_vm *vm)
{
	if (vm->pid <= 0)
		return;
	hv_kill(vm);
	while (waitid(P_PIDFD, (id_t)vm->pidfd, NULL, WEXITED) < 0 && errno == EINTR)
		;
	close_fdp(&vm->pidfd);
	*vm = (struct hv_vm){ .pidfd = -1 };
}
