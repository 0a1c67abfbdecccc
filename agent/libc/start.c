/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <link.h>
#include <stddef.h>

/*
 * The agent's first instructions, in place of musl's rcrt1.o, which before 1.2.4 knows no packed
 * relocations (DT_RELR). Plain ones take 24 bytes for each pointer of a table, a tenth of the
 * program; packed they take a bit.
 *
 * Nothing here may need a relocation or the thread's control block: neither is there yet.
 */

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

#if defined(__x86_64__)
#define R_OWN_RELATIVE R_X86_64_RELATIVE
__asm__(".text\n.globl _start\n.type _start,@function\n_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call start_program\n");
#elif defined(__aarch64__)
#define R_OWN_RELATIVE R_AARCH64_RELATIVE
__asm__(".text\n.globl _start\n.type _start,%function\n_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	and sp, x0, #-16\n"
	"	b start_program\n");
#else
#error "how does a program start here?"
#endif

#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN const ElfW(Ehdr) __ehdr_start;
extern HIDDEN const ElfW(Dyn) _DYNAMIC[];
extern HIDDEN int main(int argc, char **argv, char **envp);
extern HIDDEN void _init(void);
extern HIDDEN void _fini(void);
extern HIDDEN int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
				    void (*init)(void), void (*fini)(void), void (*unused)(void));

HIDDEN _Noreturn void start_program(long *stack);

static void relocate(size_t base, const ElfW(Rela) * rela, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*rela); i++)
		if (rela[i].r_info == R_OWN_RELATIVE)
			*(size_t *)(base + rela[i].r_offset) = base + (size_t)rela[i].r_addend;
}

/* An even entry is a place; an odd one says which of the 63 words after the last are others. */
static void relocate_packed(size_t base, const size_t *relr, size_t size)
{
	size_t *place = NULL;

	for (size_t i = 0; i < size / sizeof(*relr); i++) {
		if ((relr[i] & 1) == 0) {
			place = (size_t *)(base + relr[i]);
			*place++ += base;
			continue;
		}
		for (size_t bit = 1; bit < 8 * sizeof(*relr); bit++)
			if (relr[i] >> bit & 1)
				place[bit - 1] += base;
		place += 8 * sizeof(*relr) - 1;
	}
}

void start_program(long *stack)
{
	size_t base = (size_t)&__ehdr_start; /* it is linked for address 0 */
	size_t entries[DT_RELR + 1] = { 0 };

	for (const ElfW(Dyn) *dyn = _DYNAMIC; dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag <= DT_RELR)
			entries[dyn->d_tag] = dyn->d_un.d_val;
	relocate(base, (const ElfW(Rela) *)(base + entries[DT_RELA]), entries[DT_RELASZ]);
	relocate_packed(base, (const size_t *)(base + entries[DT_RELR]), entries[DT_RELRSZ]);
	/* What was relocated is read after this. */
	__asm__ volatile("" ::: "memory");
	__libc_start_main(main, (int)stack[0], (char **)(stack + 1), _init, _fini, NULL);
	__builtin_unreachable();
}
