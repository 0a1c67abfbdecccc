/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/firecracker/counters.h"
#include "hypervisor/firecracker/watch.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* As Firecracker 1.12 writes it, of what is counted here. */
#define LINE                                                                                       \
	"{\"utc_timestamp_ms\":1795473274000,\"api_server\":{\"process_startup_time_us\":9},"      \
	"\"block\":{\"read_bytes\":900,\"read_count\":90},"                                        \
	"\"block_my_root\":{\"read_bytes\":4096,\"read_count\":2,\"write_bytes\":512,"             \
	"\"write_count\":1,\"read_agg\":{\"min_us\":1,\"max_us\":2,\"sum_us\":3}},"                \
	"\"block__spare1\":{\"read_bytes\":8},"                                                    \
	"\"net_net0\":{\"rx_bytes_count\":10,\"rx_packets_count\":1,\"tx_bytes_count\":20,"        \
	"\"tx_packets_count\":2,\"rx_fails\":1,\"tx_fails\":2},"                                   \
	"\"vsock\":{\"rx_bytes_count\":100,\"rx_packets_count\":5,\"tx_bytes_count\":7,"           \
	"\"tx_packets_count\":6},\"entropy\":{\"entropy_bytes\":64,\"entropy_event_count\":1},"    \
	"\"vcpu\":{\"exit_io_in\":1,\"exit_io_out\":2,\"exit_mmio_read\":3,\"exit_mmio_write\":4," \
	"\"failures\":5,\"exit_io_in_agg\":{\"exit_io_in\":1000}},"                                \
	"\"vcpus\":{\"exit_io_in\":1},\"vsocket\":{\"rx_bytes_count\":1},\"odd\":[1,[2]]}"

static struct error err;

static void add(struct hv_metrics *sum, const char *line)
{
	if (fc_counters_add(sum, line, strlen(line), &err) < 0)
		fail_msg("%s", err.msg);
}

static const struct hv_device_metrics *device(const struct hv_metrics *m, const char *id)
{
	for (size_t i = 0; i < m->devices_count; i++)
		if (streq(m->devices[i].id, id))
			return &m->devices[i];
	fail_msg("no device '%s'", id);
	return NULL;
}

static void assert_sums(const struct hv_metrics *m, unsigned int times)
{
	const struct hv_device_metrics *d = device(m, "my-root");

	assert_int_equal(m->devices_count, 5);
	assert_int_equal(d->read_bytes, 4096 * times);
	assert_int_equal(d->reads, 2 * times);
	assert_int_equal(d->written_bytes, 512 * times);
	assert_int_equal(d->writes, times);
	assert_int_equal(device(m, "spare1")->read_bytes, 8 * times);
	d = device(m, "net0");
	assert_int_equal(d->read_bytes, 10 * times);
	assert_int_equal(d->writes, 2 * times);
	assert_int_equal(d->dropped, 3 * times);
	assert_int_equal(device(m, "vsock")->written_bytes, 7 * times);
	assert_int_equal(device(m, "rng")->read_bytes, 64 * times);
	assert_int_equal(m->exits[HV_EXIT_PORT], 3 * times);
	assert_int_equal(m->exits[HV_EXIT_MMIO], 7 * times);
	assert_int_equal(m->exits[HV_EXIT_OTHER], 5 * times);
}

static void what_is_new_in_each_line_is_added_up(void **state)
{
	struct hv_metrics sum = { 0 };

	add(&sum, LINE);
	assert_sums(&sum, 1);
	add(&sum, LINE);
	add(&sum, "{\"block_my_root\":{}}");
	assert_sums(&sum, 2);
}

static void a_line_that_is_none_adds_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[1,2",
		"{\"vcpu\":{\"exit_io_in\":1}",
		"{\"vcpu\":{\"exit_io_in\":1,\"exit_io_out\":-1}}",
		"{\"vcpu\":{\"exit_io_in\":1,\"exit_io_out\":1.5}}",
	};
	struct hv_metrics sum = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(fc_counters_add(&sum, bad[i], strlen(bad[i]), &err) < 0);
		assert_int_equal(sum.exits[HV_EXIT_PORT], 0);
	}
	for (unsigned int i = 0; i < 2 * HV_DEVICES_MAX; i++) {
		cleanup_free char *line = xasprintf("{\"block_d%u\":{\"read_count\":1}}", i);

		add(&sum, line);
	}
	assert_int_equal(sum.devices_count, HV_DEVICES_MAX);
	sum.devices_count = 0;
	add(&sum, "{\"block_\":{\"read_count\":1},\"net_a/b\":{\"rx_fails\":1}}");
	assert_int_equal(sum.devices_count, 0);
}

static void on_reason(void *ctx, const char *reason)
{
	fail_msg("%s", reason);
}

static void on_end(void *ctx, const struct error *why)
{
	*(bool *)ctx = true;
}

/* Lets @loop do what there is to do. */
static void run_for(struct loop *loop, int ms)
{
	const bool never = false;

	assert_int_equal(loop_run_until(loop, &never, ms), -ETIMEDOUT);
}

static void the_watch_keeps_the_sums_where_all_find_them(void **state)
{
	static const char lines[] = LINE "\nnonsense\n";
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_free char *control = NULL;
	struct hv_watch_handlers handlers = { on_reason, on_end, NULL };
	int pair[2], pipe_fds[2], fds[2];
	struct hv_watch *watch = NULL;
	struct loop *loop = NULL;
	struct hv_metrics metrics;
	bool has_ended = false;
	uint64_t serial;

	assert_non_null(mkdtemp(dir));
	control = xasprintf("%s/firecracker.sock", dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(loop_new(&loop), 0);
	handlers.ctx = &has_ended;
	assert_int_equal(fc_watch(loop, pair[0], &handlers, &watch, &err), 0);
	fds[0] = pipe_fds[0];
	fds[1] = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(send_fds(pair[1], "", 1, fds, 2), 1);
	close(fds[0]);
	close(fds[1]);
	run_for(loop, 20);
	assert_int_equal(fc_counters_find(control, &serial, &metrics), -ENOENT);

	/* In pieces; one that is none; one that is too long. */
	assert_int_equal(write_all(pipe_fds[1], lines, 100), 0);
	run_for(loop, 20);
	assert_int_equal(fc_counters_find(control, &serial, &metrics), -ENOENT);
	assert_int_equal(write_all(pipe_fds[1], &lines[100], strlen(lines) - 100), 0);
	run_for(loop, 50);
	assert_int_equal(fc_counters_find(control, &serial, &metrics), 0);
	assert_int_equal(serial, 1);
	assert_sums(&metrics, 1);
	for (size_t i = 0; i <= FC_COUNTERS_LINE_MAX / 4096; i++) {
		char block[4096];

		memset(block, ' ', sizeof(block));
		assert_int_equal(write_all(pipe_fds[1], block, sizeof(block)), 0);
		run_for(loop, 1);
	}
	assert_int_equal(write_all(pipe_fds[1], LINE "\n" LINE "\n", 2 * strlen(LINE) + 2), 0);
	run_for(loop, 50);
	assert_int_equal(fc_counters_find(control, &serial, &metrics), 0);
	assert_int_equal(serial, 2);
	assert_sums(&metrics, 2);

	/* Its end is the connection's alone; and nobody else is to send anything. */
	close(pipe_fds[1]);
	run_for(loop, 20);
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[1] = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(send_fds(pair[1], "", 1, fds, 2), 1);
	assert_int_equal(loop_run_until(loop, &has_ended, 10000), 0);
	close(fds[0]);
	close(fds[1]);
	close(pair[1]);
	fc_unwatch(watch);
	loop_free(loop);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_new_in_each_line_is_added_up),
		cmocka_unit_test(a_line_that_is_none_adds_nothing),
		cmocka_unit_test(the_watch_keeps_the_sums_where_all_find_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
