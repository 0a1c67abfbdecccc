/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/jail.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/caps.h"
#include "lib/linux/mount.h"
#include "lib/linux/seccomp-program.h"

/* --- the process -------------------------------------------------------------------------- */

int confine_process(uint64_t keep, struct error *err)
{
	int r = hv_jail_enter_empty(err);

	return r < 0 ? r : confine_rights(keep, err);
}

int confine_rights(uint64_t keep, struct error *err)
{
	int r = caps_give_up(keep);

	return r < 0 ? error_sys(err, r, "drop capabilities") : 0;
}

/* --- threads ------------------------------------------------------------------------------ */

/* What the C library does by itself: memory, locks, the end. */
static const int common_calls[] = {
	SYS_brk,	 SYS_clock_gettime,   SYS_exit,		  SYS_exit_group,   SYS_futex,
	SYS_getpid,	 SYS_gettid,	      SYS_madvise,	  SYS_munmap,	    SYS_mremap,
	SYS_read,	 SYS_restart_syscall, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sched_yield,
	SYS_sendto,	 SYS_tgkill,	      SYS_write,
#ifdef __SANITIZE_ADDRESS__
	SYS_sigaltstack, /* of the sanitizer, before it calls what does not return */
#endif
};

/* The loop, the control socket and what devices are joined with. */
static const int loop_calls[] = {
	SYS_accept4,	SYS_close,     SYS_clock_nanosleep, SYS_epoll_ctl, SYS_epoll_pwait,
	SYS_epoll_wait, SYS_fallocate, SYS_fcntl,	    SYS_fdatasync, SYS_fstat,
	SYS_getrandom,	SYS_lseek,     SYS_newfstatat,	    SYS_poll,	   SYS_ppoll,
	SYS_preadv,	SYS_pwritev,   SYS_pread64,	    SYS_pwrite64,  SYS_readv,
	SYS_recvfrom,	SYS_recvmsg,   SYS_sendmsg,	    SYS_shutdown,  SYS_writev,
};

/* All of the system calls that have to do with files but those that know them by handles or that
 * mount; what they reach is what a descriptor of ours leads to. The C library makes renameat() of
 * a renameat2() without flags. */
static const int files_calls[] = {
	SYS_chmod,	SYS_close,     SYS_copy_file_range, SYS_epoll_ctl,   SYS_epoll_pwait,
	SYS_epoll_wait, SYS_fallocate, SYS_fchownat,	    SYS_fcntl,	     SYS_fdatasync,
	SYS_fstatfs,	SYS_fsync,     SYS_ftruncate,	    SYS_getdents64,  SYS_geteuid,
	SYS_getxattr,	SYS_linkat,    SYS_listxattr,	    SYS_lseek,	     SYS_mkdirat,
	SYS_mknodat,	SYS_openat,    SYS_openat2,	    SYS_preadv,	     SYS_pwritev,
	SYS_readlinkat, SYS_renameat,  SYS_renameat2,	    SYS_removexattr, SYS_setxattr,
	SYS_statx,	SYS_symlinkat, SYS_syncfs,	    SYS_truncate,    SYS_unlinkat,
	SYS_utimensat,
};

static const unsigned int loop_requests[] = {
	BLKGETSIZE64,
	TUNSETOFFLOAD,
	TUNSETVNETHDRSZ,
	TUNSETVNETLE,

	/* Saving and restoring. */
	KVM_CHECK_EXTENSION,
	KVM_GET_CLOCK,
	KVM_GET_DEBUGREGS,
	KVM_GET_IRQCHIP,
	KVM_GET_LAPIC,
	KVM_GET_MP_STATE,
	KVM_GET_MSRS,
	KVM_GET_MSR_INDEX_LIST,
	KVM_GET_REGS,
	KVM_GET_SREGS,
	KVM_GET_SUPPORTED_CPUID,
	KVM_GET_TSC_KHZ,
	KVM_GET_VCPU_EVENTS,
	KVM_GET_XCRS,
	KVM_GET_XSAVE,
	KVM_SET_CLOCK,
	KVM_SET_DEBUGREGS,
	KVM_SET_IRQCHIP,
	KVM_SET_LAPIC,
	KVM_SET_MP_STATE,
	KVM_SET_MSRS,
	KVM_SET_REGS,
	KVM_SET_SREGS,
	KVM_SET_TSC_KHZ,
	KVM_SET_VCPU_EVENTS,
	KVM_SET_XCRS,
	KVM_SET_XSAVE,
};

static const unsigned int vcpu_requests[] = { KVM_RUN, KVM_GET_REGS, KVM_KVMCLOCK_CTRL };

/* Memory, but none that code could be written into. */
static const int mapping_calls[] = { SYS_mmap, SYS_mprotect };

struct assembly {
	struct sock_filter *insns;
	size_t count, room;
};

static void add(struct assembly *a, struct sock_filter insn)
{
	if (a->count == a->room) {
		a->room = a->room ? 2 * a->room : 128;
		a->insns = xrealloc(a->insns, a->room, sizeof(*a->insns));
	}
	a->insns[a->count++] = insn;
}

static void load(struct assembly *a, size_t offset)
{
	add(a, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void end(struct assembly *a, uint32_t verdict)
{
	add(a, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* Passes over the next @count instructions unless it is @value. */
static void unless(struct assembly *a, uint32_t value, size_t count)
{
	add(a, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0,
					    (unsigned char)count));
}

static void allow(struct assembly *a, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unless(a, (uint32_t)calls[i], 1);
		end(a, SECCOMP_RET_ALLOW);
	}
}

/* The words of an argument in the order of the machine, which is a little endian one. */
#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])

static void allow_requests(struct assembly *a, const unsigned int *requests, size_t count)
{
	unless(a, SYS_ioctl, 2 + 2 * count);
	load(a, ARGUMENT(1));
	for (size_t i = 0; i < count; i++) {
		unless(a, requests[i], 1);
		end(a, SECCOMP_RET_ALLOW);
	}
	end(a, SECCOMP_RET_KILL_PROCESS);
}

static void allow_mappings(struct assembly *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(mapping_calls); i++) {
		unless(a, (uint32_t)mapping_calls[i], 4);
		load(a, ARGUMENT(2));
		add(a, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
		end(a, SECCOMP_RET_KILL_PROCESS);
		end(a, SECCOMP_RET_ALLOW);
	}
}

/* A call of another architecture's numbers is none of ours. */
static void begin(struct assembly *a)
{
	load(a, offsetof(struct seccomp_data, arch));
	add(a, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	end(a, SECCOMP_RET_KILL_PROCESS);
	load(a, offsetof(struct seccomp_data, nr));
	allow(a, common_calls, ARRAY_SIZE(common_calls));
	allow_mappings(a);
}

static void finish(struct assembly *a, struct sock_fprog *ret)
{
	end(a, SECCOMP_RET_KILL_PROCESS);
	*ret = (struct sock_fprog){ .len = (unsigned short)a->count, .filter = a->insns };
}

void confine_loop_filter(struct sock_fprog *ret)
{
	struct assembly a = { 0 };

	begin(&a);
	allow(&a, loop_calls, ARRAY_SIZE(loop_calls));
	allow_requests(&a, loop_requests, ARRAY_SIZE(loop_requests));
	finish(&a, ret);
}

void confine_files_filter(struct sock_fprog *ret)
{
	struct assembly a = { 0 };

	begin(&a);
	allow(&a, files_calls, ARRAY_SIZE(files_calls));
	finish(&a, ret);
}

void confine_vcpu_filter(struct sock_fprog *ret)
{
	struct assembly a = { 0 };

	begin(&a);
	allow_requests(&a, vcpu_requests, ARRAY_SIZE(vcpu_requests));
	finish(&a, ret);
}

static int load_filter(void (*make)(struct sock_fprog *ret), struct error *err)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	int r;

	make(&program);
	r = seccomp_program_load(&program, 0);
	return r < 0 ? error_sys(err, r, "load a system call filter") : 0;
}

int confine_loop(struct error *err)
{
	return load_filter(confine_loop_filter, err);
}

int confine_files(struct error *err)
{
	return load_filter(confine_files_filter, err);
}

int confine_vcpu(struct error *err)
{
	return load_filter(confine_vcpu_filter, err);
}
