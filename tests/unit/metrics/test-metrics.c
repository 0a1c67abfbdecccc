/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/metrics/container.h"
#include "lib/metrics/guest.h"
#include "lib/metrics/procfs.h"

static const struct metrics_family a = { "a_bytes", METRICS_GAUGE, "A." };
static const struct metrics_family b = { "b_total", METRICS_COUNTER, "B." };

static void check(struct metrics *m, const char *wanted)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	metrics_write(m, &sb);
	assert_string_equal(sb.buf ? sb.buf : "", wanted);
}

static void check_has(struct metrics *m, const char *wanted)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	metrics_write(m, &sb);
	if (!strstr(sb.buf ? sb.buf : "", wanted))
		fail_msg("no '%s' in:\n%s", wanted, sb.buf ? sb.buf : "");
}

static void a_family_is_one_piece_whoever_adds_to_it(void **state)
{
	cleanup_metrics struct metrics *m = metrics_new();
	const struct metrics_label x[] = { { "sandbox_id", "x" }, { NULL } };
	const struct metrics_label y[] = { { "sandbox_id", "y" }, { NULL } };

	check(m, "");
	metrics_add_u64(m, &a, NULL, 1);
	metrics_set_labels(m, y);
	metrics_add_seconds(m, &b, NULL, 150, 100);
	metrics_add_item(m, &a, "i", 2);
	metrics_set_labels(m, x);
	metrics_add_u64(m, &b, NULL, UINT64_MAX);
	check(m, "# HELP a_bytes A.\n# TYPE a_bytes gauge\na_bytes 1\n"
		 "a_bytes{sandbox_id=\"y\",item=\"i\"} 2\n"
		 "# HELP b_total B.\n# TYPE b_total counter\n"
		 "b_total{sandbox_id=\"x\"} 18446744073709551615\n"
		 "b_total{sandbox_id=\"y\"} 1.500000000\n");
}

static void of_two_samples_with_the_same_labels_the_first_counts(void **state)
{
	cleanup_metrics struct metrics *m = metrics_new();

	metrics_add_item(m, &a, "i", 1);
	metrics_add_item(m, &a, "k", 2);
	metrics_add_item(m, &a, "i", 3);
	check(m, "# HELP a_bytes A.\n# TYPE a_bytes gauge\n"
		 "a_bytes{item=\"i\"} 1\na_bytes{item=\"k\"} 2\n");
}

static void a_labels_value_may_hold_anything(void **state)
{
	cleanup_metrics struct metrics *m = metrics_new();

	metrics_add_item(m, &a, "\"} 1\nb_total \\", 1);
	check(m, "# HELP a_bytes A.\n# TYPE a_bytes gauge\n"
		 "a_bytes{item=\"\\\"} 1\\nb_total \\\\\"} 1\n");
}

#define LOAD "# HELP kata_guest_load Guest system load.\n# TYPE kata_guest_load gauge\n"

static void check_guest(const char *text, size_t count, const char *wanted)
{
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_free char *copy = xstrdup(text);
	const struct metrics_label own[] = { { "sandbox_id", "own" }, { NULL } };

	metrics_set_labels(m, own);
	assert_int_equal(metrics_add_guest(m, copy), count);
	check(m, wanted);
}

static void what_an_agent_says_is_taken_over(void **state)
{
	check_guest("# HELP kata_guest_load x\n# TYPE kata_guest_load counter\n"
		    "kata_guest_load{item=\"load1\"} 0.25\nkata_guest_load{item=\"load5\"} -3\n",
		    2,
		    LOAD "kata_guest_load{sandbox_id=\"own\",item=\"load1\"} 0.25\n"
			 "kata_guest_load{sandbox_id=\"own\",item=\"load5\"} -3\n");
	check_guest("kata_agent_scrape_count 3\n", 1,
		    "# HELP moat_agent_scrapes_total Times that the guest's agent was asked for "
		    "metrics.\n# TYPE moat_agent_scrapes_total counter\n"
		    "moat_agent_scrapes_total{sandbox_id=\"own\"} 3\n");
	/* Labels in another order are the same ones. */
	check_guest("kata_guest_diskstat{item=\"reads\",disk=\"vda\"} 1\n"
		    "kata_guest_diskstat{disk=\"vda\",item=\"reads\"} 2\n",
		    2,
		    "# HELP kata_guest_diskstat Guest disk statistics.\n"
		    "# TYPE kata_guest_diskstat gauge\n"
		    "kata_guest_diskstat{sandbox_id=\"own\",disk=\"vda\",item=\"reads\"} 1\n");
}

static void a_hostile_guest_speaks_for_nobody_else(void **state)
{
	static const char *const lines[] = {
		"moat_guest_up 1",
		"kata_hypervisor_threads 1",
		"kata_guest_load 1",
		"kata_guest_load{} 1",
		"kata_guest_load{item=\"load1\",sandbox_id=\"other\"} 1",
		"kata_guest_load{sandbox_id=\"other\"} 1",
		"kata_guest_load{item=\"load1\",item=\"load2\"} 1",
		"kata_guest_load{item=\"load1} 1",
		"kata_guest_load{item=\"load1\" 1",
		"kata_guest_load{item=\"load1\"}1",
		"kata_guest_load{item=\"load1\"}",
		"kata_guest_load{item=\"load1\"} ",
		"kata_guest_load{item=\"load1\"} x",
		"kata_guest_load{item=\"load1\"} NaN",
		"kata_guest_load{item=\"load1\"} 1 2",
		"kata_guest_load{item=\"load1\"} 1.",
		"kata_guest_load{item=\"load1\"} 0x1",
		"kata_guest_load{item=\"load1\"} 111111111111111111111111111111111111",
		"kata_guest_load{item",
		"kata_guest_load{item=",
		"kata_guest_load{item=\"\\",
		"kata_agent_threads{x=\"y\"} 1",
		"{",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		check_guest(lines[i], 0, "");
	check_guest("kata_guest_load{item=\"\x1b[31m\\\"\\n\"} 1", 1,
		    LOAD "kata_guest_load{sandbox_id=\"own\",item=\"?[31m\\\"n\"} 1\n");
}

static void a_guest_says_so_much_and_no_more(void **state)
{
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	for (int i = 0; i < METRICS_GUEST_SAMPLES_MAX + 10; i++)
		strbuf_addf(&sb, "kata_guest_vm_stat{item=\"%d\"} 1\n", i);
	assert_int_equal(metrics_add_guest(m, sb.buf), METRICS_GUEST_SAMPLES_MAX);
}

static void a_process_has_what_dashboards_of_kata_ask_for(void **state)
{
	static const char *const wanted[] = {
		"\n# TYPE kata_shim_threads gauge\nkata_shim_threads 1\n",
		"\nkata_shim_fds ",
		"\nkata_shim_total_time ",
		"\nkata_shim_total_rss ",
		"\nkata_shim_proc_stat{item=\"utime\"} ",
		"\nkata_shim_proc_status{item=\"vmrss\"} ",
		"\nkata_shim_proc_status{item=\"voluntary_ctxt_switches\"} ",
	};
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_fd int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	metrics_add_process(m, "kata_shim", "Shim", fd);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		check_has(m, wanted[i]);
}

static void what_is_no_process_has_no_metrics(void **state)
{
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_fd int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	metrics_add_process(m, "kata_shim", "Shim", fd);
	check(m, "");
}

static void a_containers_limits_are_shown_where_there_are_any(void **state)
{
	struct cgroup_blkio_entry io[] = { { 8, 0, (char *)"Read", 5 },
					   { 8, 0, (char *)"Total", 6 } };
	const struct cgroup_stats stats = {
		.cpu.total = { 1500000000, true },
		.memory.usage = { true, 7, { 0 }, UINT64_MAX, { 0 } },
		.memory.swap = { true, 8, { 9, true }, 10, { 0, true } },
		.pids.current = { 2, true },
		.pids.limit = { 0, true },
		.blkio.service_bytes = { io, 2 },
		.cpu.psi = { true, false, { 0, 0, 0, 2500000 }, { 0 } },
	};
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	metrics_add_container(m, &stats);
	metrics_write(m, &sb);
	check_has(m, "\nmoat_container_cpu_usage_seconds_total 1.500000000\n");
	check_has(m, "\nmoat_container_memory_usage_bytes 7\n");
	check_has(m, "\nmoat_container_memory_swap_limit_bytes 10\n");
	check_has(m, "\nmoat_container_io_bytes_total{device=\"8:0\",op=\"read\"} 5\n");
	check_has(m, "\nmoat_container_pressure_seconds_total{resource=\"cpu\",kind=\"some\"} "
		     "2.500000000\n");
	assert_null(strstr(sb.buf, "moat_container_memory_limit_bytes"));
	assert_null(strstr(sb.buf, "moat_container_processes_limit"));
	assert_null(strstr(sb.buf, "kind=\"full\""));
	assert_null(strstr(sb.buf, "} 6\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_one_piece_whoever_adds_to_it),
		cmocka_unit_test(of_two_samples_with_the_same_labels_the_first_counts),
		cmocka_unit_test(a_labels_value_may_hold_anything),
		cmocka_unit_test(what_an_agent_says_is_taken_over),
		cmocka_unit_test(a_hostile_guest_speaks_for_nobody_else),
		cmocka_unit_test(a_guest_says_so_much_and_no_more),
		cmocka_unit_test(a_process_has_what_dashboards_of_kata_ask_for),
		cmocka_unit_test(what_is_no_process_has_no_metrics),
		cmocka_unit_test(a_containers_limits_are_shown_where_there_are_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
