/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/id-map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/system-program.h"
#include "lib/linux/clone.h"
#include "lib/linux/signals.h"
#include "oci/config.h"

#define OUTPUT_MAX 512 /* as much of a program's complaint as an error has room for */

static bool has(const struct oci_id_mapping *items, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= items[i].container_id && id - items[i].container_id < items[i].size)
			return true;
	return false;
}

static int plan_one(const char *key, const struct oci_id_mapping *items, size_t count, id_t own,
		    bool may_set, struct id_map *ret, struct error *err)
{
	bool is_own = count == 1 && items[0].size == 1 && items[0].host_id == own;

	if (!count)
		return error_set(err, -EINVAL,
				 "linux.%s: user namespaces enabled, but no mappings found", key);
	if (!has(items, count, 0))
		return error_set(err, -EINVAL,
				 "linux.%s: there is no mapping for root (container id 0)", key);
	*ret = (struct id_map){
		.items = items,
		.count = count,
		.takes_program = !may_set && !is_own,
	};
	return 0;
}

int id_map_plan(const struct oci_linux *l, const struct id_map_rights *rights,
		struct id_map_plan *ret, struct error *err)
{
	struct id_map_plan plan = { 0 };
	int r;

	r = plan_one("uidMappings", l->uid_mappings, l->uid_mappings_count, rights->uid,
		     rights->may_set_uids, &plan.uids, err);
	if (r < 0)
		return r;
	r = plan_one("gidMappings", l->gid_mappings, l->gid_mappings_count, rights->gid,
		     rights->may_set_gids, &plan.gids, err);
	if (r < 0)
		return r;
	/* The program decides for itself. */
	plan.denies_setgroups = !rights->may_set_gids && !plan.gids.takes_program;
	*ret = plan;
	return 0;
}

static int check_id(const struct id_map *map, const char *key, uint32_t id, const char *maps,
		    struct error *err)
{
	if (has(map->items, map->count, id))
		return 0;
	return error_set(err, -EINVAL, "process.user.%s: %u has no mapping in linux.%s", key, id,
			 maps);
}

int id_map_check_user(const struct id_map_plan *plan, const struct oci_user *user,
		      struct error *err)
{
	int r = check_id(&plan->uids, "uid", user->uid, "uidMappings", err);

	if (r == 0)
		r = check_id(&plan->gids, "gid", user->gid, "gidMappings", err);
	for (size_t i = 0; r == 0 && i < user->additional_gids_count; i++)
		r = check_id(&plan->gids, "additionalGids", user->additional_gids[i], "gidMappings",
			     err);
	if (r == 0 && plan->denies_setgroups && user->additional_gids_count)
		r = error_set(err, -EINVAL,
			      "process.user.additionalGids: cannot set any additional groups in a "
			      "rootless container");
	return r;
}

char *id_map_text(const struct oci_id_mapping *items, size_t count)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&text, "%u %u %u\n", items[i].container_id, items[i].host_id,
			    items[i].size);
	return strbuf_steal(&text);
}

char **id_map_args(const char *program, pid_t pid, const struct id_map *map)
{
	char **args = NULL;

	strv_pushf(&args, "%s", program);
	strv_pushf(&args, "%d", (int)pid);
	for (size_t i = 0; i < map->count; i++) {
		strv_pushf(&args, "%u", map->items[i].container_id);
		strv_pushf(&args, "%u", map->items[i].host_id);
		strv_pushf(&args, "%u", map->items[i].size);
	}
	return args;
}

bool id_map_has_programs(void)
{
	cleanup_free char *uids = system_program_find("", "newuidmap");
	cleanup_free char *gids = system_program_find("", "newgidmap");

	return uids && gids;
}

__attribute__((noreturn)) static void become(char *const *args, int output)
{
	static char *const no_env[] = { NULL };
	int none = -1;

	signals_reset();
	if (dup2(output, 1) == 1 && dup2(output, 2) == 2 && close_all_but(3, &none, 0) == 0)
		execve(args[0], args, no_env);
	dprintf(2, "%s", strerror(errno));
	_exit(127);
}

static int judge(const char *program, int status, int output, struct error *err)
{
	char text[OUTPUT_MAX + 1];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	n = pread(output, text, OUTPUT_MAX, 0);
	text[n > 0 ? n : 0] = '\0';
	/* It says its own name first, unless it could not be executed. */
	if (str_after(text, program))
		error_set(err, -EPERM, "%s", text);
	else
		error_set(err, -EPERM, "%s: %s", program, text);
	if (err)
		error_sanitize(err);
	return -EPERM;
}

static int run_program(const char *name, pid_t pid, const struct id_map *map, struct error *err)
{
	struct clone_request clone = { .cgroup_fd = -1 };
	/* It gets more rights than we have, so nobody's environment says where it is. */
	cleanup_free char *path = system_program_find("", name);
	cleanup_fd int output = memfd_create(name, MFD_CLOEXEC);
	cleanup_strv char **args = NULL;
	int status = 0;
	pid_t child;

	if (!path)
		return error_set(err, -ENOENT, "find '%s': no such program", name);
	if (output < 0)
		return error_sys(err, errno, "make output for '%s'", name);
	args = id_map_args(path, pid, map);
	child = clone_process(&clone);
	if (child < 0)
		return error_sys(err, (int)child, "start '%s'", name);
	if (child == 0)
		become(args, output);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for '%s'", name);
	return judge(name, status, output, err);
}

static int write_one(int proc_fd, const char *file, const char *program, const struct id_map *map,
		     pid_t pid, struct error *err)
{
	cleanup_free char *text = NULL;
	int r;

	if (map->takes_program)
		return run_program(program, pid, map, err);
	text = id_map_text(map->items, map->count);
	r = write_file_at(proc_fd, file, text);
	return r < 0 ? error_sys(err, r, "write %s", file) : 0;
}

int id_map_write(const struct id_map_plan *plan, pid_t pid, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d", (int)pid);
	cleanup_fd int proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (proc_fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	if (plan->denies_setgroups)
		r = write_file_at(proc_fd, "setgroups", "deny");
	if (r < 0)
		return error_sys(err, r, "deny setgroups");
	r = write_one(proc_fd, "gid_map", "newgidmap", &plan->gids, pid, err);
	if (r < 0)
		return error_wrap(err, r, "linux.gidMappings");
	r = write_one(proc_fd, "uid_map", "newuidmap", &plan->uids, pid, err);
	return r < 0 ? error_wrap(err, r, "linux.uidMappings") : 0;
}
