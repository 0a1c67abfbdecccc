/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/str.h"

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

static const char *const state_words[] = {
	[HV_STATE_RUNNING] = "running",
	[HV_STATE_PAUSED] = "paused",
	[HV_STATE_ENDED] = "ended",
	[HV_STATE_OTHER] = "other",
};
_Static_assert(ARRAY_SIZE(state_words) == HV_STATE_COUNT, "a word for each state");
const struct names hv_state_names = NAMES(state_words);

static const struct hypervisor *const hypervisors[] = { &hypervisor_qemu };

const struct hypervisor *hypervisor_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hypervisors); i++)
		if (streq(hypervisors[i]->name, name))
			return hypervisors[i];
	return NULL;
}

enum hv_arch hv_host_arch(void)
{
#if defined(__x86_64__)
	return HV_ARCH_X86_64;
#elif defined(__aarch64__)
	return HV_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
	return HV_ARCH_RISCV64;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return HV_ARCH_PPC64LE;
#elif defined(__s390x__)
	return HV_ARCH_S390X;
#else
#error "no guest of this architecture yet: give it a row in hv_arch's tables"
#endif
}

static const char *const consoles[HV_ARCH_COUNT] = {
	[HV_ARCH_X86_64] = "ttyS0", [HV_ARCH_AARCH64] = "ttyAMA0", [HV_ARCH_RISCV64] = "ttyS0",
	[HV_ARCH_PPC64LE] = "hvc0", [HV_ARCH_S390X] = "ttysclp0",
};

/* The agent's own parameter: where it listens. */
static const char *const channel_params[HV_CHANNEL_COUNT] = {
	[HV_CHANNEL_SERIAL] = "agent.channel=serial:agent",
	[HV_CHANNEL_VSOCK] = "agent.channel=vsock",
};

/*
 * quiet: a serial console costs an exit for each byte, a second for a whole boot under TCG.
 * reboot=t panic=-1: a guest ends by reset, which is the one way that also works on a machine
 * without ACPI; the VMM is told to exit on it. noreplace-smp: on one CPU a kernel rewrites its lock
 * prefixes at boot, which costs an emulator the code it had translated (a fifth of the boot).
 * no_timer_check: on a busy host an emulated timer is too late for a test whose failure is a panic
 * (with KVM the kernel leaves it out by itself).
 */
char *hv_kernel_command_line_for(enum hv_arch arch, const struct hv_config *config)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_addf(&line, "console=%s quiet panic=-1 ", consoles[arch]);
	if (arch == HV_ARCH_X86_64)
		strbuf_addstr(&line, "reboot=t noreplace-smp no_timer_check ");
	strbuf_addf(&line, "cgroup_no_v1=all %s", channel_params[config->channel]);
	if (config->kernel_params && *config->kernel_params)
		strbuf_addf(&line, " %s", config->kernel_params);
	return strbuf_steal(&line);
}

char *hv_kernel_command_line(const struct hv_config *config)
{
	return hv_kernel_command_line_for(hv_host_arch(), config);
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
