/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/linux/seccomp-program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the kernel would go from @at: out of the program is a fault of the check. */
static void follow(const struct sock_fprog *program, size_t at)
{
	const struct sock_filter *insn = &program->filter[at];
	size_t next[2] = { at + 1, at + 1 };

	if (BPF_CLASS(insn->code) == BPF_RET)
		return;
	if (BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) == BPF_JA) {
		next[0] = next[1] = at + 1 + insn->k;
	} else if (BPF_CLASS(insn->code) == BPF_JMP) {
		next[0] += insn->jt;
		next[1] += insn->jf;
	}
	if (next[0] >= program->len || next[1] >= program->len)
		abort();
}

/* A program that was kept on disk: what is taken for sound never leaves itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sock_filter insns[64] = { 0 };
	size_t count = size / sizeof(insns[0]);
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	if (count > sizeof(insns) / sizeof(insns[0]))
		return 0;
	memcpy(insns, data, count * sizeof(insns[0]));
	if (seccomp_program_copy(insns, count, &program) < 0 || seccomp_program_check(&program) < 0)
		return 0;
	for (size_t i = 0; i < program.len; i++)
		follow(&program, i);
	return 0;
}
