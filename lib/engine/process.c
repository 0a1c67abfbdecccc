/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/filter-load.h"
#include "lib/engine/program.h"
#include "lib/engine/rlimits.h"
#include "lib/engine/standard-fds.h"
#include "lib/engine/sync.h"
#include "lib/linux/caps.h"
#include "lib/linux/keyring.h"
#include "lib/linux/procfs.h"
#include "lib/linux/pty.h"
#include "lib/linux/signals.h"

/* While /proc is still the host's, which is what the value has to get past. */
static int set_oom_score(const struct process_plan *plan, struct error *err)
{
	char text[24];
	int r;

	if (!plan->process || !plan->process->oom_score_adj.is_set)
		return 0;
	(void)snprintf(text, sizeof(text), "%lld", (long long)plan->process->oom_score_adj.value);
	r = write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	if (r == -EACCES && geteuid() != 0) {
		log_debug("oom_score_adj %s needs more rights, it stays as it is", text);
		return 0;
	}
	return r < 0 ? error_sys(err, r, "set oom_score_adj to %s", text) : 0;
}

int process_use_rights(const struct process_plan *plan, struct error *err)
{
	int r = scheduling_bind_final(&plan->scheduling, err);

	if (plan->process)
		rlimits_raise(plan->process);
	return r < 0 ? r : set_oom_score(plan, err);
}

#define OWN_FDS 8 /* that close_foreign() adds to those it is told to keep */

/* A descriptor of the host's that lives on in here is a way out (CVE-2016-9962, CVE-2024-21626);
 * so is a lock that would be held for as long as the container runs. */
static int close_foreign(const struct process *p, const int *keep, size_t count, struct error *err)
{
	cleanup_free int *all = xcalloc(count + OWN_FDS, sizeof(*all));
	size_t n = 0;
	int r;

	for (size_t i = 0; i < count; i++)
		all[n++] = keep[i];
	for (int i = 0; i < 3; i++)
		all[n++] = p->stdio[i];
	all[n++] = p->labels.apparmor_fd;
	all[n++] = p->labels.selinux_fd;
	all[n++] = p->labels.key_fd;
	all[n++] = p->sync->fd;
	all[n++] = log_fd();
	r = close_all_but(3 + (int)p->preserved_fds, all, n);
	return r < 0 ? error_sys(err, r, "close descriptors") : 0;
}

static int open_labels(struct process *p, struct error *err)
{
	cleanup_fd int procfs = -1;

	if (!p->plan->labels.apparmor && !p->plan->labels.selinux)
		return 0;
	procfs = procfs_open_host();
	if (procfs < 0)
		return error_sys(err, procfs, "open '/proc' to set the process's label");
	return labels_open(&p->plan->labels, procfs, &p->labels, err);
}

int process_begin(struct process *p, const int *keep, size_t count, struct error *err)
{
	int r;

	/* Modes are meant as they are given. */
	umask(0);
	r = open_labels(p, err);
	if (r < 0)
		return r;
	/* Nobody in the namespaces that are entered may trace this process or see its files. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "make undumpable");
	return close_foreign(p, keep, count, err);
}

/* getcwd(2) says "(unreachable)…" for a directory outside of the root, where "/proc/self/fd/7" or
 * a rename may have led. The library's function hides that. */
static int check_cwd(const char *cwd, struct error *err)
{
	char path[4096];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	/* A directory without a name cannot be checked, but long ones exist. */
	if (n < 0 && errno != ERANGE && errno != ENAMETOOLONG)
		return error_sys(err, errno, "process.cwd: check '%s'", cwd);
	if (n > 0 && path[0] != '/')
		return error_set(err, -EXDEV, "process.cwd: '%s' is outside of the container", cwd);
	return 0;
}

int process_enter_cwd(struct process *p, struct error *err)
{
	const char *cwd = p->plan->process->cwd;
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int dir = -1;

	if (root < 0)
		return error_sys(err, errno, "open '/'");
	dir = beneath_mkdirs(root, cwd, 0755);
	if (dir >= 0 && fchdir(dir) < 0) {
		close(dir);
		dir = -errno;
	}
	/* File systems of the network know no root; its user is asked again later. */
	if ((dir == -EACCES || dir == -EPERM) && p->plan->process->user.uid != 0 &&
	    !p->is_cwd_denied) {
		p->is_cwd_denied = true;
		return 0;
	}
	if (dir < 0)
		return error_sys(err, dir, "process.cwd: enter '%s'", cwd);
	return check_cwd(cwd, err);
}

static int receive_filter(void *ctx, struct error *err)
{
	struct process *p = ctx;

	if (!p->plan->seccomp || p->filter.len)
		return 0;
	return filter_receive(p->sync, &p->filter, err);
}

/* Kernels without keys, and filters of an engine around us: nothing is shared then. */
static int join_own_keyring(const struct process *p, struct error *err)
{
	int r = keyring_join(p->keyring, p->plan->is_in_user_ns);

	if (r == -ENOSYS || r == -EPERM || r == -EACCES)
		return 0;
	if (r == -EDQUOT)
		return error_sys(err, r, "make session keyring (kernel.keys.maxkeys)");
	return r < 0 ? error_sys(err, r, "make session keyring") : 0;
}

static int join_keyring(void *ctx, struct error *err)
{
	const struct process *p = ctx;
	int r;

	if (!p->keyring)
		return 0;
	r = labels_begin_keys(&p->plan->labels, &p->labels, err);
	if (r == 0)
		r = join_own_keyring(p, err);
	return r == 0 ? labels_end_keys(&p->labels, err) : r;
}

static int take_session(void *ctx, struct error *err)
{
	struct process *p = ctx;
	int r;

	/* EPERM: it leads one already. */
	if (setsid() < 0 && errno != EPERM)
		return error_sys(err, errno, "start a session");
	if (p->terminal < 0) {
		r = standard_fds_place(p->stdio, err);
		if (r == 0)
			standard_fds_reopen_null();
		return r;
	}
	r = pty_take(p->terminal);
	if (r < 0)
		return error_sys(err, r, "take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(p->terminal, i) < 0)
			return error_sys(err, errno, "set stdio");
	close_fdp(&p->terminal);
	p->terminal = -1;
	return 0;
}

static int own_stdio(void *ctx, struct error *err)
{
	uid_t uid = ((struct process *)ctx)->plan->process->user.uid;

	return uid != 0 ? standard_fds_own(uid, err) : 0;
}

static int complete_env(void *ctx, struct error *err)
{
	struct process *p = ctx;

	p->env = strv_copy(p->plan->env);
	environment_add_listen(&p->env, p->listen_fds, p->listen_names);
	environment_add_home(&p->env, p->plan->process->user.uid);
	return 0;
}

static int apply_labels(void *ctx, struct error *err)
{
	struct process *p = ctx;

	return labels_apply(&p->plan->labels, &p->labels, err);
}

static int apply_scheduling(void *ctx, struct error *err)
{
	return scheduling_apply(&((struct process *)ctx)->plan->scheduling, err);
}

static int set_rlimits(void *ctx, struct error *err)
{
	return rlimits_set(((struct process *)ctx)->plan->process, err);
}

/* Without no_new_privs a filter needs CAP_SYS_ADMIN, so it comes before that is dropped. From here
 * on every system call may be refused by it. */
static int load_filter_early(void *ctx, struct error *err)
{
	const struct process *p = ctx;

	if (!p->plan->seccomp || p->plan->process->no_new_privileges)
		return 0;
	return filter_load(&p->plan->filter, &p->filter, p->sync, err);
}

/* In a user namespace whose maker had no rights outside the kernel refuses all of them, so that
 * nobody drops a group that denies something (user_namespaces(7), setgroups). */
static int set_groups(const struct process_plan *plan, struct error *err)
{
	const struct oci_user *user = &plan->process->user;

	if (setgroups(user->additional_gids_count, user->additional_gids) == 0)
		return 0;
	if (errno != EPERM || !plan->is_in_user_ns)
		return error_sys(err, errno, "set additional groups");
	if (user->additional_gids_count)
		return error_set(err, -EPERM,
				 "cannot set any additional groups in a rootless container");
	return 0;
}

static int explain_id(const char *kind, unsigned int id, struct error *err)
{
	if (errno == EINVAL)
		return error_set(err, -EINVAL, "cannot set%s to unmapped %s %u in user namespace",
				 kind, kind, id);
	return error_sys(err, errno, "set %s %u", kind, id);
}

static int set_ids(const struct process_plan *plan, struct error *err)
{
	const struct oci_user *user = &plan->process->user;
	int r = plan->keeps_groups ? 0 : set_groups(plan, err);

	if (r < 0)
		return r;
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return explain_id("gid", user->gid, err);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return explain_id("uid", user->uid, err);
	return 0;
}

/* The bounding set can only be changed while CAP_SETPCAP is there, and changing the user would
 * clear the permitted set, were it not kept; the ambient set needs the other two in place. */
static int set_identity(void *ctx, struct error *err)
{
	const struct process_plan *plan = ((struct process *)ctx)->plan;
	const struct caps caps = { plan->effective, plan->permitted, plan->inheritable };
	int r;

	if (!plan->has_caps)
		return set_ids(plan, err);
	r = caps_drop_bounding(plan->bounding);
	if (r < 0)
		return error_sys(err, r, "drop bounding capabilities");
	if (plan->process->user.uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "keep capabilities");
	r = set_ids(plan, err);
	if (r < 0)
		return r;
	r = caps_set(&caps);
	if (r < 0)
		return error_sys(err, r, "set capabilities");
	r = caps_set_ambient(plan->ambient);
	return r < 0 ? error_sys(err, r, "set ambient capabilities") : 0;
}

static int retry_cwd(void *ctx, struct error *err)
{
	struct process *p = ctx;

	return p->is_cwd_denied ? process_enter_cwd(p, err) : 0;
}

static int set_umask(void *ctx, struct error *err)
{
	const struct oci_user *user = &((struct process *)ctx)->plan->process->user;

	umask(user->umask.is_set ? user->umask.value : 0022);
	return 0;
}

static int set_no_new_privs(void *ctx, struct error *err)
{
	if (!((struct process *)ctx)->plan->process->no_new_privileges)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "set no_new_privs");
	return 0;
}

static int find_program(void *ctx, struct error *err)
{
	struct process *p = ctx;

	return program_find(p->plan->process->args[0], environment_get(p->env, "PATH"), &p->program,
			    err);
}

static int load_filter_late(void *ctx, struct error *err)
{
	const struct process *p = ctx;

	if (!p->plan->seccomp || !p->plan->process->no_new_privileges)
		return 0;
	return filter_load(&p->plan->filter, &p->filter, p->sync, err);
}

static int reset_signals(void *ctx, struct error *err)
{
	signals_reset();
	return 0;
}

/* A filter may refuse close_range(2), or kill for it: profiles are older than that call. From here
 * on every descriptor that is opened is closed again at once, but for these. */
static int close_unneeded(void *ctx, struct error *err)
{
	const struct process *p = ctx;
	const int keep[] = { p->sync->fd, p->gate_fd, log_fd() };
	int r = close_all_but(3 + (int)p->preserved_fds, keep, ARRAY_SIZE(keep));

	return r < 0 ? error_sys(err, r, "close descriptors") : 0;
}

/* clang-format off */
static const struct step become_steps[] = {
	{ NULL, receive_filter, NULL },
	{ NULL, join_keyring, NULL },
	{ NULL, take_session, NULL },
	{ NULL, own_stdio, NULL },
	{ NULL, complete_env, NULL },
	{ NULL, reset_signals, NULL },
	{ NULL, apply_labels, NULL },
	{ NULL, apply_scheduling, NULL },
	{ NULL, set_rlimits, NULL },
	{ NULL, close_unneeded, NULL },
	{ NULL, load_filter_early, NULL },
	{ NULL, set_identity, NULL },
	{ NULL, retry_cwd, NULL },
	{ NULL, set_umask, NULL },
	{ NULL, set_no_new_privs, NULL },
	{ NULL, find_program, NULL },
	{ NULL, load_filter_late, NULL },
};
/* clang-format on */

int process_become(struct process *p, struct error *err)
{
	return steps_run(become_steps, ARRAY_SIZE(become_steps), p, err);
}

int process_execute(struct process *p, int keep, struct error *err)
{
	const int rest[] = { p->sync->fd, p->gate_fd, log_fd() };

	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		if (rest[i] >= 0 && rest[i] != keep)
			(void)close(rest[i]); /* may be refused by now; close-on-exec */
	execve(p->program, p->plan->process->args, p->env);
	return error_sys(err, errno, "exec %s", p->program);
}
