/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/bpf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "lib/linux/seccomp-program.h"

static const struct sock_filter *step(const struct sock_filter *insn, uint32_t *a,
				      const struct seccomp_data *data)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		memcpy(a, (const char *)data + insn->k, sizeof(*a));
		return insn + 1;
	case BPF_ALU | BPF_AND | BPF_K:
		*a &= insn->k;
		return insn + 1;
	case BPF_JMP | BPF_JA:
		return insn + 1 + insn->k;
	case BPF_JMP | BPF_JEQ | BPF_K:
		return insn + 1 + (*a == insn->k ? insn->jt : insn->jf);
	case BPF_JMP | BPF_JGT | BPF_K:
		return insn + 1 + (*a > insn->k ? insn->jt : insn->jf);
	case BPF_JMP | BPF_JGE | BPF_K:
		return insn + 1 + (*a >= insn->k ? insn->jt : insn->jf);
	case BPF_JMP | BPF_JSET | BPF_K:
		return insn + 1 + (*a & insn->k ? insn->jt : insn->jf);
	default:
		fail_msg("instruction 0x%x is not one of a filter", insn->code);
		return NULL;
	}
}

uint32_t bpf_run(const struct sock_fprog *program, const struct seccomp_data *data)
{
	const struct sock_filter *insn = program->filter;
	uint32_t a = 0;

	assert_int_equal(seccomp_program_check(program), 0);
	while (insn->code != (BPF_RET | BPF_K))
		insn = step(insn, &a, data);
	return insn->k;
}
