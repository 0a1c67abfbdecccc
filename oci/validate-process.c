/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include <limits.h>
#include <stdio.h>

#include "oci/config.h"

/* The rules of a process, which is a section of config.json or a document of its own (exec). */

static int check_cwd(struct checker *c)
{
	char at[32];

	snprintf(at, sizeof(at), "%scwd", c->process_prefix);
	return check_path(c, at, c->process->cwd);
}

static int check_process_env(struct checker *c)
{
	char at[32];

	snprintf(at, sizeof(at), "%senv", c->process_prefix);
	return check_env(c, at, c->process->env);
}

/* The kernel takes the id 4294967295 for "leave it as it is", which would be root's. */
#define NO_ID UINT32_MAX

static int check_user(struct checker *c)
{
	static const char no_id[] = "not an id";
	const struct oci_user *user = &c->process->user;

	if (user->uid == NO_ID)
		return checker_refuse_number(checker_at(c, "%suser.uid", c->process_prefix), no_id,
					     user->uid);
	if (user->gid == NO_ID)
		return checker_refuse_number(checker_at(c, "%suser.gid", c->process_prefix), no_id,
					     user->gid);
	if (user->umask.value > 0777)
		return checker_refuse_number(checker_at(c, "%suser.umask", c->process_prefix),
					     "has more than permission bits (0777 is 511)",
					     user->umask.value);
	for (size_t i = 0; i < user->additional_gids_count; i++)
		if (user->additional_gids[i] == NO_ID)
			return checker_refuse_number(checker_at(c, "%suser.additionalGids[%zu]",
								c->process_prefix, i),
						     no_id, user->additional_gids[i]);
	return 0;
}

/* Without a terminal the size MUST be ignored, whatever it is. */
static int check_console_size(struct checker *c)
{
	const struct oci_box *box = c->process->terminal ? c->process->console_size : NULL;

	/* struct winsize counts in unsigned shorts. */
	if (box && (box->height > USHRT_MAX || box->width > USHRT_MAX))
		return checker_refuse(checker_at(c, "%sconsoleSize", c->process_prefix),
				      "larger than a terminal can be", NULL);
	return 0;
}

static int check_rlimits(struct checker *c)
{
	bool is_seen[OCI_RLIMIT_COUNT] = { false };

	for (size_t i = 0; i < c->process->rlimits_count; i++) {
		const struct oci_rlimit *limit = &c->process->rlimits[i];

		checker_at(c, "%srlimits[%zu].type", c->process_prefix, i);
		if (is_seen[limit->type])
			return checker_refuse(c, "given twice",
					      names_get(&oci_rlimit_names, (size_t)limit->type));
		is_seen[limit->type] = true;
		if (limit->soft > limit->hard)
			return checker_refuse(checker_at(c, "%srlimits[%zu].soft",
							 c->process_prefix, i),
					      "higher than the hard limit", NULL);
	}
	return 0;
}

static int check_oom_score(struct checker *c)
{
	const struct opt_i64 *adj = &c->process->oom_score_adj;

	if (adj->value < -1000 || adj->value > 1000)
		return checker_refuse_number(checker_at(c, "%soomScoreAdj", c->process_prefix),
					     "must be from -1000 to 1000", adj->value);
	return 0;
}

static bool is_realtime(const struct oci_scheduler *s)
{
	return s->policy == OCI_SCHED_FIFO || s->policy == OCI_SCHED_RR;
}

/* The policies to which a nice value says something; elsewhere peers take any. */
static bool is_fair(const struct oci_scheduler *s)
{
	return s->policy == OCI_SCHED_OTHER || s->policy == OCI_SCHED_BATCH;
}

/* Whether the kernel takes the parameters from the process instead (sched_setattr(2)). */
static bool keeps_parameters(const struct oci_scheduler *s)
{
	return strv_has(s->flags, "SCHED_FLAG_KEEP_PARAMS");
}

static int check_scheduler_priorities(struct checker *c, const struct oci_scheduler *s)
{
	int64_t nice = s->nice.value, priority = s->priority.value;

	checker_at(c, "%sscheduler.nice", c->process_prefix);
	if (is_fair(s) && (nice < -20 || nice > 19))
		return checker_refuse_number(c, "must be from -20 to 19", nice);
	if (nice < INT_MIN || nice > INT_MAX)
		return checker_refuse_number(c, "number out of range", nice);
	checker_at(c, "%sscheduler.priority", c->process_prefix);
	if (!is_realtime(s) && priority)
		return checker_refuse(c,
				      "can only be specified for SCHED_FIFO or SCHED_RR, not for",
				      names_get(&oci_scheduler_names, (size_t)s->policy));
	if (is_realtime(s) && !keeps_parameters(s) && (priority < 1 || priority > 99))
		return checker_refuse_number(c, "must be from 1 to 99", priority);
	return 0;
}

/* What the kernel insists on (sched_setattr(2)): runtime <= deadline <= period, where no period
 * means the deadline, and none below its resolution. */
#define DEADLINE_MIN_NS 1024

static int check_scheduler_deadline(struct checker *c, const struct oci_scheduler *s)
{
	const struct {
		const char *key;
		uint64_t ns;
	} times[] = { { "runtime", s->runtime },
		      { "deadline", s->deadline },
		      { "period", s->period } };
	bool is_deadline = s->policy == OCI_SCHED_DEADLINE;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		checker_at(c, "%sscheduler.%s", c->process_prefix, times[i].key);
		if (!is_deadline && times[i].ns)
			return checker_refuse(c,
					      "can only be specified for SCHED_DEADLINE, not for",
					      names_get(&oci_scheduler_names, (size_t)s->policy));
		if (times[i].ns > INT64_MAX)
			return checker_refuse(c, "number out of range", NULL);
	}
	if (!is_deadline || keeps_parameters(s))
		return 0;
	if (s->runtime < DEADLINE_MIN_NS)
		return checker_refuse_number(
			checker_at(c, "%sscheduler.runtime", c->process_prefix),
			"SCHED_DEADLINE needs 1024 nanoseconds or more", (long long)s->runtime);
	if (s->deadline < s->runtime)
		return checker_refuse_number(
			checker_at(c, "%sscheduler.deadline", c->process_prefix),
			"must not be less than the runtime", (long long)s->deadline);
	if (s->period && s->period < s->deadline)
		return checker_refuse_number(checker_at(c, "%sscheduler.period", c->process_prefix),
					     "must not be less than the deadline",
					     (long long)s->period);
	return 0;
}

static int check_scheduler(struct checker *c)
{
	const struct oci_scheduler *s = c->process->scheduler;
	char at[48];
	int r;

	if (!s)
		return 0;
	snprintf(at, sizeof(at), "%sscheduler.flags", c->process_prefix);
	r = check_words(c, at, s->flags, &oci_scheduler_flag_names);
	if (r == 0)
		r = check_scheduler_priorities(c, s);
	if (r == 0)
		r = check_scheduler_deadline(c, s);
	return r;
}

static int check_io_priority(struct checker *c)
{
	const struct oci_io_priority *io = c->process->io_priority;

	if (!io)
		return 0;
	if (io->priority < 0 || io->priority > 7)
		return checker_refuse_number(checker_at(c, "%sioPriority.priority",
							c->process_prefix),
					     "must be from 0 to 7", io->priority);
	return 0;
}

static int check_cpu_affinity(struct checker *c)
{
	const struct oci_cpu_affinity *affinity = c->process->exec_cpu_affinity;
	char at[48];
	int r;

	if (!affinity)
		return 0;
	snprintf(at, sizeof(at), "%sexecCPUAffinity.initial", c->process_prefix);
	r = check_id_set(c, at, affinity->initial);
	if (r < 0)
		return r;
	snprintf(at, sizeof(at), "%sexecCPUAffinity.final", c->process_prefix);
	return check_id_set(c, at, affinity->final);
}

static const struct rule rules[] = {
	{ "config.md#configProcess", check_cwd },
	{ "config.md#configProcess", check_console_size },
	{ "config.md#configProcess", check_process_env },
	{ "config.md#configPOSIXProcess", check_rlimits },
	{ "config.md#configPOSIXUser", check_user },
	{ "config.md#configLinuxProcess", check_oom_score },
	{ "config.md#configLinuxProcess", check_scheduler },
	{ "config.md#configLinuxProcess", check_io_priority },
	{ "config.md#configLinuxProcess", check_cpu_affinity },
};
const struct rules oci_process_rules = RULES(rules);
