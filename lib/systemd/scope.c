/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/systemd/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/systemd/bus.h"
#include "lib/systemd/message.h"
#include "lib/systemd/properties.h"
#include "oci/config.h"

#define NAME_FORMAT "slice:prefix:name"
#define NAME_PARTS 3
#define PROC_CGROUP_MAX_BYTES (1u << 20)
#define PROC_DEVICES_MAX_BYTES (1u << 20)
#define UNIT_EXISTS "org.freedesktop.systemd1.UnitExists"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

void scope_done(struct scope *scope)
{
	kill_reap_pid(&scope->holder);
	free(scope->unit);
	free(scope->path);
	*scope = (struct scope)SCOPE_INIT;
}

static char *choose_slice(const char *given, bool is_users)
{
	if (!*given)
		return xstrdup(is_users ? "user.slice" : "system.slice");
	return xstrdup(streq(given, "-") ? "-.slice" : given);
}

int scope_plan_names(const char *cgroups_path, const char *id, bool is_users, char **ret_slice,
		     char **ret_unit, struct error *err)
{
	cleanup_free char *usual = xasprintf(":moat:%s", id);
	const char *path = cgroups_path && *cgroups_path ? cgroups_path : usual;
	cleanup_strv char **parts = strv_split(path, ':');

	if (strv_len(parts) != NAME_PARTS || strchr(path, '/') || !*parts[2])
		return error_set(err, -EINVAL,
				 "expected cgroupsPath to be of format \"" NAME_FORMAT
				 "\" for systemd cgroups, got \"%s\" instead",
				 path);
	if (str_ends_with(parts[2], ".slice"))
		return error_set(err, -EINVAL,
				 "linux.cgroupsPath: '%s' is a slice, which has no processes",
				 path);
	*ret_slice = choose_slice(parts[0], is_users);
	*ret_unit = *parts[1] ? xasprintf("%s-%s.scope", parts[1], parts[2])
			      : xasprintf("%s.scope", parts[2]);
	return 0;
}

/* On v1 and hybrid hosts systemd's is the hierarchy with its name, else v2's. */
char *scope_find_path(const char *proc_cgroup)
{
	cleanup_strv char **lines = strv_split(proc_cgroup, '\n');
	const char *path = NULL;

	strv_each(line, lines) {
		const char *first = strchr(line, ':');
		const char *named = first ? str_after(first, ":name=systemd:") : NULL;

		if (named)
			path = named;
		if (!path && first)
			path = str_after(line, "0::");
	}
	return path ? xstrdup(path) : NULL;
}

static int read_path(pid_t pid, char **ret, struct error *err)
{
	cleanup_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
	cleanup_free char *text = NULL;
	cleanup_free char *path = NULL;
	int r = read_file_at(AT_FDCWD, file, PROC_CGROUP_MAX_BYTES, &text, NULL);

	if (r < 0)
		return error_sys(err, r, "systemd: read '%s'", file);
	path = scope_find_path(text);
	/* "/..": above what this cgroup namespace shows (cgroup_namespaces(7)). */
	if (!path || str_after(path, "/.."))
		return error_set(
			err, -ENOENT,
			"systemd: its cgroup of the scope is not among those mounted here");
	*ret = steal_ptr(&path);
	return 0;
}

/* --- starting --------------------------------------------------------------------------------- */

static int plan_properties(const char *id, const struct oci_config *config,
			   const struct oci_resources *resources, bool is_v2, const char *slice,
			   struct unit_properties *p, struct error *err)
{
	static const char *const accounting_v2[] = { "MemoryAccounting", "CPUAccounting",
						     "IOAccounting", "TasksAccounting" };
	static const char *const accounting_v1[] = { "MemoryAccounting", "CPUAccounting",
						     "BlockIOAccounting", "TasksAccounting" };
	const char *const *accounting = is_v2 ? accounting_v2 : accounting_v1;
	cleanup_free char *devices = NULL;
	int r = read_file_at(AT_FDCWD, "/proc/devices", PROC_DEVICES_MAX_BYTES, &devices, NULL);

	if (r < 0)
		return error_sys(err, r, "systemd: read '/proc/devices'");

	unit_properties_add(p, "Description", "s", xasprintf("moat container %s", id));
	unit_properties_add(p, "Slice", "s", xstrdup(slice));
	/* Who asks, whatever his number is in the manager's process namespace. */
	unit_properties_add(p, "PIDs", "au", xstrdup("0"));
	unit_properties_add(p, "Delegate", "b", xstrdup("true"));
	/* Containers end with their engine's service or by themselves, not in a shutdown's first
	 * minute. */
	unit_properties_add(p, "DefaultDependencies", "b", xstrdup("false"));
	unit_properties_add(p, "CollectMode", "s", xstrdup("inactive-or-failed"));
	p->items[p->count - 1].is_optional = true;
	for (size_t i = 0; i < ARRAY_SIZE(accounting_v2); i++) {
		unit_properties_add(p, accounting[i], "b", xstrdup("true"));
		p->items[p->count - 1].is_optional = true;
	}
	r = unit_properties_of_resources(resources, is_v2, p, err);
	if (r == 0)
		r = unit_properties_of_devices(resources, devices, p, err);
	return r < 0 ? r : unit_properties_of_annotations(config, p, err);
}

/* The name of the property that systemd does not know. free(3) it, NULL: it is about another
 * thing. */
static char *unknown_property(const struct error *err)
{
	const char *name = strstr(err->msg, "Cannot set property ");

	if (!name || !strstr(name, ", or unknown property"))
		return NULL;
	name += strlen("Cannot set property ");
	return xstrndup(name, strcspn(name, ","));
}

static void forget_failed(struct bus *bus, const char *unit)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;

	message_put_string(&body, unit);
	/* What is there and has not failed is told of by the next attempt. */
	(void)bus_call(bus, "ResetFailedUnit", "s", &body, NULL, NULL, NULL);
}

/* StartTransientUnit (s name, s mode, a(sv) properties, a(sa(sv)) other units) */
static int start_once(struct bus *bus, const char *unit, const struct unit_properties *p,
		      char **ret_name, struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	int r;

	message_put_string(&body, unit);
	message_put_string(&body, "replace");
	r = unit_properties_write(p, &body, err);
	if (r < 0)
		return r;
	message_end_array(&body, message_begin_array(&body, 8), 8);
	return bus_call_job(bus, "StartTransientUnit", "ssa(sv)a(sa(sv))", &body, ret_name, err);
}

static int start(struct bus *bus, const char *unit, struct unit_properties *p, struct error *err)
{
	bool is_reset = false;

	for (;;) {
		cleanup_free char *name = NULL;
		cleanup_free char *unknown = NULL;
		struct error reason = ERROR_INIT;
		int r = start_once(bus, unit, p, &name, &reason);

		if (r == 0)
			return 0;
		unknown = unknown_property(&reason);
		if (unknown && unit_properties_drop(p, unknown)) {
			log_debug("systemd does not know the property '%s'", unknown);
			continue;
		}
		if (name && streq(name, UNIT_EXISTS) && !is_reset) {
			forget_failed(bus, unit);
			is_reset = true;
			continue;
		}
		error_set(err, r, "%s", reason.msg);
		return error_wrap(err, r, "start unit '%s'", unit);
	}
}

struct holder {
	const char *unit;
	struct unit_properties *properties;
	bool is_users;
};

/* The holder's life: it connects itself, because systemd takes it for who did. */
static void hold(const struct holder *h, int fd, pid_t parent)
{
	struct error err = ERROR_INIT;
	cleanup_bus struct bus *bus = NULL;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	r = bus_connect(h->is_users, &bus, &err);
	if (r == 0)
		r = start(bus, h->unit, h->properties, &err);
	if (write_all(fd, &err, sizeof(err)) < 0 || r < 0)
		_exit(1);
	for (;;)
		(void)pause(); /* until it is killed, by us or by our death */
}

static int start_holder(const struct holder *h, pid_t *ret, struct error *err)
{
	CLEANUP(close_fdp) int ours = -1, theirs = -1;
	pid_t parent = getpid();
	cleanup_pid pid_t pid = 0;
	struct error reason;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "systemd: make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0) {
		pid = 0;
		return error_sys(err, errno, "systemd: fork");
	}
	if (pid == 0) {
		close_fdp(&ours);
		hold(h, theirs, parent);
	}
	close_fdp(&theirs);
	theirs = -1;
	r = read_exact(ours, &reason, sizeof(reason));
	if (r < 0)
		return error_set(err, r, "systemd: the scope's first process died");
	reason.msg[sizeof(reason.msg) - 1] = '\0';
	if (reason.code)
		return error_set(err, reason.code, "%s", reason.msg);
	*ret = steal_pid(&pid);
	return 0;
}

int scope_start(const char *id, const struct oci_config *config,
		const struct oci_resources *resources, bool is_v2, bool is_users, struct scope *ret,
		struct error *err)
{
	cleanup_unit_properties struct unit_properties properties = { NULL, 0 };
	cleanup_free char *slice = NULL;
	struct holder holder = { .properties = &properties, .is_users = is_users };
	int r = scope_plan_names(config->linux_.cgroups_path, id, is_users, &slice, &ret->unit,
				 err);

	if (r == 0)
		r = plan_properties(id, config, resources, is_v2, slice, &properties, err);
	if (r < 0)
		return r;
	holder.unit = ret->unit;
	r = start_holder(&holder, &ret->holder, err);
	return r < 0 ? r : read_path(ret->holder, &ret->path, err);
}

/* --- changing and stopping ---------------------------------------------------------------------*/

/* SetUnitProperties (s name, b runtime, a(sv) properties) */
static int set_once(struct bus *bus, const char *unit, const struct unit_properties *p,
		    struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	int r;

	message_put_string(&body, unit);
	message_put_u32(&body, true);
	r = unit_properties_write(p, &body, err);
	return r < 0 ? r : bus_call(bus, "SetUnitProperties", "sba(sv)", &body, NULL, NULL, err);
}

static int set_known(struct bus *bus, const char *unit, struct unit_properties *p,
		     struct error *err)
{
	for (;;) {
		struct error reason = ERROR_INIT;
		cleanup_free char *unknown = NULL;
		int r = set_once(bus, unit, p, &reason);

		if (r == 0)
			return 0;
		unknown = unknown_property(&reason);
		if (unknown && unit_properties_drop(p, unknown))
			continue;
		error_set(err, r, "%s", reason.msg);
		return error_wrap(err, r, "change unit '%s'", unit);
	}
}

/* systemd answers before it writes, and writes before it takes another question. */
static void await_writes(struct bus *bus, const char *unit)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;

	message_put_string(&body, unit);
	(void)bus_call(bus, "GetUnit", "s", &body, NULL, NULL, NULL);
}

int scope_update(const char *unit, const struct oci_resources *resources, bool is_v2, bool is_users,
		 struct error *err)
{
	cleanup_unit_properties struct unit_properties properties = { NULL, 0 };
	cleanup_bus struct bus *bus = NULL;
	int r = unit_properties_of_resources(resources, is_v2, &properties, err);

	if (r < 0 || !properties.count)
		return r;
	r = bus_connect(is_users, &bus, err);
	if (r == 0)
		r = set_known(bus, unit, &properties, err);
	if (r == 0)
		await_writes(bus, unit);
	return r;
}

/* StopUnit (s name, s mode) */
int scope_stop(const char *unit, bool is_users, struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	cleanup_bus struct bus *bus = NULL;
	cleanup_free char *name = NULL;
	struct error reason = ERROR_INIT;
	int r = bus_connect(is_users, &bus, &reason);

	message_put_string(&body, unit);
	message_put_string(&body, "replace");
	if (r == 0)
		r = bus_call_job(bus, "StopUnit", "ss", &body, &name, &reason);
	if (r == 0 || (name && streq(name, NO_SUCH_UNIT)))
		return 0;
	error_set(err, r, "%s", reason.msg);
	return error_wrap(err, r, "stop unit '%s'", unit);
}
