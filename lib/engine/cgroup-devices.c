/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-devices.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-plan.h"
#include "oci/config.h"

#define CONFIG "linux.resources.devices"

/* What peers allow to every container: making any node, and using those that the specification
 * wants in each /dev (config-linux.md#default-devices), terminals, and a tap device. */
/* clang-format off */
static const struct device_rule everybody[] = {
	{ true, 'c', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD, true },
	{ true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD, true },
	{ true, 'c', 1, 3, DEVICE_ALL, true },	/* null */
	{ true, 'c', 1, 5, DEVICE_ALL, true },	/* zero */
	{ true, 'c', 1, 7, DEVICE_ALL, true },	/* full */
	{ true, 'c', 1, 8, DEVICE_ALL, true },	/* random */
	{ true, 'c', 1, 9, DEVICE_ALL, true },	/* urandom */
	{ true, 'c', 5, 0, DEVICE_ALL, true },	/* tty */
	{ true, 'c', 5, 2, DEVICE_ALL, true },	/* ptmx */
	{ true, 'c', 136, DEVICE_ANY, DEVICE_ALL, true }, /* pts/… */
	{ true, 'c', 10, 200, DEVICE_ALL, true },	/* net/tun */
};
/* clang-format on */

static int parse_access(const char *text, unsigned int *ret)
{
	unsigned int access = 0;

	for (const char *p = text ? text : "rwm"; *p; p++) {
		if (*p == 'r')
			access |= DEVICE_READ;
		else if (*p == 'w')
			access |= DEVICE_WRITE;
		else if (*p == 'm')
			access |= DEVICE_MKNOD;
		else
			return -EINVAL;
	}
	*ret = access ? access : DEVICE_ALL;
	return 0;
}

static int parse_number(const struct opt_i64 *opt, int64_t *ret)
{
	*ret = opt->is_set && opt->value >= 0 ? opt->value : DEVICE_ANY;
	return *ret > UINT32_MAX ? -ERANGE : 0;
}

static int parse_rule(const struct oci_device_rule *rule, struct device_rule *ret)
{
	const char *type = rule->type && *rule->type ? rule->type : "a";

	/* "u" is another word for "c" (mknod(1)). */
	if (strlen(type) != 1 || !strchr("abcu", *type))
		return -EINVAL;
	ret->allow = rule->allow;
	ret->type = *type == 'u' ? 'c' : *type;
	if (parse_number(&rule->major, &ret->major) < 0 ||
	    parse_number(&rule->minor, &ret->minor) < 0)
		return -ERANGE;
	return parse_access(rule->access, &ret->access);
}

int cgroup_devices_rules(const struct oci_resources *resources, struct device_rule **ret,
			 size_t *ret_count, struct error *err)
{
	size_t given = resources ? resources->devices_count : 0;
	cleanup_free struct device_rule *rules =
		xcalloc(given + ARRAY_SIZE(everybody), sizeof(*rules));

	for (size_t i = 0; i < given; i++) {
		int r = parse_rule(&resources->devices[i], &rules[i]);

		if (r < 0)
			return error_set(err, r, "cgroup: " CONFIG "[%zu]: no such %s", i,
					 r == -ERANGE ? "device number" : "type or access");
	}
	memcpy(&rules[given], everybody, sizeof(everybody));
	*ret = steal_ptr(&rules);
	*ret_count = given + ARRAY_SIZE(everybody);
	return 0;
}

/* What the kernel keeps for a cgroup: a default, and exceptions from it. */
struct devices_state {
	bool allow;
	struct device_rule *exceptions;
	size_t count;
};

static bool covers(int64_t wide, int64_t narrow)
{
	return wide == DEVICE_ANY || wide == narrow;
}

static bool meets(int64_t a, int64_t b)
{
	return covers(a, b) || covers(b, a);
}

static void add_exception(struct devices_state *s, const struct device_rule *rule)
{
	for (size_t i = 0; i < s->count; i++) {
		struct device_rule *e = &s->exceptions[i];

		if (e->type == rule->type && e->major == rule->major && e->minor == rule->minor) {
			e->access |= rule->access;
			return;
		}
	}
	s->exceptions = xrealloc(s->exceptions, s->count + 1, sizeof(*s->exceptions));
	s->exceptions[s->count++] = *rule;
}

static int drop_exceptions(struct devices_state *s, const struct device_rule *rule)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct device_rule e = s->exceptions[i];

		if (e.type == rule->type && (e.access & rule->access) &&
		    meets(e.major, rule->major) && meets(e.minor, rule->minor)) {
			if (covers(rule->major, e.major) && covers(rule->minor, e.minor))
				e.access &= ~rule->access;
			else
				r = -EOPNOTSUPP;
		}
		if (e.access)
			s->exceptions[kept++] = e;
	}
	s->count = kept;
	return r;
}

static int apply_rule(struct devices_state *s, const struct device_rule *rule)
{
	static const char types[] = { 'b', 'c' };

	if (rule->type == 'a' && rule->major == DEVICE_ANY && rule->minor == DEVICE_ANY &&
	    rule->access == DEVICE_ALL) {
		s->allow = rule->allow;
		s->count = 0;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct device_rule one = *rule;
		int r = 0;

		if (rule->type != 'a' && rule->type != types[i])
			continue;
		one.type = types[i];
		if (one.allow != s->allow)
			add_exception(s, &one);
		else
			r = drop_exceptions(s, &one);
		if (r < 0)
			return r;
	}
	return 0;
}

static void add_number(struct strbuf *sb, int64_t number)
{
	if (number == DEVICE_ANY)
		strbuf_addch(sb, '*');
	else
		strbuf_addf(sb, "%" PRId64, number);
}

/* "c 136:* rwm" */
static char *exception_text(const struct device_rule *rule)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%c ", rule->type);
	add_number(&sb, rule->major);
	strbuf_addch(&sb, ':');
	add_number(&sb, rule->minor);
	strbuf_addf(&sb, " %s%s%s", rule->access & DEVICE_READ ? "r" : "",
		    rule->access & DEVICE_WRITE ? "w" : "", rule->access & DEVICE_MKNOD ? "m" : "");
	return strbuf_steal(&sb);
}

static void add_line(struct cgroup_plan *plan, bool allow, char *value)
{
	cgroup_plan_add(plan, (struct cgroup_knob){
				      .controller = xstrdup("devices"),
				      .file = xstrdup(allow ? "devices.allow" : "devices.deny"),
				      .value = value,
				      .config = xstrdup(CONFIG),
			      });
}

static int collect(const struct device_rule *rules, size_t count, struct devices_state *s,
		   struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = apply_rule(s, &rules[i]);

		/* What a default would take back stays as it was asked for. */
		if (r < 0 && !rules[i].is_default)
			return error_set(
				err, r,
				"cgroup: linux.resources.devices[%zu]: cgroup v1 cannot take back a part of an earlier rule",
				i);
	}
	return 0;
}

static int parse_present_number(const char *s, int64_t *ret)
{
	*ret = DEVICE_ANY;
	return streq(s, "*") ? 0 : parse_i64(s, ret);
}

/* "c 136:* rwm" */
static int parse_exception(char *line, struct device_rule *ret)
{
	char *type = strsep(&line, " ");
	char *major = strsep(&line, ":");
	char *minor = strsep(&line, " ");

	if (!line || strlen(type) != 1 || parse_present_number(major, &ret->major) < 0 ||
	    parse_present_number(minor, &ret->minor) < 0)
		return -EINVAL;
	ret->type = *type;
	return parse_access(line, &ret->access);
}

/* What devices.list shows. Its "a *:* rwm" stands for a cgroup that may use all devices, and hides
 * exceptions from that; what is not understood is treated likewise. */
static void parse_present(const char *text, struct devices_state *s)
{
	cleanup_strv char **lines = strv_split(text, '\n');

	strv_each(line, lines) {
		cleanup_free char *copy = xstrdup(line);
		struct device_rule e = { .allow = true };

		if (!*line)
			continue;
		if (parse_exception(copy, &e) < 0 || e.type == 'a') {
			s->allow = true;
			return;
		}
		add_exception(s, &e);
	}
}

static unsigned int access_in(const struct devices_state *s, const struct device_rule *rule)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct device_rule *e = &s->exceptions[i];

		if (e->type == rule->type && e->major == rule->major && e->minor == rule->minor)
			return e->access;
	}
	return 0;
}

/* Lines for what @s has beyond @other. */
static void add_difference(struct cgroup_plan *plan, const struct devices_state *s,
			   const struct devices_state *other, bool allow)
{
	for (size_t i = 0; i < s->count; i++) {
		struct device_rule e = s->exceptions[i];

		e.access &= ~access_in(other, &e);
		if (e.access)
			add_line(plan, allow, exception_text(&e));
	}
}

static void devices_state_done(struct devices_state *s)
{
	free(s->exceptions);
}

int cgroup_devices_lines(const struct device_rule *rules, size_t count, const char *present,
			 struct cgroup_plan *plan, struct error *err)
{
	CLEANUP(devices_state_done) struct devices_state s = { .allow = false };
	CLEANUP(devices_state_done) struct devices_state old = { .allow = false };
	int r = collect(rules, count, &s, err);

	if (r < 0)
		return r;
	if (present)
		parse_present(present, &old);
	if (!present || s.allow || old.allow) {
		add_line(plan, s.allow, xstrdup("a"));
		devices_state_done(&old);
		old = (struct devices_state){ .allow = s.allow };
	}
	add_difference(plan, &s, &old, !s.allow);
	add_difference(plan, &old, &s, s.allow);
	return 0;
}

/*
 * The program is called with struct bpf_cgroup_dev_ctx and says 1 or 0. It goes through the rules
 * from the last to the first, since the last one that says something about an access counts, with
 * the accesses not yet allowed in WANTED: an allow rule takes its own out of it and is content
 * when none is left; a deny rule that finds one of its own in it ends in 0.
 */
enum {
	RESULT = BPF_REG_0,
	CONTEXT = BPF_REG_1,
	TYPE = BPF_REG_2,
	WANTED = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
	SCRATCH = BPF_REG_6
};

struct program {
	struct bpf_insn *insns;
	size_t count;
};

static void emit(struct program *p, struct bpf_insn insn)
{
	/* Growth in powers of two, without a stored capacity. */
	if ((p->count & (p->count - 1)) == 0)
		p->insns = xrealloc(p->insns, p->count ? p->count * 2 : 1, sizeof(*p->insns));
	p->insns[p->count++] = insn;
}

static void load_word(struct program *p, int dst, size_t offset)
{
	emit(p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
				   .dst_reg = dst,
				   .src_reg = CONTEXT,
				   .off = (int16_t)offset });
}

static void alu(struct program *p, int op, int dst, uint32_t imm)
{
	emit(p, (struct bpf_insn){
			.code = BPF_ALU | op | BPF_K, .dst_reg = dst, .imm = (int32_t)imm });
}

static void copy(struct program *p, int dst, int src)
{
	emit(p, (struct bpf_insn){
			.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src });
}

static void answer(struct program *p, bool allow)
{
	alu(p, BPF_MOV, RESULT, allow);
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

/* A conditional jump whose target comes later; land() sets it. JMP32 (Linux 5.1), because a
 * comparison of 64 bits would be with the number's sign extended. */
static size_t jump(struct program *p, int op, int dst, uint32_t imm)
{
	emit(p, (struct bpf_insn){
			.code = BPF_JMP32 | op | BPF_K, .dst_reg = dst, .imm = (int32_t)imm });
	return p->count - 1;
}

static void land(struct program *p, size_t from)
{
	p->insns[from].off = (int16_t)(p->count - from - 1);
}

/* Whether code behind it can be reached; the verifier refuses what cannot. */
static bool emit_rule(struct program *p, const struct device_rule *rule)
{
	size_t skips[4], n = 0;

	if (rule->type != 'a')
		skips[n++] = jump(p, BPF_JNE, TYPE,
				  rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major != DEVICE_ANY)
		skips[n++] = jump(p, BPF_JNE, MAJOR, (uint32_t)rule->major);
	if (rule->minor != DEVICE_ANY)
		skips[n++] = jump(p, BPF_JNE, MINOR, (uint32_t)rule->minor);
	if (rule->access != DEVICE_ALL && rule->allow) {
		alu(p, BPF_AND, WANTED, DEVICE_ALL & ~rule->access);
		skips[n++] = jump(p, BPF_JNE, WANTED, 0);
	} else if (rule->access != DEVICE_ALL) {
		copy(p, SCRATCH, WANTED);
		alu(p, BPF_AND, SCRATCH, rule->access);
		skips[n++] = jump(p, BPF_JEQ, SCRATCH, 0);
	}
	answer(p, rule->allow);
	for (size_t i = 0; i < n; i++)
		land(p, skips[i]);
	return n > 0;
}

size_t cgroup_devices_program(const struct device_rule *rules, size_t count, struct bpf_insn **ret)
{
	struct program p = { NULL, 0 };
	bool is_reached = true;

	load_word(&p, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	copy(&p, WANTED, TYPE);
	alu(&p, BPF_AND, TYPE, 0xffff);
	alu(&p, BPF_RSH, WANTED, 16);
	load_word(&p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	load_word(&p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (size_t i = count; i-- > 0 && is_reached;)
		is_reached = emit_rule(&p, &rules[i]);
	if (is_reached)
		answer(&p, false);
	*ret = p.insns;
	return p.count;
}
