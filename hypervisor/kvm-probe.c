/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"

/*
 * Some nested KVMs run a guest's supervisor code in an instruction emulator that knows a part of
 * the instruction set: /dev/kvm opens, tiny guests run, and a kernel dies early or takes minutes.
 * So the probe is a guest that does what every kernel does. It tells on a port which part it
 * begins; the last one told is the one that failed.
 */
#if defined(__x86_64__)

enum stage {
	STAGE_ENTRY,
	STAGE_POPCNT,
	STAGE_CMPXCHG16B,
	STAGE_INT3,
	STAGE_LOOP,
	STAGE_DONE,
	STAGE_WRONG,
	STAGE_COUNT
};

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_ENTRY] = "first instruction",
	[STAGE_POPCNT] = "popcnt",
	[STAGE_CMPXCHG16B] = "cmpxchg16b",
	[STAGE_INT3] = "int3",
	[STAGE_LOOP] = "loop",
	[STAGE_DONE] = "hlt",
	[STAGE_WRONG] = "result",
};

#define STAGE_PORT 0x10
#define LOOP_LIMIT_MS 20
#define RUN_LIMIT_MS 500

/* The guest's physical memory; identity mapped. */
enum {
	GUEST_PML4 = 0x1000,
	GUEST_PDPT = 0x2000,
	GUEST_PD = 0x3000,
	GUEST_GDT = 0x4000,
	GUEST_IDT = 0x5000,
	GUEST_CODE = 0x6000,
	GUEST_DATA = 0x8000, /* 16 bytes for cmpxchg16b, then int3's mark; also in the code below */
	GUEST_STACK = 0xf000,
	GUEST_SIZE = 0x10000,
};

/* clang-format off */
__asm__(
	"	.pushsection .rodata\n"
	"moat_probe_start:\n"
	"	mov	$1, %al\n"		/* STAGE_POPCNT */
	"	out	%al, $0x10\n"
	"	mov	$0xf0f0, %ebx\n"
	"	popcnt	%ebx, %ecx\n"
	"	cmp	$8, %ecx\n"
	"	jne	2f\n"
	"	mov	$2, %al\n"		/* STAGE_CMPXCHG16B */
	"	out	%al, $0x10\n"
	"	xor	%eax, %eax\n"
	"	xor	%edx, %edx\n"
	"	mov	$1, %ebx\n"
	"	mov	$2, %ecx\n"
	"	lock cmpxchg16b 0x8000\n"
	"	jne	2f\n"
	"	cmpq	$2, 0x8008\n"
	"	jne	2f\n"
	"	mov	$3, %al\n"		/* STAGE_INT3 */
	"	out	%al, $0x10\n"
	"	int3\n"
	"	cmpl	$1, 0x8010\n"
	"	jne	2f\n"
	"	mov	$4, %al\n"		/* STAGE_LOOP */
	"	out	%al, $0x10\n"
	"	mov	$10000, %ecx\n"
	"1:	dec	%ecx\n"
	"	jnz	1b\n"
	"	mov	$5, %al\n"		/* STAGE_DONE */
	"	out	%al, $0x10\n"
	"	hlt\n"
	"2:	mov	$6, %al\n"		/* STAGE_WRONG */
	"	out	%al, $0x10\n"
	"	hlt\n"
	"moat_probe_on_int3:\n"
	"	movl	$1, 0x8010\n"
	"	iretq\n"
	"moat_probe_end:\n"
	"	.popsection\n"
);
/* clang-format on */
extern const char moat_probe_start[], moat_probe_on_int3[], moat_probe_end[];

struct probe {
	int kvm, vm, vcpu;
	char *memory;
	struct kvm_run *run;
	size_t run_size;
	struct kvm_fitness *fitness;
};

static void say(struct probe *p, const char *what, const char *why)
{
	snprintf(p->fitness->reason, sizeof(p->fitness->reason), "%s: %s", what, why);
}

static int say_errno(struct probe *p, const char *what)
{
	int r = -errno;

	say(p, what, strerror(errno));
	return r;
}

static int open_kvm(struct probe *p)
{
	p->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p->kvm < 0)
		return say_errno(p, "open /dev/kvm");
	if (ioctl(p->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		say(p, "/dev/kvm", "unknown version of its interface");
		return -ENOTSUP;
	}
	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	return p->vm < 0 ? say_errno(p, "create a VM") : 0;
}

static int give_memory(struct probe *p)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };

	p->memory =
		mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->memory == MAP_FAILED)
		return say_errno(p, "map memory");
	region.userspace_addr = (uintptr_t)p->memory;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return say_errno(p, "give memory");
	/* Older Intel processors need a page for it; the address is what every VMM uses. */
	(void)ioctl(p->vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	return 0;
}

static int make_vcpu(struct probe *p)
{
	int size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0 || size < (int)sizeof(*p->run))
		return say_errno(p, "create a vcpu");
	p->run_size = (size_t)size;
	p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	return p->run == MAP_FAILED ? say_errno(p, "map the vcpu") : 0;
}

static int set_cpuid(struct probe *p)
{
	enum { MAX_ENTRIES = 256 };
	struct kvm_cpuid2 *cpuid =
		xcalloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	int r = 0;

	cpuid->nent = MAX_ENTRIES;
	if (ioctl(p->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(p->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		r = say_errno(p, "set cpuid");
	free(cpuid);
	return r;
}

static void put_u64(struct probe *p, size_t address, uint64_t value)
{
	memcpy(p->memory + address, &value, sizeof(value));
}

static int write_guest(struct probe *p)
{
	size_t handler = GUEST_CODE + (size_t)(moat_probe_on_int3 - moat_probe_start);

	memcpy(p->memory + GUEST_CODE, moat_probe_start,
	       (size_t)(moat_probe_end - moat_probe_start));
	put_u64(p, GUEST_PML4, GUEST_PDPT | 0x3); /* present, writable */
	put_u64(p, GUEST_PDPT, GUEST_PD | 0x3);
	put_u64(p, GUEST_PD, 0x83);			/* the first 2 MiB as one page */
	put_u64(p, GUEST_GDT + 8, 0x00af9b000000ffff);	/* 64-bit code */
	put_u64(p, GUEST_GDT + 16, 0x00cf93000000ffff); /* data */
	/* An interrupt gate for vector 3: offset split in two, selector 8. */
	put_u64(p, GUEST_IDT + 3 * 16,
		(handler & 0xffff) | 0x8u << 16 | 0x8e00ull << 32 | (handler >> 16) << 48);
	return 0;
}

static int set_registers(struct probe *p)
{
	static const struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = 0x8,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	static const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_regs regs = { .rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = 0x2 };
	struct kvm_sregs sregs;

	if (ioctl(p->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return say_errno(p, "get registers");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = 3 * 8 - 1;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = 4 * 16 - 1;
	sregs.cr0 = 0x80010033; /* PG WP NE ET MP PE */
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = 0x220;  /* PAE OSFXSR */
	sregs.efer = 0x500; /* LME LMA */
	if (ioctl(p->vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(p->vcpu, KVM_SET_REGS, &regs) < 0)
		return say_errno(p, "set registers");
	return 0;
}

static void on_timer(int sig)
{
	(void)sig; /* only there to interrupt KVM_RUN */
}

/* Of this process's own time, which a busy host does not use up. It repeats, since its first signal
 * may come just before KVM_RUN is entered. */
static int start_timer(struct probe *p)
{
	struct sigaction action = { .sa_handler = on_timer };
	struct itimerval timer = {
		.it_value = { 0, RUN_LIMIT_MS * 1000 },
		.it_interval = { 0, 10 * 1000 },
	};
	sigset_t timer_only;

	sigemptyset(&timer_only);
	sigaddset(&timer_only, SIGPROF);
	if (sigaction(SIGPROF, &action, NULL) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &timer_only, NULL) < 0 ||
	    setitimer(ITIMER_PROF, &timer, NULL) < 0)
		return say_errno(p, "start a timer");
	return 0;
}

/* What this thread used: a busy host does not make a KVM slow. */
static long long used_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *exit_name(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		return "internal error";
	case KVM_EXIT_SHUTDOWN:
		return "triple fault";
	case KVM_EXIT_FAIL_ENTRY:
		return "cannot enter the guest";
	case KVM_EXIT_MMIO:
		return "access outside of memory";
	case KVM_EXIT_HLT:
		return "halted";
	default:
		return "unexpected exit";
	}
}

/* The stage that the guest tells by a one-byte write to the port, or -1. */
static int told_stage(const struct probe *p)
{
	const struct kvm_run *run = p->run;
	unsigned char stage;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.port != STAGE_PORT || run->io.size != 1 || run->io.data_offset >= p->run_size)
		return -1;
	stage = ((const unsigned char *)run)[run->io.data_offset];
	return stage < STAGE_COUNT ? stage : -1;
}

/* Runs until the next stage is told. */
static int run_to_next(struct probe *p, enum stage *stage)
{
	int next;

	if (ioctl(p->vcpu, KVM_RUN, 0) < 0) {
		if (errno == EINTR)
			say(p, stage_names[*stage], "no progress");
		else
			(void)say_errno(p, stage_names[*stage]);
		return -EIO;
	}
	next = told_stage(p);
	if (next < 0) {
		say(p, stage_names[*stage], exit_name(p->run->exit_reason));
		return -EIO;
	}
	if (next == STAGE_WRONG) {
		say(p, stage_names[*stage], "wrong result");
		return -EIO;
	}
	*stage = (enum stage)next;
	return 0;
}

static int run_stages(struct probe *p)
{
	enum stage stage = STAGE_ENTRY;
	long long loop_began = 0, loop_ms;

	while (stage != STAGE_DONE) {
		int r = run_to_next(p, &stage);

		if (r < 0)
			return r;
		if (stage == STAGE_LOOP)
			loop_began = used_ms();
	}
	loop_ms = used_ms() - loop_began;
	if (loop_ms > LOOP_LIMIT_MS) {
		snprintf(p->fitness->reason, sizeof(p->fitness->reason),
			 "loop: 10000 iterations took %lld ms", loop_ms);
		return -EIO;
	}
	return 0;
}

void kvm_probe_run(struct kvm_fitness *ret)
{
	static int (*const steps[])(struct probe * p) = {
		open_kvm,    give_memory,   make_vcpu,	 set_cpuid,
		write_guest, set_registers, start_timer, run_stages,
	};
	struct probe p = { .kvm = -1, .vm = -1, .vcpu = -1, .fitness = ret };

	*ret = (struct kvm_fitness){ 0 };
	/* Descriptors and mappings end with the process, which exists for this alone. */
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i](&p) < 0)
			return;
	ret->is_fit = true;
}

#else /* other architectures: none is known whose KVM exists but cannot */

void kvm_probe_run(struct kvm_fitness *ret)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	*ret = (struct kvm_fitness){ 0 };
	ret->is_fit = kvm >= 0 && ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION &&
		      ioctl(kvm, KVM_CREATE_VM, 0) >= 0;
	if (!ret->is_fit)
		snprintf(ret->reason, sizeof(ret->reason), "create a VM: %s", strerror(errno));
}
#endif
