/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/proto/method.h"
#include "agent/proto/ttrpc.h"
#include "lib/base/str.h"

static void every_method_has_its_messages_and_is_found_by_name(void **state)
{
	for (int i = 0; i < AGENT_METHOD_COUNT; i++) {
		const struct agent_method_info *info = &agent_methods[i];

		assert_non_null(info->service);
		assert_non_null(info->request);
		assert_non_null(info->response);
		assert_true(info->request_size > 0 && info->response_size > 0);
		assert_int_equal(agent_method_find(info->service, info->name), i);
	}
	assert_int_equal(agent_method_find("grpc.Health", "CreateContainer"), -ENOENT);
	assert_int_equal(agent_method_find("", ""), -ENOENT);
}

/* Written out by hand from Kata's field numbers. */
static void a_request_has_katas_bytes_on_the_wire(void **state)
{
	/* clang-format off */
	static const uint8_t golden[] = {
		0x0a, 0x01, 'c',              /* container_id = 1 */
		0x12, 0x01, 'e',              /* exec_id = 2 */
		0x48, 0x07,                   /* stdin_port = 9 */
		0x50, 0xac, 0x02,             /* stdout_port = 10: 300 */
		0xc2, 0x3e, 0x02, '{', '}',   /* oci_json = 1000 */
	};
	/* clang-format on */
	const grpc_CreateContainerRequest req = {
		.container_id = (char *)"c",
		.exec_id = (char *)"e",
		.stdin_port = 7,
		.stdout_port = 300,
		.oci_json = { (const uint8_t *)"{}", 2 },
	};
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	assert_int_equal(agent_message_encode(&grpc_CreateContainerRequest_msg, &req, &sb), 0);
	assert_int_equal(sb.len, sizeof(golden));
	assert_memory_equal(sb.buf, golden, sizeof(golden));
}

/* What kata-agent-ctl 4.1 sends, field by field: Rust's protobuf and ttrpc wrote it. */
static void a_request_of_katas_own_tool_is_understood(void **state)
{
	/* clang-format off */
	static const char frame[] =
		"\x0a\x11" "grpc.AgentService" "\x12\x0f" "CreateContainer"
		"\x1a\x80\x01" /* the request: 128 bytes */
			"\x0a\x01" "k"
			"\x2a\x26" /* storages = 5 */
				"\x0a\x09" "ephemeral" "\x1a\x05" "tmpfs" "\x22\x05" "tmpfs"
				"\x2a\x07" "size=1m" "\x32\x02" "/v"
			"\x32\x51" /* OCI = 6 */
				"\x0a\x05" "1.1.0"
				"\x12\x1f" /* Process: Terminal, User, Args, Cwd, OOMScoreAdj -5 */
					"\x08\x01"
					"\x1a\x09" "\x08\x01\x10\x02" "\x1a\x03\x0a\xac\x02"
					"\x22\x02" "sh" "\x32\x01" "/"
					"\x58\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01"
				"\x1a\x06" "\x0a\x02" "/r" "\x10\x01"
				"\x42\x1f" /* Linux: Memory with Limit and Swap -1, CgroupsPath */
					"\x22\x12" "\x12\x10"
						"\x08\x80\x80\x80\x20"
						"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
					"\x2a\x02" "/k"
					"\x32\x05" "\x0a\x03" "ipc"
			"\x38\x01" /* sandbox_pidns = 7 */
		"\x20\x80\x94\xeb\xdc\x03" /* timeout_nano: a second */
		"\x2a\x1c" "\x0a\x0d" "agent-ctl-cfg" "\x12\x0b" "auto-values"; /* metadata */
	/* clang-format on */
	struct ttrpc_request request;
	grpc_CreateContainerRequest got;

	assert_int_equal(ttrpc_request_decode((const uint8_t *)frame, sizeof(frame) - 1, &request),
			 0);
	assert_memory_equal(request.service.data, "grpc.AgentService", request.service.len);
	assert_memory_equal(request.method.data, "CreateContainer", request.method.len);
	assert_int_equal(request.timeout_ns, 1000000000);
	assert_int_equal(request.payload.len, 128);
	assert_int_equal(agent_message_decode(&grpc_CreateContainerRequest_msg, sizeof(got),
					      request.payload.data, request.payload.len, &got),
			 0);
	assert_string_equal(got.container_id, "k");
	assert_true(got.sandbox_pidns);
	assert_int_equal(got.storages_count, 1);
	assert_string_equal(got.storages[0].driver, "ephemeral");
	assert_string_equal(got.storages[0].options[0], "size=1m");
	assert_non_null(got.oci);
	assert_true(got.oci->process.terminal);
	assert_int_equal(got.oci->process.user.additional_gids_count, 2);
	assert_int_equal(got.oci->process.user.additional_gids[1], 300);
	assert_int_equal(got.oci->process.oom_score_adj, -5);
	assert_string_equal(got.oci->process.args[0], "sh");
	assert_true(got.oci->root.readonly);
	assert_int_equal(got.oci->linux_.resources.memory.limit, 64 << 20);
	assert_int_equal(got.oci->linux_.resources.memory.swap, -1);
	assert_string_equal(got.oci->linux_.namespaces[0].type, "ipc");
	agent_message_release(&grpc_CreateContainerRequest_msg, &got);
}

static void odd_field_numbers_are_katas(void **state)
{
	const grpc_ReseedRandomDevRequest req = { .data = { (const uint8_t *)"x", 1 } };
	const grpc_SetGuestDateTimeRequest time = { .sec = 1, .usec = 2 };
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	assert_int_equal(agent_message_encode(&grpc_ReseedRandomDevRequest_msg, &req, &sb), 0);
	assert_memory_equal(sb.buf, "\x12\x01x", 3); /* 2, not 1 */
	sb.len = 0;
	assert_int_equal(agent_message_encode(&grpc_SetGuestDateTimeRequest_msg, &time, &sb), 0);
	assert_memory_equal(sb.buf, "\x08\x01\x10\x02", 4);
}

static void bytes_beyond_64_kib_survive_the_way(void **state)
{
	size_t size = 3u << 20;
	cleanup_free uint8_t *data = xmalloc(size);
	const grpc_WriteStreamRequest req = {
		.container_id = (char *)"c",
		.data = { data, size },
	};
	grpc_WriteStreamRequest got;
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(agent_message_encode(&grpc_WriteStreamRequest_msg, &req, &sb), 0);
	assert_int_equal(agent_message_decode(&grpc_WriteStreamRequest_msg, sizeof(got), sb.buf,
					      sb.len, &got),
			 0);
	assert_string_equal(got.container_id, "c");
	assert_int_equal(got.data.size, size);
	assert_memory_equal(got.data.data, data, size);
	agent_message_release(&grpc_WriteStreamRequest_msg, &got);
}

static void a_repeated_single_field_keeps_the_last_value(void **state)
{
	static const uint8_t twice[] = { 0x12, 0x03, 'o', 'n', 'e', 0x12, 0x03, 't', 'w', 'o' };
	grpc_ReseedRandomDevRequest got;

	assert_int_equal(agent_message_decode(&grpc_ReseedRandomDevRequest_msg, sizeof(got), twice,
					      sizeof(twice), &got),
			 0);
	assert_int_equal(got.data.size, 3);
	assert_memory_equal(got.data.data, "two", 3);
	agent_message_release(&grpc_ReseedRandomDevRequest_msg, &got);
}

/* nanopb gives a callback a stack buffer here, which must not be kept. */
static void a_bytes_field_sent_as_a_number_is_not_a_dangling_pointer(void **state)
{
	static const uint8_t number[] = { 0x10, 0x2a };
	grpc_ReseedRandomDevRequest got;
	int r = agent_message_decode(&grpc_ReseedRandomDevRequest_msg, sizeof(got), number,
				     sizeof(number), &got);

	if (r == 0) {
		assert_true(got.data.size <= 10);
		agent_message_release(&grpc_ReseedRandomDevRequest_msg, &got);
	}
}

static void unknown_fields_are_skipped(void **state)
{
	static const uint8_t more[] = { 0x0a, 0x01, 'c', 0xfa, 0x7f, 0x02, 'h', 'i' };
	grpc_StartContainerRequest got;

	assert_int_equal(agent_message_decode(&grpc_StartContainerRequest_msg, sizeof(got), more,
					      sizeof(more), &got),
			 0);
	assert_string_equal(got.container_id, "c");
	agent_message_release(&grpc_StartContainerRequest_msg, &got);
}

static void a_cut_message_is_refused_and_owns_nothing(void **state)
{
	static const uint8_t cut[] = { 0x0a, 0x01, 'c', 0x12, 0x40, 'e' };
	grpc_CreateContainerRequest got;

	assert_int_equal(agent_message_decode(&grpc_CreateContainerRequest_msg, sizeof(got), cut,
					      sizeof(cut), &got),
			 -EBADMSG);
	assert_null(got.container_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_has_its_messages_and_is_found_by_name),
		cmocka_unit_test(a_request_has_katas_bytes_on_the_wire),
		cmocka_unit_test(a_request_of_katas_own_tool_is_understood),
		cmocka_unit_test(odd_field_numbers_are_katas),
		cmocka_unit_test(bytes_beyond_64_kib_survive_the_way),
		cmocka_unit_test(a_repeated_single_field_keeps_the_last_value),
		cmocka_unit_test(a_bytes_field_sent_as_a_number_is_not_a_dangling_pointer),
		cmocka_unit_test(unknown_fields_are_skipped),
		cmocka_unit_test(a_cut_message_is_refused_and_owns_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
