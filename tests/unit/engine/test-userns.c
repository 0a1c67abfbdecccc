/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/unit/engine/boxed.h"

/* Containers with user and time namespaces, run to their end. */

static struct outcome got;

#define MOUNT_AND_USER                                                                             \
	"{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"user\"}"
#define MAPS                                                                                       \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"                  \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]"

static void run(const struct wish *wish)
{
	if (!box)
		skip();
	box_run(box, wish, &got);
}

static void expect_output(const char *want)
{
	if (got.error[0])
		fail_msg("engine: %s", got.error);
	assert_string_equal(got.out, want);
}

static void expect_error(int code, const char *part)
{
	if (!strstr(got.error, part))
		fail_msg("'%s' is not in '%s' (%s)", part, got.error, got.out);
	assert_int_equal(got.status, code);
}

static void its_root_is_somebody_else_outside(void **state)
{
	run(&(struct wish){
		.script = "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
	});
	expect_output("0\n0\n 0 100000 65536\n 0 200000 65536\n");
}

static void what_it_makes_belongs_to_its_ids_outside(void **state)
{
	struct stat st;

	if (!box)
		skip();
	assert_int_equal(chmod(box->host, 0777), 0);
	run(&(struct wish){
		.script = "touch /tmp/made",
		.user = "{\"uid\":5,\"gid\":6}",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
		.mounts = ",{\"destination\":\"/tmp\",\"source\":\"host\",\"options\":[\"bind\"]}",
	});
	expect_output("");
	{
		cleanup_free char *path = box_path(box, "host/made");

		assert_int_equal(stat(path, &st), 0);
	}
	assert_int_equal(st.st_uid, 100005);
	assert_int_equal(st.st_gid, 200006);
}

static void file_systems_it_mounts_belong_to_its_root(void **state)
{
	run(&(struct wish){
		.script = "stat -c %u:%g /dev /dev/shm /dev/mqueue",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
		.mounts = ",{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"}"
			  ",{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"m\"}",
	});
	expect_output("0:0\n0:0\n0:0\n");
}

/* Nobody but the host's root can get to it by name. */
static void a_source_in_a_private_directory_is_bound(void **state)
{
	if (!box)
		skip();
	box_write(box, "host/secret", "found\n");
	assert_int_equal(chmod(box->host, 0700), 0);
	run(&(struct wish){
		.script = "cat /tmp/it",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
		.mounts = ",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"t\"}"
			  ",{\"destination\":\"/tmp/it\",\"source\":\"host/secret\","
			  "\"options\":[\"bind\"]}",
	});
	expect_output("found\n");
}

static void mounts_made_in_a_bound_tree_stay_inside(void **state)
{
	run(&(struct wish){
		.script = "mount -t tmpfs t /tmp/sub && touch /tmp/sub/x && ls /tmp/sub",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
		.process = "\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"],"
			   "\"effective\":[\"CAP_SYS_ADMIN\"],\"permitted\":[\"CAP_SYS_ADMIN\"]}",
		.mounts = ",{\"destination\":\"/tmp\",\"source\":\"host\",\"options\":[\"rbind\"]}",
	});
	if (!box)
		return;
	/* The directory is missing, or the host's: whatever happened, nothing is out here. */
	assert_false(box_has(box, "host/sub/x"));
}

static void the_oom_score_is_set(void **state)
{
	run(&(struct wish){
		.script = "cat /proc/self/oom_score_adj",
		.process = "\"oomScoreAdj\":123",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
	});
	expect_output("123\n");
}

static void a_user_without_a_mapping_is_named(void **state)
{
	run(&(struct wish){
		.script = "true",
		.user = "{\"uid\":70000,\"gid\":0}",
		.namespaces = MOUNT_AND_USER,
		.linux_ = MAPS,
	});
	expect_error(-EINVAL, "process.user.uid: 70000 has no mapping in linux.uidMappings");
}

static void the_clocks_are_offset(void **state)
{
	char *end;
	double inside;

	run(&(struct wish){
		.script = "read up idle </proc/uptime; echo $up",
		.namespaces = "{\"type\":\"mount\"},{\"type\":\"time\"}",
		.linux_ = "\"timeOffsets\":{\"boottime\":{\"secs\":1000000000}}",
	});
	if (!box)
		return;
	inside = strtod(got.out, &end);
	if (got.error[0] || inside < 1e9)
		fail_msg("%s%s", got.error, got.out);
}

static void both_kinds_go_together(void **state)
{
	run(&(struct wish){
		.script = "cat /proc/self/timens_offsets | tr -s ' '; id -u",
		.namespaces = MOUNT_AND_USER ",{\"type\":\"time\"}",
		.linux_ = MAPS ",\"timeOffsets\":{\"monotonic\":{\"secs\":7,\"nanosecs\":9},"
			       "\"boottime\":{\"secs\":-3}}",
	});
	expect_output("monotonic 7 9\nboottime -3 0\n0\n");
}

/* The namespaces of a process of ours, to be joined by path. */
struct other {
	pid_t pid;
	int hold;
};

static struct other other_new(int flags)
{
	int ready[2], done[2];
	struct other other;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (other.pid == 0) {
		close(done[1]);
		if (unshare(flags) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		(void)!read(done[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(done[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	other.hold = done[1];
	return other;
}

static void other_end(struct other *other)
{
	close(other->hold);
	(void)wait_status(other->pid);
}

static void write_map(pid_t pid, const char *file, const char *text)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", (int)pid, file);

	assert_int_equal(write_file_at(AT_FDCWD, path, text), 0);
}

static void a_user_namespace_can_be_joined_with_what_it_owns(void **state)
{
	cleanup_free char *namespaces = NULL;
	struct other other;

	if (!box)
		skip();
	other = other_new(CLONE_NEWUSER | CLONE_NEWNET);
	write_map(other.pid, "uid_map", "0 300000 1000");
	write_map(other.pid, "gid_map", "0 300000 1000");
	namespaces = xasprintf("{\"type\":\"mount\"},{\"type\":\"pid\"},"
			       "{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"},"
			       "{\"type\":\"user\",\"path\":\"/proc/%d/ns/user\"}",
			       (int)other.pid, (int)other.pid);
	run(&(struct wish){
		.script = "cat /proc/self/uid_map | tr -s ' '",
		.namespaces = namespaces,
	});
	other_end(&other);
	expect_output(" 0 300000 1000\n");
}

static void a_network_of_the_hosts_is_joined_from_outside(void **state)
{
	cleanup_free char *namespaces = NULL;
	cleanup_free char *path = NULL;
	char theirs[64] = "";
	struct other other;

	if (!box)
		skip();
	other = other_new(CLONE_NEWNET);
	path = xasprintf("/proc/%d/ns/net", (int)other.pid);
	assert_true(readlink(path, theirs, sizeof(theirs) - 2) > 0);
	namespaces = xasprintf(MOUNT_AND_USER ",{\"type\":\"network\",\"path\":\"%s\"}", path);
	run(&(struct wish){
		.script = "readlink /proc/self/ns/net",
		.namespaces = namespaces,
		.linux_ = MAPS,
	});
	other_end(&other);
	strcat(theirs, "\n");
	expect_output(theirs);
}

static void its_own_user_namespace_is_nothing_to_join(void **state)
{
	run(&(struct wish){
		.script = "id -u",
		.namespaces = "{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"user\","
			      "\"path\":\"/proc/self/ns/user\"}",
	});
	expect_output("0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(its_root_is_somebody_else_outside),
		BOXED(what_it_makes_belongs_to_its_ids_outside),
		BOXED(file_systems_it_mounts_belong_to_its_root),
		BOXED(a_source_in_a_private_directory_is_bound),
		BOXED(mounts_made_in_a_bound_tree_stay_inside),
		BOXED(the_oom_score_is_set),
		BOXED(a_user_without_a_mapping_is_named),
		BOXED(the_clocks_are_offset),
		BOXED(both_kinds_go_together),
		BOXED(a_user_namespace_can_be_joined_with_what_it_owns),
		BOXED(a_network_of_the_hosts_is_joined_from_outside),
		BOXED(its_own_user_namespace_is_nothing_to_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
