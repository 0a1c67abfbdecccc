/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "tests/unit/agent/scene.h"

/* Processes that take their time to come into a container. */
#define TEXT(s) ((char *)(s))

static grpc_ExecProcessRequest exec_request(const char *exec_id)
{
	static const char json[] = "{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\","
				   "\"args\":[\"/bin/sleep\",\"100\"]}";

	return (grpc_ExecProcessRequest){
		.container_id = TEXT("c"),
		.exec_id = TEXT(exec_id),
		.oci_json = { (const uint8_t *)json, sizeof(json) - 1 },
	};
}

/* A process that cannot come in before its container is thawed. */
static void begin_exec_in_frozen(struct scene *s, struct pending *p)
{
	const grpc_PauseContainerRequest pause = { TEXT("c") };
	const grpc_ExecProcessRequest req = exec_request("late");
	const grpc_CheckRequest check = { 0 };
	grpc_HealthCheckResponse resp;
	grpc_Empty empty;

	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_PAUSE_CONTAINER, &pause, &empty), 0);
	assert_int_equal(agent_call_async(s->client, AGENT_EXEC_PROCESS, &req, TIMEOUT_MS,
					  on_answer, p, NULL),
			 0);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
	assert_false(p->is_done);
}

static void a_container_that_goes_on_elsewhere_has_its_own_processes_alone(void **state)
{
	struct scene *s = *state;
	const grpc_ExecProcessRequest exec = exec_request("other");
	const grpc_AttachStdioRequest attach = { .container_id = TEXT("c") };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_EXEC_PROCESS, &exec, &empty), 0);
	assert_int_equal(send_signal(s, "other", 0), 0);
	assert_int_equal(call(s, AGENT_ATTACH_STDIO, &attach, &empty), 0);
	assert_int_equal(send_signal(s, "other", 0), -ENOENT);
	assert_int_equal(send_signal(s, "c", 0), 0);
	assert_int_equal(remove_container(s), 0);
}

static void a_container_that_goes_on_elsewhere_may_have_another_name(void **state)
{
	static const struct {
		const char *id, *new_id;
		int code;
	} cases[] = {
		{ "c", "../up", -EINVAL }, { "none", "d", -EINVAL }, { "c", "d", 0 },
		{ "c", "e", -EINVAL },	   { "d", "", 0 },
	};
	struct scene *s = *state;
	const grpc_RemoveContainerRequest remove = { .container_id = TEXT("d") };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(create(s, false, "exec sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const grpc_AttachStdioRequest req = {
			.container_id = TEXT(cases[i].id),
			.new_container_id = TEXT(cases[i].new_id),
		};

		assert_int_equal(call(s, AGENT_ATTACH_STDIO, &req, &empty), cases[i].code);
	}
	assert_int_equal(call(s, AGENT_REMOVE_CONTAINER, &remove, &empty), 0);
}

static void others_are_answered_while_a_process_waits_to_come_in(void **state)
{
	struct scene *s = *state;
	const grpc_ResumeContainerRequest resume = { TEXT("c") };
	struct pending late = { 0 };
	grpc_Empty empty;

	need_containers(s);
	begin_exec_in_frozen(s, &late);
	assert_int_equal(wait_status(s, "late"), -EBUSY);
	assert_int_equal(send_signal(s, "late", SIGTERM), -EBUSY);
	assert_int_equal(send_signal(s, "late", SIGKILL), 0);
	assert_false(late.is_done);
	assert_int_equal(call(s, AGENT_RESUME_CONTAINER, &resume, &empty), 0);
	assert_int_equal(loop_run_until(s->loop, &late.is_done, TIMEOUT_MS), 0);
	assert_int_equal(late.code, 0);
	assert_int_equal(wait_status(s, "late"), 137);
	assert_int_equal(remove_container(s), 0);
}

static void a_container_can_be_removed_while_a_process_waits_to_come_in(void **state)
{
	struct scene *s = *state;
	struct pending late = { 0 };

	need_containers(s);
	begin_exec_in_frozen(s, &late);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(loop_run_until(s->loop, &late.is_done, TIMEOUT_MS), 0);
	assert_true(late.code < 0);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
}

static void the_agent_ends_while_a_process_waits_to_come_in(void **state)
{
	struct scene *s = *state;
	static struct pending late; /* its client outlives us */

	need_containers(s);
	begin_exec_in_frozen(s, &late);
	/* The scene's end sends it a SIGTERM, and wants a clean exit. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(others_are_answered_while_a_process_waits_to_come_in),
		TEST(a_container_that_goes_on_elsewhere_has_its_own_processes_alone),
		TEST(a_container_that_goes_on_elsewhere_may_have_another_name),
		TEST(a_container_can_be_removed_while_a_process_waits_to_come_in),
		TEST(the_agent_ends_while_a_process_waits_to_come_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
