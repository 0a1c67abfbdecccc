/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-devices.h"
#include "lib/engine/cgroup-plan.h"
#include "oci/config.h"

#define SET(v)                                                                                     \
	{                                                                                          \
		.value = (v), .is_set = true                                                       \
	}
#define ANY DEVICE_ANY

static const char defaults[] =
	"allow c *:* m\nallow b *:* m\nallow c 1:3 rwm\nallow c 1:5 rwm\nallow c 1:7 rwm\n"
	"allow c 1:8 rwm\nallow c 1:9 rwm\nallow c 5:0 rwm\nallow c 5:2 rwm\n"
	"allow c 136:* rwm\nallow c 10:200 rwm\n";

/* "allow c 1:3 rwm" and the like, one a line. */
static char *lines_after(struct oci_device_rule *given, size_t given_count, const char *present)
{
	const struct oci_resources resources = { .devices = given, .devices_count = given_count };
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	cleanup_free struct device_rule *rules = NULL;
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	size_t count;

	if (cgroup_devices_rules(&resources, &rules, &count, &err) < 0 ||
	    cgroup_devices_lines(rules, count, present, &plan, &err) < 0)
		return xstrdup(err.msg);
	for (size_t i = 0; i < plan.count; i++)
		strbuf_addf(&sb, "%s %s\n", str_after(plan.knobs[i].file, "devices."),
			    plan.knobs[i].value);
	return strbuf_steal(&sb);
}

static char *lines(struct oci_device_rule *given, size_t given_count)
{
	return lines_after(given, given_count, NULL);
}

static void test_without_rules_there_are_the_defaults(void **state)
{
	cleanup_free char *got = lines(NULL, 0);
	cleanup_free char *expected = xasprintf("deny a\n%s", defaults);

	assert_string_equal(got, expected);
}

static void test_rules_come_before_the_defaults(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .access = (char *)"rwm" },
		{ .allow = true,
		  .type = (char *)"c",
		  .major = SET(10),
		  .minor = SET(229),
		  .access = (char *)"rw" },
		{ .allow = true,
		  .type = (char *)"u",
		  .major = SET(10),
		  .minor = SET(229),
		  .access = (char *)"m" },
		{ .allow = true, .type = (char *)"b", .major = SET(8), .access = (char *)"r" },
	};
	cleanup_free char *got = lines(rules, ARRAY_SIZE(rules));
	cleanup_free char *expected =
		xasprintf("deny a\nallow c 10:229 rwm\nallow b 8:* r\n%s", defaults);

	assert_string_equal(got, expected);
}

static void test_a_later_rule_takes_back_an_earlier_one(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = true, .type = (char *)"b", .major = SET(8), .minor = SET(0) },
		{ .allow = true, .type = (char *)"b", .major = SET(9), .minor = SET(0) },
		{ .allow = false, .type = (char *)"b", .major = SET(8), .access = (char *)"w" },
		{ .allow = false, .type = (char *)"a", .major = SET(9) },
	};
	cleanup_free char *got = lines(rules, ARRAY_SIZE(rules));
	cleanup_free char *expected = xasprintf("deny a\nallow b 8:0 rm\n%s", defaults);

	assert_string_equal(got, expected);
}

static void test_everything_but_one_device(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = true, .major = SET(-1), .minor = SET(-1) },
		{ .allow = false, .type = (char *)"b", .major = SET(8), .minor = SET(0) },
	};
	cleanup_free char *got = lines(rules, ARRAY_SIZE(rules));

	/* The defaults take nothing back: making the node of what may not be used stays denied. */
	assert_string_equal(got, "allow a\ndeny b 8:0 rw\n");
}

static void test_a_part_of_a_rule_cannot_be_taken_back_on_v1(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = true, .type = (char *)"b", .major = SET(8) },
		{ .allow = false, .type = (char *)"b", .major = SET(8), .minor = SET(1) },
	};
	cleanup_free char *got = lines(rules, ARRAY_SIZE(rules));

	assert_string_equal(
		got,
		"cgroup: linux.resources.devices[1]: cgroup v1 cannot take back a part of an earlier rule");
}

/* As devices.list shows the defaults, and with them 8:0 and 1:11. */
static const char present_list[] = "c *:* m\nb *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\n"
				   "c 1:9 rwm\nc 5:0 rwm\nc 5:2 rwm\nc 136:* rwm\nc 10:200 rwm\n"
				   "b 8:0 rwm\nc 1:11 r\n";

static void test_an_update_adds_first_and_takes_away_then(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = true,
		  .type = (char *)"b",
		  .major = SET(8),
		  .minor = SET(0),
		  .access = (char *)"r" },
		{ .allow = true, .type = (char *)"c", .major = SET(10), .minor = SET(229) },
	};
	cleanup_free char *got = lines_after(rules, ARRAY_SIZE(rules), present_list);
	cleanup_free char *back = lines_after(NULL, 0, present_list);

	assert_string_equal(got, "allow c 10:229 rwm\ndeny b 8:0 wm\ndeny c 1:11 r\n");
	assert_string_equal(back, "deny b 8:0 rwm\ndeny c 1:11 r\n");
}

static void test_an_update_of_what_may_use_everything_starts_anew(void **state)
{
	struct oci_device_rule everything = { .allow = true };
	cleanup_free char *got = lines_after(NULL, 0, "a *:* rwm\n");
	cleanup_free char *expected = xasprintf("deny a\n%s", defaults);
	cleanup_free char *opened = lines_after(&everything, 1, present_list);

	assert_string_equal(got, expected);
	assert_string_equal(opened, "allow a\n");
}

static void test_nonsense_is_refused(void **state)
{
	static const struct {
		struct oci_device_rule rule;
		const char *msg;
	} cases[] = {
		{ { .type = (char *)"p" }, "no such type or access" },
		{ { .type = (char *)"bc" }, "no such type or access" },
		{ { .type = (char *)"c", .access = (char *)"rx" }, "no such type or access" },
		{ { .type = (char *)"c", .major = SET(1ll << 32) }, "no such device number" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_device_rule rule = cases[i].rule;
		cleanup_free char *got = lines(&rule, 1);

		assert_non_null(str_after(got, "cgroup: linux.resources.devices[0]: "));
		assert_non_null(strstr(got, cases[i].msg));
	}
}

struct request {
	uint32_t type; /* BPF_DEVCG_DEV_… */
	uint32_t access;
	uint32_t major, minor;
};

static bool compare(uint8_t op, uint32_t a, uint32_t b)
{
	assert_true(op == BPF_JNE || op == BPF_JEQ);
	return op == BPF_JNE ? a != b : a == b;
}

static uint32_t compute(uint8_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_MOV:
		return b;
	case BPF_AND:
		return a & b;
	case BPF_RSH:
		return a >> b;
	}
	fail_msg("unknown operation %#x", op);
	return 0;
}

/* An interpreter of the instructions that the program may consist of. */
static bool run(const struct bpf_insn *insns, size_t count, const struct request *request)
{
	const struct bpf_cgroup_dev_ctx ctx = {
		.access_type = request->access << 16 | request->type,
		.major = request->major,
		.minor = request->minor,
	};
	uint32_t regs[11] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? regs[i->src_reg] : (uint32_t)i->imm;

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			memcpy(&regs[i->dst_reg], (const char *)&ctx + i->off, sizeof(uint32_t));
			break;
		case BPF_ALU:
			regs[i->dst_reg] = compute(BPF_OP(i->code), regs[i->dst_reg], operand);
			break;
		case BPF_JMP32:
			assert_true(i->off > 0); /* forwards: it ends */
			if (compare(BPF_OP(i->code), regs[i->dst_reg], operand))
				pc += (size_t)i->off;
			break;
		default:
			assert_int_equal(i->code, BPF_JMP | BPF_EXIT);
			return regs[0];
		}
	}
	fail_msg("the program runs over its end");
	return false;
}

/* What the rules mean, said in another way: bit by bit, the last rule about it counts. */
static bool expected(const struct device_rule *rules, size_t count, const struct request *request)
{
	for (unsigned int bit = 1; bit < 8; bit <<= 1) {
		bool allow = false;

		if (!(request->access & bit))
			continue;
		for (size_t i = 0; i < count; i++) {
			const struct device_rule *r = &rules[i];
			uint32_t type = r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;

			if ((r->access & bit) && (r->type == 'a' || type == request->type) &&
			    (r->major == ANY || r->major == request->major) &&
			    (r->minor == ANY || r->minor == request->minor))
				allow = r->allow;
		}
		if (!allow)
			return false;
	}
	return true;
}

static struct device_rule random_rule(void)
{
	return (struct device_rule){
		.allow = rand() % 2,
		.type = "abc"[rand() % 3],
		.major = rand() % 4 - 1,
		.minor = rand() % 4 - 1,
		.access = (unsigned int)(rand() % 7 + 1),
	};
}

static void check_all_requests(const struct device_rule *rules, size_t count)
{
	cleanup_free struct bpf_insn *insns = NULL;
	size_t insns_count = cgroup_devices_program(rules, count, &insns);

	for (unsigned int n = 0; n < 2 * 7 * 3 * 3; n++) {
		const struct request request = { n % 2 + 1, n / 2 % 7 + 1, n / 14 % 3, n / 42 };

		assert_int_equal(run(insns, insns_count, &request),
				 expected(rules, count, &request));
	}
}

static void test_the_program_decides_as_the_rules_say(void **state)
{
	srand(1);
	for (int i = 0; i < 3000; i++) {
		struct device_rule rules[6];
		size_t count = (size_t)(rand() % 7);

		for (size_t k = 0; k < count; k++)
			rules[k] = random_rule();
		check_all_requests(rules, count);
	}
}

static void test_the_program_compares_whole_numbers(void **state)
{
	const struct device_rule rules[] = { { true, 'c', UINT32_MAX, 0x80000000, DEVICE_ALL } };
	cleanup_free struct bpf_insn *insns = NULL;
	size_t count = cgroup_devices_program(rules, 1, &insns);
	struct request request = { BPF_DEVCG_DEV_CHAR, DEVICE_READ, UINT32_MAX, 0x80000000 };

	assert_true(run(insns, count, &request));
	request.minor = 0;
	assert_false(run(insns, count, &request));
}

/* The verifier of the kernel refuses a program with instructions that cannot be reached. */
static void test_rules_before_one_about_everything_are_left_out(void **state)
{
	const struct device_rule rules[] = {
		{ true, 'c', 1, 3, DEVICE_ALL },
		{ false, 'a', ANY, ANY, DEVICE_ALL },
		{ true, 'c', 1, 5, DEVICE_ALL },
	};
	cleanup_free struct bpf_insn *all = NULL;
	cleanup_free struct bpf_insn *last = NULL;

	assert_int_equal(cgroup_devices_program(rules, 3, &all),
			 cgroup_devices_program(rules + 1, 2, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules_there_are_the_defaults),
		cmocka_unit_test(test_rules_come_before_the_defaults),
		cmocka_unit_test(test_a_later_rule_takes_back_an_earlier_one),
		cmocka_unit_test(test_everything_but_one_device),
		cmocka_unit_test(test_a_part_of_a_rule_cannot_be_taken_back_on_v1),
		cmocka_unit_test(test_an_update_adds_first_and_takes_away_then),
		cmocka_unit_test(test_an_update_of_what_may_use_everything_starts_anew),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_the_program_decides_as_the_rules_say),
		cmocka_unit_test(test_the_program_compares_whole_numbers),
		cmocka_unit_test(test_rules_before_one_about_everything_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
