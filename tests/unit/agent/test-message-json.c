/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/base64.h"
#include "agent/client/message-json.h"
#include "agent/client/schema.h"
#include "agent/proto/method.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

static const struct schema_message *request_of(const char *method)
{
	const struct schema_method *found = schema_method_find(method);

	assert_non_null(found);
	return found->request;
}

static void encode(const char *method, const char *json, struct strbuf *ret)
{
	struct error err = ERROR_INIT;

	if (message_from_json(request_of(method), "test", json, strlen(json), ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static char *print(const struct schema_message *message, const void *data, size_t len)
{
	struct json_writer *w = json_writer_new(false);

	if (message_to_json(message, data, len, w) == 0)
		return json_finish(w);
	json_writer_free(w);
	return NULL;
}

/* There and back through bytes. */
static void check_round(const char *method, const char *json, const char *wanted)
{
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	cleanup_free char *text = NULL;

	encode(method, json, &wire);
	text = print(request_of(method), wire.buf ? wire.buf : "", wire.len);
	assert_non_null(text);
	assert_string_equal(text, wanted);
}

static void every_method_of_ours_is_known_by_name(void **state)
{
	for (size_t i = 0; i < AGENT_METHOD_COUNT; i++) {
		const struct schema_method *found = schema_method_find(agent_methods[i].name);

		if (!found)
			fail_msg("services.proto lacks %s", agent_methods[i].name);
		assert_string_equal(found->service, agent_methods[i].service);
	}
	assert_ptr_equal(schema_method_find("get-oom-event"), schema_method_find("GetOOMEvent"));
	assert_null(schema_method_find("get-oom-events"));
	assert_null(schema_method_find("get-oom"));
	assert_null(schema_method_find(""));
}

static void the_kinds_of_fields_survive_the_way_there_and_back(void **state)
{
	static const struct {
		const char *method, *json, *wanted;
	} cases[] = {
		{ "StartContainer", "{}", "{\"container_id\":\"\"}" },
		{ "StartContainer", "{\"container_id\":null}", "{\"container_id\":\"\"}" },
		{ "SignalProcess", "{\"signal\":15,\"container_id\":\"a\\u00e9\"}",
		  "{\"container_id\":\"aé\",\"exec_id\":\"\",\"signal\":15}" },
		{ "AddSwap", "{\"pci_path\":[1,2,300]}", "{\"pci_path\":[1,2,300]}" },
		{ "AddSwap", "{\"pci_path\":[]}", "{}" },
		{ "SetGuestDateTime", "{\"sec\":-1,\"usec\":\"9223372036854775807\"}",
		  "{\"sec\":-1,\"usec\":9223372036854775807}" },
		{ "CopyFile", "{\"uid\":-1,\"data\":\"AP8=\"}",
		  "{\"path\":\"\",\"file_size\":0,\"file_mode\":0,\"dir_mode\":0,\"uid\":-1,\"gid\":0,"
		  "\"offset\":0,\"data\":\"AP8=\"}" },
		{ "MemAgentMemcgSet", "{\"disabled\":false,\"period_secs\":0}",
		  "{\"disabled\":false,\"period_secs\":0}" },
		{ "AddARPNeighbors",
		  "{\"neighbors\":{\"neighbors\":[{\"to_ip_address\":{\"family\":\"v6\"},\"state\":-2},"
		  "{\"to_ip_address\":{\"family\":1}}]}}",
		  "{\"neighbors\":{\"neighbors\":["
		  "{\"to_ip_address\":{\"family\":\"v6\",\"address\":\"\",\"mask\":\"\"},\"device\":\"\","
		  "\"lladdr\":\"\",\"state\":-2,\"flags\":0},"
		  "{\"to_ip_address\":{\"family\":\"v6\",\"address\":\"\",\"mask\":\"\"},\"device\":\"\","
		  "\"lladdr\":\"\",\"state\":0,\"flags\":0}]}}" },
		{ "UpdateEphemeralMounts",
		  "{\"storages\":[{\"driver\":\"d\",\"options\":[\"a\",\"b\"],"
		  "\"fs_group\":{\"group_change_policy\":\"OnRootMismatch\"}}]}",
		  "{\"storages\":[{\"driver\":\"d\",\"source\":\"\",\"fstype\":\"\",\"options\":[\"a\",\"b\"],"
		  "\"mount_point\":\"\",\"fs_group\":{\"group_id\":0,\"group_change_policy\":"
		  "\"OnRootMismatch\"},\"shared\":false}]}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_round(cases[i].method, cases[i].json, cases[i].wanted);
}

static void nanopb_reads_what_json_says(void **state)
{
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	grpc_CreateContainerRequest request;

	encode("CreateContainer",
	       "{\"container_id\":\"c\",\"stdin_port\":4294967295,"
	       "\"oci\":{\"annotations\":{\"a\":\"1\",\"b\":\"\",\"c\":null},"
	       "\"process\":{\"args\":[\"sh\"],\"user\":{\"additional_gids\":[5,6]}},"
	       "\"linux_\":{\"sysctl\":{\"k\":\"v\"},\"resources\":{\"memory\":{\"limit\":-1}}}},"
	       "\"oci_json\": {\"process\" : [1, {}]} , \"sandbox_pidns\":true}",
	       &wire);
	assert_int_equal(agent_message_decode(&grpc_CreateContainerRequest_msg, sizeof(request),
					      wire.buf, wire.len, &request),
			 0);
	assert_string_equal(request.container_id, "c");
	assert_int_equal(request.stdin_port, UINT32_MAX);
	assert_true(request.sandbox_pidns);
	assert_int_equal(request.oci->annotations_count, 3);
	assert_string_equal(request.oci->annotations[0].key, "a");
	assert_string_equal(request.oci->annotations[0].value, "1");
	assert_int_equal(request.oci->process.user.additional_gids_count, 2);
	assert_int_equal(request.oci->process.user.additional_gids[1], 6);
	assert_string_equal(request.oci->linux_.sysctl[0].value, "v");
	assert_int_equal(request.oci->linux_.resources.memory.limit, -1);
	assert_int_equal(request.oci_json.size, strlen("{\"process\" : [1, {}]}"));
	assert_memory_equal(request.oci_json.data, "{\"process\" : [1, {}]}",
			    request.oci_json.size);
	agent_message_release(&grpc_CreateContainerRequest_msg, &request);
}

static void json_says_what_nanopb_wrote(void **state)
{
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	cleanup_free char *text = NULL;
	uint64_t percpu[] = { 7, UINT64_MAX };
	grpc_MemoryStats_StatsEntry stats[] = { { (char *)"anon", 5 }, { (char *)"file", 0 } };
	grpc_StatsContainerResponse response = { 0 };

	response.has_cgroup_stats = true;
	response.cgroup_stats.has_cpu_stats = true;
	response.cgroup_stats.cpu_stats.has_cpu_usage = true;
	response.cgroup_stats.cpu_stats.cpu_usage.percpu_usage = percpu;
	response.cgroup_stats.cpu_stats.cpu_usage.percpu_usage_count = 2;
	response.cgroup_stats.has_memory_stats = true;
	response.cgroup_stats.memory_stats.stats = stats;
	response.cgroup_stats.memory_stats.stats_count = 2;
	assert_int_equal(agent_message_encode(&grpc_StatsContainerResponse_msg, &response, &wire),
			 0);
	text = print(schema_method_find("StatsContainer")->response, wire.buf, wire.len);
	assert_non_null(text);
	assert_string_equal(
		text,
		"{\"cgroup_stats\":{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":0,"
		"\"percpu_usage\":[7,18446744073709551615],\"usage_in_kernelmode\":0,"
		"\"usage_in_usermode\":0}},\"memory_stats\":{\"cache\":0,\"use_hierarchy\":false,"
		"\"stats\":{\"anon\":5,\"file\":0}}}}");
}

static void bytes_come_from_a_file(void **state)
{
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	cleanup_free char *json = NULL;
	char path[] = "/tmp/moat-json-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a\0b", 3), 3);
	close(fd);
	json = xasprintf("{\"data\":\"@%s\"}", path);
	encode("SetIPTables", json, &wire);
	unlink(path);
	assert_int_equal(wire.len, 5);
	assert_memory_equal(wire.buf,
			    "\x12\x03"
			    "a\0b",
			    5);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
	static const struct {
		const char *method, *json, *wanted;
	} cases[] = {
		{ "StartContainer", "[]", "test:1: StartContainerRequest: expected an object" },
		{ "StartContainer", "1", "test:1: StartContainerRequest: expected an object" },
		{ "StartContainer", "{\n\"id\":1}",
		  "test:2: StartContainerRequest has no field 'id'" },
		{ "StartContainer", "{\"container_id\":1}",
		  "test:1: container_id: expected something else than a number" },
		{ "StartContainer", "{\"container_id\":{}}",
		  "test:1: container_id: expected something else than an object" },
		{ "StartContainer", "{\"container_id\":[]}",
		  "test:1: container_id: expected something else than a list" },
		{ "SignalProcess", "{\"signal\":-1}",
		  "test:1: signal: expected a whole number that is not negative" },
		{ "SignalProcess", "{\"signal\":4294967296}",
		  "test:1: signal: out of range: 4294967296" },
		{ "SignalProcess", "{\"signal\":1.5}",
		  "test:1: signal: expected a whole number that is not negative" },
		{ "CopyFile", "{\"uid\":2147483648}", "test:1: uid: out of range: 2147483648" },
		{ "CopyFile", "{\"data\":\"*\"}",
		  "test:1: data: expected base64, \"@FILE\" or an object" },
		{ "CopyFile", "{\"data\":true}",
		  "test:1: data: expected something else than true or false" },
		{ "AddSwap", "{\"pci_path\":1}", "test:1: pci_path: expected a list" },
		{ "AddSwap", "{\"pci_path\":[[1]]}",
		  "test:1: pci_path: expected something else than a list" },
		{ "CreateSandbox", "{\"storages\":{}}", "test:1: storages: expected a list" },
		{ "CreateSandbox", "{\"storages\":[1]}",
		  "test:1: storages: expected something else than a number" },
		{ "CreateContainer", "{\"oci\":{\"annotations\":[]}}",
		  "test:1: annotations: expected something else than a list" },
		{ "CreateContainer", "{\"oci\":{\"annotations\":{\"a\":1}}}",
		  "test:1: value: expected something else than a number" },
		{ "UpdateRoutes", "{\"routes\":{\"routes\":[{\"family\":\"v5\"}]}}",
		  "test:1: family: 'v5' is none of v4, v6" },
		{ "GetIPTables", "{\"is_ipv6\":\"yes\"}",
		  "test:1: is_ipv6: expected true or false" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf wire = STRBUF_INIT;
		struct error err = ERROR_INIT;

		assert_true(message_from_json(request_of(cases[i].method), "test", cases[i].json,
					      strlen(cases[i].json), &wire, &err) < 0);
		assert_string_equal(err.msg, cases[i].wanted);
		assert_int_equal(wire.len, 0);
	}
}

/* What a guest sends may be anything. */
static void broken_messages_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\x0a", 1 },	       /* a length that is not there */
		{ "\x0a\x05\x61", 3 }, /* a string longer than the message */
		{ "\x0b", 1 },	       /* a group */
		{ "\x02\x00", 2 },     /* field 0 */
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 },
		{ "\x0d\x01\x02", 3 }, /* a short fixed32 */
	};
	const struct schema_message *nested = schema_method_find("GetGuestDetails")->response;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_null(print(request_of("StartContainer"), cases[i].bytes, cases[i].len));
	/* Broken one level further down, and a field of another type, which counts as unknown. */
	assert_null(print(nested, "\x12\x01\x0a", 3));
	free(print(nested, "\x10\x01", 2));
}

static void texts_of_a_guest_are_safe_to_print(void **state)
{
	static const char wire[] = "\x0a\x11"
				   "a\x1b[m\x7f\xc2\x9b\xff\xc0\x80\xed\xa0\x80\xc3\xa9\0.";
	cleanup_free char *text = print(request_of("StartContainer"), wire, 19);

	assert_non_null(text);
	assert_string_equal(text, "{\"container_id\":\"a\\u001B[m?????"
				  "????é?.\"}");
}

static void base64_is_what_others_make_of_it(void **state)
{
	static const struct {
		const char *plain, *coded;
	} cases[] = {
		{ "", "" },	   { "f", "Zg==" },	   { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	};
	static const char *const wrong[] = { "Z", "Zg===", "Z=g", "Zm9v\n", "====" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf coded = STRBUF_INIT;
		cleanup_strbuf struct strbuf plain = STRBUF_INIT;

		base64_encode(cases[i].plain, strlen(cases[i].plain), &coded);
		assert_string_equal(coded.buf ? coded.buf : "", cases[i].coded);
		assert_int_equal(base64_decode(cases[i].coded, &plain), 0);
		assert_int_equal(plain.len, strlen(cases[i].plain));
		assert_memory_equal(plain.buf, cases[i].plain, plain.len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cleanup_strbuf struct strbuf plain = STRBUF_INIT;

		assert_int_equal(base64_decode(wrong[i], &plain), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_of_ours_is_known_by_name),
		cmocka_unit_test(the_kinds_of_fields_survive_the_way_there_and_back),
		cmocka_unit_test(nanopb_reads_what_json_says),
		cmocka_unit_test(json_says_what_nanopb_wrote),
		cmocka_unit_test(bytes_come_from_a_file),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(broken_messages_are_refused),
		cmocka_unit_test(texts_of_a_guest_are_safe_to_print),
		cmocka_unit_test(base64_is_what_others_make_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
