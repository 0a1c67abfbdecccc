/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "fake-qemu.h"
#include "hypervisor/qemu/control.h"
#include "lib/base/error.h"

/* What any process does to a running VM by the path of its control socket, against a QEMU that
 * answers as the real one does, and against some that do not. */

#define ERROR(text) "\"error\": {\"class\": \"GenericError\", \"desc\": \"" text "\"}"
#define MICROVM                                                                                    \
	{                                                                                          \
		"/machine\",\"property\":\"type", "\"return\": \"microvm-machine\""                \
	}
#define Q35                                                                                        \
	{                                                                                          \
		"/machine\",\"property\":\"type", "\"return\": \"pc-q35-7.2-machine\""             \
	}
#define ONE_VCPU                                                                                   \
	{                                                                                          \
		"query-cpus-fast", "\"return\": [{\"cpu-index\": 0, \"thread-id\": 7}]"            \
	}
#define NO_PIECES                                                                                  \
	{                                                                                          \
		"query-memory-devices", "\"return\": []"                                           \
	}
#define MEMORY                                                                                     \
	{                                                                                          \
		"query-memory-size-summary",                                                       \
			"\"return\": {\"base-memory\": 268435456, \"plugged-memory\": 0}"          \
	}

static void expect_heard(const struct fake_vmm *q, const char *text)
{
	cleanup_free char *heard = fake_vmm_heard(q);

	if (!strstr(heard, text))
		fail_msg("not heard: %s\nbut: %s", text, heard);
}

static void a_running_vm_tells_what_it_is(void **state)
{
	static const struct fake_rule rules[] = {
		{ "query-status", "\"return\": {\"status\": \"running\", \"running\": true}" },
		Q35,
		ONE_VCPU,
		MEMORY,
		NO_PIECES,
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct hv_status status;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.query(q.control, &status, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(status.state, HV_STATE_RUNNING);
	assert_int_equal(status.vcpus, 1);
	assert_int_equal(status.memory_bytes, 256u << 20);
	assert_string_equal(status.machine, "pc-q35-7.2-machine");
	assert_true(status.features & HV_FEATURE_RESIZE_VCPUS);
	fake_vmm_stop(&q);
}

static void states_of_qemus_are_few_to_us(void **state)
{
	assert_int_equal(qemu_state("paused"), HV_STATE_PAUSED);
	assert_int_equal(qemu_state("guest-panicked"), HV_STATE_ENDED);
	assert_int_equal(qemu_state("colo"), HV_STATE_OTHER);
	assert_string_equal(names_get(&hv_state_names, HV_STATE_PAUSED), "paused");
}

static void pausing_resuming_and_ending_are_one_command_each(void **state)
{
	static const struct fake_rule rules[] = { Q35, { NULL } };
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.pause(q.control, NULL), 0);
	expect_heard(&q, "\"stop\"");
	assert_int_equal(hypervisor_qemu.resume(q.control, NULL), 0);
	expect_heard(&q, "\"cont\"");
	assert_int_equal(hypervisor_qemu.power_down(q.control, NULL), 0);
	expect_heard(&q, "\"system_powerdown\"");
	assert_int_equal(hypervisor_qemu.quit(q.control, NULL), 0);
	expect_heard(&q, "\"quit\"");
	fake_vmm_stop(&q);
}

static void a_machine_that_cannot_is_not_asked_to(void **state)
{
	static const struct fake_rule rules[] = { MICROVM, ONE_VCPU, MEMORY, { NULL } };
	cleanup_free char *heard = NULL;
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.power_down(q.control, &err), -ENOTSUP);
	assert_string_equal(err.msg, "machine 'microvm-machine' cannot ask its guest to power off");
	assert_int_equal(hypervisor_qemu.resize(q.control, 2, 0, &err), -ENOTSUP);
	assert_string_equal(err.msg, "resize: machine 'microvm-machine' cannot be given vcpus");
	assert_int_equal(hypervisor_qemu.resize(q.control, 0, 512, &err), -ENOTSUP);
	assert_string_equal(err.msg, "resize: machine 'microvm-machine' cannot be given memory");
	/* It is that large already. */
	assert_int_equal(hypervisor_qemu.resize(q.control, 1, 256, &err), 0);
	heard = fake_vmm_heard(&q);
	assert_null(strstr(heard, "device_add"));
	assert_null(strstr(heard, "system_powerdown"));
	fake_vmm_stop(&q);
}

static void vcpus_go_into_the_lowest_free_slots(void **state)
{
	static const struct fake_rule rules[] = {
		Q35,
		ONE_VCPU,
		{ "query-hotpluggable-cpus",
		  "\"return\": ["
		  "{\"props\": {\"core-id\": 0, \"thread-id\": 0, \"socket-id\": 2}, \"type\": \"max\"},"
		  "{\"props\": {\"core-id\": 0, \"thread-id\": 0, \"socket-id\": 1}, \"type\": \"max\"},"
		  "{\"props\": {\"core-id\": 0, \"thread-id\": 0, \"socket-id\": 0}, \"type\": \"max\","
		  " \"qom-path\": \"/machine/unattached/device[0]\"}]" },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.resize(q.control, 2, 0, &err) < 0)
		fail_msg("%s", err.msg);
	expect_heard(&q, "{\"driver\":\"max\",\"id\":\"cpu-1-0-0\",\"socket-id\":1,\"core-id\":0,"
			 "\"thread-id\":0}");
	assert_int_equal(hypervisor_qemu.resize(q.control, 9, 0, &err), -ERANGE);
	assert_string_equal(err.msg, "resize: no slots for 6 more vcpus");
	fake_vmm_stop(&q);
}

static void memory_comes_in_whole_pieces(void **state)
{
	static const struct fake_rule rules[] = {
		Q35,
		MEMORY,
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.resize(q.control, 0, 300, &err) < 0)
		fail_msg("%s", err.msg);
	expect_heard(&q, "\"id\":\"ram-256\",\"share\":true,\"size\":134217728}");
	expect_heard(&q, "{\"driver\":\"pc-dimm\",\"id\":\"dimm-256\",\"memdev\":\"ram-256\"}");
	fake_vmm_stop(&q);
}

static void memory_that_cannot_be_plugged_is_given_back(void **state)
{
	static const struct fake_rule rules[] = {
		Q35,
		MEMORY,
		{ "pc-dimm", ERROR("no free slots available") },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.resize(q.control, 0, 512, &err), -EIO);
	assert_string_equal(err.msg, "resize: qmp device_add: no free slots available");
	expect_heard(&q, "\"object-del\",\"arguments\":{\"id\":\"ram-256\"}");
	fake_vmm_stop(&q);
}

/* Not closed by whom it is lent to: standard input. */
static const struct hv_disk disk = { .id = "data", .fd = 0, .is_readonly = true };

static void a_disk_is_plugged_by_descriptor(void **state)
{
	static const struct fake_rule rules[] = {
		{ "peripheral/scsi", "\"return\": \"virtio-scsi-pci\"" },
		{ "add-fd", "\"return\": {\"fdset-id\": 5, \"fd\": 30}" },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.plug(q.control, &disk, &err) < 0)
		fail_msg("%s", err.msg);
	expect_heard(&q, "{\"driver\":\"raw\",\"node-name\":\"data\",\"read-only\":true,"
			 "\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fdset/5\"}}");
	expect_heard(&q, "{\"driver\":\"scsi-hd\",\"id\":\"data\",\"bus\":\"scsi.0\","
			 "\"drive\":\"data\",\"serial\":\"data\"}");
	fake_vmm_stop(&q);
}

static void a_disk_whose_device_is_refused_is_taken_back(void **state)
{
	static const struct fake_rule rules[] = {
		{ "peripheral/scsi", "\"return\": \"virtio-scsi-pci\"" },
		{ "add-fd", "\"return\": {\"fdset-id\": 5, \"fd\": 30}" },
		{ "device_add", ERROR("Bus is full") },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.plug(q.control, &disk, &err), -EIO);
	assert_string_equal(err.msg, "plug disk 'data': qmp device_add: Bus is full");
	expect_heard(&q, "\"blockdev-del\",\"arguments\":{\"node-name\":\"data\"}");
	fake_vmm_stop(&q);
}

static void without_slots_no_disk_is_plugged(void **state)
{
	static const struct fake_rule rules[] = {
		{ "peripheral/scsi", ERROR("Device not found") },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.plug(q.control, &disk, &err), -ENOTSUP);
	assert_string_equal(err.msg, "plug disk 'data': the virtual machine was started without "
				     "slots for disks");
	fake_vmm_stop(&q);
}

static void a_disk_is_gone_when_the_guest_let_it_go(void **state)
{
	static const struct fake_rule rules[] = {
		{ "device_del", "\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"data\","
				" \"path\": \"/machine/peripheral/data\"}}\r\n{\"return\": {}" },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.unplug(q.control, "data", &err) < 0)
		fail_msg("%s", err.msg);
	expect_heard(&q, "\"blockdev-del\"");
	assert_int_equal(hypervisor_qemu.unplug(q.control, "a\",\"b", &err), -EINVAL);
	fake_vmm_stop(&q);
}

static void metrics_count_what_the_disks_did(void **state)
{
	static const struct fake_rule rules[] = {
		ONE_VCPU,
		MEMORY,
		{ "query-blockstats",
		  "\"return\": [{\"node-name\": \"root\", \"qdev\": \"/x\", \"stats\": "
		  "{\"rd_bytes\": 4096, \"wr_bytes\": 5, \"rd_operations\": 2, \"wr_operations\": 1}},"
		  "{\"node-name\": \"#block123\", \"stats\": {}}, {\"stats\": {}}]" },
		{ NULL },
	};
	struct hv_metrics metrics;
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.metrics(q.control, &metrics, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(metrics.devices_count, 1);
	assert_string_equal(metrics.devices[0].id, "root");
	assert_int_equal(metrics.devices[0].read_bytes, 4096);
	assert_int_equal(metrics.devices[0].writes, 1);
	fake_vmm_stop(&q);
}

/* How QEMU answers the command with @text in it, when the state has been moved. */
#define MOVED(text, status)                                                                        \
	{                                                                                          \
		text, "\"event\": \"MIGRATION\", \"data\": {\"status\": \"" status                 \
		      "\"}}\r\n{\"return\": {}"                                                    \
	}

static void saving_ends_when_qemu_says_so(void **state)
{
	static const struct fake_rule good[] = {
		MOVED("fd:state", "completed"),
		{ "query-migrate", "\"return\": {\"status\": \"completed\"}" },
		{ NULL },
	};
	static const struct fake_rule bad[] = {
		MOVED("fd:state", "failed"),
		{ "query-migrate",
		  "\"return\": {\"status\": \"failed\", \"error-desc\": \"No space left\"}" },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, good);
	assert_int_equal(hypervisor_qemu.save(q.control, HV_SAVED_ALL, 0, &err), 0);
	expect_heard(&q, "\"stop\"");
	expect_heard(&q, "\"x-ignore-shared\",\"state\":false");
	expect_heard(&q, "\"migrate\",\"arguments\":{\"uri\":\"fd:state\"}");
	fake_vmm_stop(&q);
	fake_qemu_start(&q, FAKE_GREETING, bad);
	assert_int_equal(hypervisor_qemu.save(q.control, HV_SAVED_ALL, 0, &err), -EIO);
	assert_string_equal(err.msg, "save: No space left");
	fake_vmm_stop(&q);
}

static void restoring_leaves_memory_out_that_a_file_has_and_goes_on(void **state)
{
	static const struct fake_rule rules[] = {
		MOVED("migrate-incoming", "completed"),
		{ "query-migrate", "\"return\": {\"status\": \"completed\"}" },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	if (hypervisor_qemu.restore(q.control, HV_SAVED_DEVICES, 0, &err) < 0)
		fail_msg("%s", err.msg);
	expect_heard(&q, "\"x-ignore-shared\",\"state\":true");
	expect_heard(&q, "\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:state\"}");
	expect_heard(&q, "\"cont\"");
	fake_vmm_stop(&q);
}

/* QEMU ends itself when it cannot read the state. */
static void a_vm_that_ends_while_it_is_restored_is_told_at_once(void **state)
{
	static const struct fake_rule rules[] = {
		{ "migrate-incoming", FAKE_DEATH },
		{ NULL },
	};
	struct error err = ERROR_INIT;
	struct fake_vmm q;

	fake_qemu_start(&q, FAKE_GREETING, rules);
	assert_int_equal(hypervisor_qemu.restore(q.control, HV_SAVED_ALL, 0, &err), -EPIPE);
	assert_string_equal(err.msg, "restore: qmp migrate-incoming: qemu closed the connection");
	fake_vmm_stop(&q);
}

/* One that went wrong at any command: each operation says which one it was. */
static void every_operation_survives_a_qemu_that_breaks_off(void **state)
{
	static const char *const behaviours[] = { FAKE_DEATH, FAKE_GARBAGE };
	static const char *const commands[] = { "qmp_capabilities", "query-status", "qom-get",
						"query-cpus-fast", "query-memory-size-summary" };

	for (size_t i = 0; i < ARRAY_SIZE(behaviours); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(commands); j++) {
			const struct fake_rule rules[] = {
				{ commands[j], behaviours[i] },
				{ "query-status", "\"return\": {\"status\": \"running\"}" },
				Q35,
				ONE_VCPU,
				MEMORY,
				{ NULL },
			};
			struct error err = ERROR_INIT;
			struct hv_status status;
			struct fake_vmm q;
			int r;

			fake_qemu_start(&q, FAKE_GREETING, rules);
			r = hypervisor_qemu.query(q.control, &status, &err);
			assert_true(r < 0);
			assert_non_null(strstr(err.msg, commands[j]));
			fake_vmm_stop(&q);
		}
	}
}

static void a_vm_that_is_gone_is_told(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(hypervisor_qemu.pause("/nonexistent/qmp.sock", &err), -ENOENT);
	assert_string_equal(err.msg,
			    "connect to '/nonexistent/qmp.sock': No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_vm_tells_what_it_is),
		cmocka_unit_test(states_of_qemus_are_few_to_us),
		cmocka_unit_test(pausing_resuming_and_ending_are_one_command_each),
		cmocka_unit_test(a_machine_that_cannot_is_not_asked_to),
		cmocka_unit_test(vcpus_go_into_the_lowest_free_slots),
		cmocka_unit_test(memory_comes_in_whole_pieces),
		cmocka_unit_test(memory_that_cannot_be_plugged_is_given_back),
		cmocka_unit_test(a_disk_is_plugged_by_descriptor),
		cmocka_unit_test(a_disk_whose_device_is_refused_is_taken_back),
		cmocka_unit_test(without_slots_no_disk_is_plugged),
		cmocka_unit_test(a_disk_is_gone_when_the_guest_let_it_go),
		cmocka_unit_test(metrics_count_what_the_disks_did),
		cmocka_unit_test(saving_ends_when_qemu_says_so),
		cmocka_unit_test(restoring_leaves_memory_out_that_a_file_has_and_goes_on),
		cmocka_unit_test(a_vm_that_ends_while_it_is_restored_is_told_at_once),
		cmocka_unit_test(every_operation_survives_a_qemu_that_breaks_off),
		cmocka_unit_test(a_vm_that_is_gone_is_told),
	};

	return cmocka_run_group_tests_name("hypervisor-control", tests, NULL, NULL);
}
