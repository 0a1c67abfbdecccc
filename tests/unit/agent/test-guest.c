/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <linux/rtnetlink.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/netdev.h"
#include "lib/linux/netlink.h"
#include "tests/unit/agent/scene.h"

/*
 * What a host does with the guest itself. The agent has a network namespace of its own here, and
 * directories of the scene for sysfs and for what Kata's agent keeps in /run.
 */
#define HW "02:00:00:00:00:07"
#define LOG_PORT 1025
#define CONSOLE_PORT 1026

/* One end of a pair. */
static void add_link(const char *name)
{
	static const unsigned char hw[] = { 2, 0, 0, 0, 0, 7 };
	const struct ifinfomsg info = { 0 };
	const struct {
		struct nlattr head;
		char kind[8];
	} linkinfo = { { NLA_HDRLEN + 5, IFLA_INFO_KIND }, "veth" };
	struct netlink_request request;
	int fd = netlink_open();

	netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	netlink_add(&request, IFLA_ADDRESS, hw, sizeof(hw));
	netlink_add(&request, IFLA_LINKINFO, &linkinfo, sizeof(linkinfo));
	if (fd < 0 || netlink_ask(fd, &request, NULL) < 0)
		fprintf(stderr, "no veth link\n");
	close(fd);
}

static void prepare(const struct scene *s, struct agent_server_options *options)
{
	options->sys_dir = xasprintf("%s/sys", s->dir);
	options->dev_dir = xasprintf("%s/dev", s->dir);
	options->run_dir = xasprintf("%s/run", s->dir);
	options->image_dir = xasprintf("%s/image", s->dir);
	options->device_timeout_ms = 300;
	options->log_port = LOG_PORT;
	options->console_port = CONSOLE_PORT;
	log_setup(&(struct log_options){
		.program = "moat-agent", .level = LOG_LEVEL_DEBUG, .fd = -1 });
	if (unshare(CLONE_NEWNET) < 0 || netdev_up("lo") < 0)
		fprintf(stderr, "no network namespace\n");
	add_link("link7");
}

static void prepare_keeping(const struct scene *s, struct agent_server_options *options)
{
	prepare(s, options);
	options->keeps_devices = true;
}

static int make_keeping(void **state)
{
	return make_prepared_scene(state, prepare_keeping);
}

static int make(void **state)
{
	return make_prepared_scene(state, prepare);
}

static char *read_in(const struct scene *s, const char *path)
{
	cleanup_free char *whole = xasprintf("%s/%s", s->dir, path);
	char *text = NULL;

	(void)read_file_at(AT_FDCWD, whole, 1u << 20, &text, NULL);
	return text;
}

/* network */

static const types_Interface *find_interface(const grpc_Interfaces *list, const char *name)
{
	for (size_t i = 0; i < list->interfaces_count; i++)
		if (streq(list->interfaces[i].name, name))
			return &list->interfaces[i];
	return NULL;
}

static int update(struct scene *s, const char *name, const char *hw, const char *address)
{
	types_IPAddress ip = { .address = (char *)address, .mask = (char *)"24" };
	grpc_UpdateInterfaceRequest req = {
		.has_interface = true,
		.interface = { .name = (char *)name,
			       .hw_addr = (char *)hw,
			       .mtu = 1400,
			       .ip_addresses_count = 1,
			       .ip_addresses = &ip },
	};
	types_Interface resp;
	int r = call(s, AGENT_UPDATE_INTERFACE, &req, &resp);

	if (r == 0) {
		assert_string_equal(resp.name, name);
		agent_response_release(AGENT_UPDATE_INTERFACE, &resp);
	}
	return r;
}

static void a_link_gets_its_name_address_and_mtu(void **state)
{
	struct scene *s = *state;
	const grpc_ListInterfacesRequest list = { 0 };
	const types_Interface *eth0;
	grpc_Interfaces resp;

	need_containers(s);
	assert_int_equal(update(s, "eth0", HW, "10.9.0.2"), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	eth0 = find_interface(&resp, "eth0");
	assert_non_null(eth0);
	assert_null(find_interface(&resp, "link7"));
	assert_string_equal(eth0->hw_addr, HW);
	assert_int_equal(eth0->mtu, 1400);
	assert_true(eth0->raw_flags & IFF_UP);
	assert_string_equal(eth0->ip_addresses[0].address, "10.9.0.2");
	assert_string_equal(eth0->ip_addresses[0].mask, "24");
	agent_response_release(AGENT_LIST_INTERFACES, &resp);

	/* Again, with another one: the old address is gone. */
	assert_int_equal(update(s, "eth0", HW, "10.9.0.3"), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	eth0 = find_interface(&resp, "eth0");
	assert_int_equal(eth0->ip_addresses_count > 0, 1);
	assert_string_equal(eth0->ip_addresses[0].address, "10.9.0.3");
	agent_response_release(AGENT_LIST_INTERFACES, &resp);
}

static void a_name_that_is_taken_changes_its_owner(void **state)
{
	struct scene *s = *state;
	const grpc_ListInterfacesRequest list = { 0 };
	grpc_Interfaces resp;

	need_containers(s);
	assert_int_equal(update(s, "lo", HW, "10.9.0.2"), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	assert_string_equal(find_interface(&resp, "lo")->hw_addr, HW);
	assert_non_null(find_interface(&resp, "link7"));
	agent_response_release(AGENT_LIST_INTERFACES, &resp);
}

static void a_link_with_another_address_is_taken_by_its_name(void **state)
{
	struct scene *s = *state;
	const grpc_ListInterfacesRequest list = { 0 };
	grpc_Interfaces resp;

	need_containers(s);
	assert_int_equal(update(s, "link7", "02:00:00:00:00:42", "10.9.0.2"), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	assert_string_equal(find_interface(&resp, "link7")->hw_addr, "02:00:00:00:00:42");
	agent_response_release(AGENT_LIST_INTERFACES, &resp);
}

static void a_link_that_does_not_come_is_missed(void **state)
{
	struct scene *s = *state;

	need_containers(s);
	assert_true(update(s, "eth0", "02:00:00:00:00:99", "10.9.0.2") < 0);
	assert_true(update(s, "eth0", HW, "10.9.0") < 0);
}

/* By the address that it has by now. */
static int update_by_hw(struct scene *s, const char *name, const char *hw)
{
	grpc_UpdateInterfaceRequest req = {
		.has_interface = true,
		.interface = { .name = (char *)name,
			       .hw_addr = (char *)hw,
			       .device_path = (char *)"hw:" HW },
	};
	types_Interface resp;
	int r = call(s, AGENT_UPDATE_INTERFACE, &req, &resp);

	if (r == 0)
		agent_response_release(AGENT_UPDATE_INTERFACE, &resp);
	return r;
}

static void a_link_takes_the_place_of_one_of_the_hosts(void **state)
{
	struct scene *s = *state;
	const grpc_ListInterfacesRequest list = { 0 };
	grpc_Interfaces resp;

	need_containers(s);
	for (int i = 0; i < 2; i++) /* a host that was killed meanwhile says it again */
		assert_int_equal(update_by_hw(s, "eth0", "02:00:00:00:00:42"), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	assert_string_equal(find_interface(&resp, "eth0")->hw_addr, "02:00:00:00:00:42");
	agent_response_release(AGENT_LIST_INTERFACES, &resp);
}

static void a_link_that_is_not_needed_loses_its_driver(void **state)
{
	struct scene *s = *state;
	cleanup_free char *class_dir = xasprintf("%s/sys/class/net/link7", s->dir);
	cleanup_free char *device = xasprintf("%s/device", class_dir);
	cleanup_free char *text = NULL;

	need_containers(s);
	write_in(s, "sys/devices/virtio3/driver/unbind", "");
	assert_int_equal(mkdir_parents(class_dir, 0755), 0);
	assert_int_equal(symlink("../../../devices/virtio3", device), 0);
	assert_int_equal(update_by_hw(s, NULL, NULL), 0);
	text = read_in(s, "sys/devices/virtio3/driver/unbind");
	assert_string_equal(text, "virtio3");
}

static void where_devices_are_kept_one_that_is_not_needed_is_put_aside(void **state)
{
	struct scene *s = *state;
	cleanup_free char *aside = xasprintf("%s/run/unused-links", s->dir);
	const grpc_ListInterfacesRequest list = { 0 };
	grpc_Interfaces resp;

	need_containers(s);
	assert_int_equal(update_by_hw(s, NULL, NULL), 0);
	assert_int_equal(call(s, AGENT_LIST_INTERFACES, &list, &resp), 0);
	for (size_t i = 0; i < resp.interfaces_count; i++)
		assert_string_not_equal(resp.interfaces[i].name, "link7");
	agent_response_release(AGENT_LIST_INTERFACES, &resp);
	assert_int_equal(update_by_hw(s, NULL, NULL), 0); /* it is no more, as when it is unbound */
	assert_int_equal(umount2(aside, MNT_DETACH), 0);
}

static void routes_to_one_place_stand_beside_each_other(void **state)
{
	struct scene *s = *state;
	types_Route routes[] = {
		{ .gateway = (char *)"10.9.0.1", .device = (char *)"eth0", .metric = 100 },
		{ .gateway = (char *)"10.9.0.7", .device = (char *)"eth0", .metric = 100 },
	};
	const grpc_UpdateRoutesRequest req = { .has_routes = true, .routes = { 2, routes } };
	grpc_Routes resp;

	need_containers(s);
	assert_int_equal(update(s, "eth0", HW, "10.9.0.2"), 0);
	for (int i = 0; i < 2; i++) {
		size_t defaults = 0;

		assert_int_equal(call(s, AGENT_UPDATE_ROUTES, &req, &resp), 0);
		for (size_t k = 0; k < resp.routes_count; k++)
			defaults += !resp.routes[k].dest && resp.routes[k].metric == 100;
		assert_int_equal(defaults, 2);
		agent_response_release(AGENT_UPDATE_ROUTES, &resp);
	}
}

static void routes_and_neighbours_are_set(void **state)
{
	struct scene *s = *state;
	types_Route routes[] = {
		{ .gateway = (char *)"10.9.0.1", .device = (char *)"eth0" },
		{ .dest = (char *)"10.77.0.0/16",
		  .device = (char *)"eth0",
		  .scope = RT_SCOPE_LINK },
	};
	const grpc_UpdateRoutesRequest req = { .has_routes = true, .routes = { 2, routes } };
	types_ARPNeighbor neighbor = {
		.has_to_ip_address = true,
		.to_ip_address = { .address = (char *)"10.9.0.1" },
		.device = (char *)"eth0",
		.lladdr = (char *)"02:00:00:00:00:01",
	};
	grpc_AddARPNeighborsRequest arp = { .has_neighbors = true, .neighbors = { 1, &neighbor } };
	bool has_default = false, has_other = false;
	grpc_Routes resp;
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(update(s, "eth0", HW, "10.9.0.2"), 0);
	for (int i = 0; i < 2; i++) { /* a second time is no error */
		assert_int_equal(call(s, AGENT_UPDATE_ROUTES, &req, &resp), 0);
		if (i == 0)
			agent_response_release(AGENT_UPDATE_ROUTES, &resp);
	}
	for (size_t i = 0; i < resp.routes_count; i++) {
		const types_Route *r = &resp.routes[i];

		assert_string_equal(r->device, "eth0");
		if (!r->dest && streq_null(r->gateway, "10.9.0.1"))
			has_default = true;
		if (streq_null(r->dest, "10.77.0.0/16"))
			has_other = true;
	}
	assert_true(has_default && has_other);
	agent_response_release(AGENT_UPDATE_ROUTES, &resp);
	assert_int_equal(call(s, AGENT_ADD_ARP_NEIGHBORS, &arp, &empty), 0);
	arp.has_neighbors = false;
	assert_int_equal(call(s, AGENT_ADD_ARP_NEIGHBORS, &arp, &empty), -EINVAL);
	assert_int_equal(call(s, AGENT_UPDATE_ROUTES, &(grpc_UpdateRoutesRequest){ 0 }, &resp),
			 -EINVAL);
	arp.has_neighbors = true;
	neighbor.device = (char *)"eth9";
	assert_true(call(s, AGENT_ADD_ARP_NEIGHBORS, &arp, &empty) < 0);
}

/* hotplug */

static void processors_and_memory_are_brought_up(void **state)
{
	struct scene *s = *state;
	const grpc_OnlineCPUMemRequest one = { .nb_cpus = 1, .cpu_only = true };
	const grpc_OnlineCPUMemRequest two = { .nb_cpus = 2 };
	const grpc_OnlineCPUMemRequest rest = { .nb_cpus = 1 };
	const grpc_MemHotplugByProbeRequest probe = {
		.mem_hotplug_probe_addr_count = 1,
		.mem_hotplug_probe_addr = (uint64_t[]){ 0x40000000 },
	};
	cleanup_free char *cpu1 = NULL;
	cleanup_free char *cpu2 = NULL;
	cleanup_free char *memory = NULL;
	cleanup_free char *probed = NULL;
	grpc_Empty empty;

	need_containers(s);
	write_in(s, "sys/devices/system/cpu/cpu0/topology", "");
	write_in(s, "sys/devices/system/cpu/cpu1/online", "0\n");
	write_in(s, "sys/devices/system/cpu/cpu2/online", "0\n");
	write_in(s, "sys/devices/system/cpu/cpufreq/online", "0\n");
	write_in(s, "sys/devices/system/memory/memory4/online", "0\n");
	write_in(s, "sys/devices/system/memory/probe", "");
	assert_int_equal(call(s, AGENT_ONLINE_CPU_MEM, &one, &empty), 0);
	cpu1 = read_in(s, "sys/devices/system/cpu/cpu1/online");
	cpu2 = read_in(s, "sys/devices/system/cpu/cpu2/online");
	memory = read_in(s, "sys/devices/system/memory/memory4/online");
	assert_int_equal((cpu1[0] == '1') + (cpu2[0] == '1'), 1);
	assert_int_equal(memory[0], '0');
	/* More than there are have not come yet; those that are there serve all the same. */
	assert_int_equal(call(s, AGENT_ONLINE_CPU_MEM, &two, &empty), -ETIMEDOUT);
	write_in(s, "sys/devices/system/cpu/cpu3/online", "0\n");
	assert_int_equal(call(s, AGENT_ONLINE_CPU_MEM, &rest, &empty), 0);
	free(cpu1);
	free(cpu2);
	free(memory);
	cpu1 = read_in(s, "sys/devices/system/cpu/cpu1/online");
	cpu2 = read_in(s, "sys/devices/system/cpu/cpu2/online");
	memory = read_in(s, "sys/devices/system/memory/memory4/online");
	assert_int_equal(cpu1[0] == '1' && cpu2[0] == '1' && memory[0] == '1', 1);
	assert_int_equal(call(s, AGENT_MEM_HOTPLUG_BY_PROBE, &probe, &empty), 0);
	probed = read_in(s, "sys/devices/system/memory/probe");
	assert_string_equal(probed, "0x40000000");
}

/* files */

static int copy(struct scene *s, const char *path, uint32_t mode, int64_t offset, int64_t size,
		const char *data)
{
	cleanup_free char *whole = xasprintf("%s/run/shared/containers/%s", s->dir, path);
	const grpc_CopyFileRequest req = {
		.path = whole,
		.file_size = size,
		.file_mode = mode,
		.dir_mode = 0750,
		.uid = 12,
		.gid = 34,
		.offset = offset,
		.data = { (const uint8_t *)data, strlen(data) },
	};
	grpc_Empty empty;

	return call(s, AGENT_COPY_FILE, &req, &empty);
}

static void a_file_arrives_in_pieces_and_appears_when_it_is_whole(void **state)
{
	struct scene *s = *state;
	cleanup_free char *path = xasprintf("%s/run/shared/containers/a/b/file", s->dir);
	cleanup_free char *text = NULL;
	struct stat st;

	need_containers(s);
	assert_int_equal(copy(s, "a/b/file", S_IFREG | 04755, 0, 10, "hello"), 0);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(copy(s, "a/b/file", S_IFREG | 04755, 5, 10, "world"), 0);
	text = read_in(s, "run/shared/containers/a/b/file");
	assert_string_equal(text, "helloworld");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(copy(s, "a/b/file", S_IFREG | 0600, 0, 0, ""), 0); /* replaced: empty */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void directories_and_links_are_copied_too(void **state)
{
	struct scene *s = *state;
	cleanup_free char *link = xasprintf("%s/run/shared/containers/link", s->dir);
	cleanup_free char *dir = xasprintf("%s/run/shared/containers/dir", s->dir);
	cleanup_free char *file = xasprintf("%s/file", dir);
	char to[16] = "";
	struct stat st;

	need_containers(s);
	assert_int_equal(copy(s, "dir", S_IFDIR | 0711, 0, 0, ""), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(copy(s, "link", S_IFLNK | 0777, 0, 0, "/etc"), 0);
	assert_int_equal(copy(s, "link", S_IFLNK | 0777, 0, 0, "/usr"), 0);
	assert_int_equal(readlink(link, to, sizeof(to) - 1), 4);
	assert_string_equal(to, "/usr");
	/* One in the place of another; what is in a directory stays. */
	assert_int_equal(copy(s, "dir/file", S_IFREG | 0600, 0, 1, "x"), 0);
	assert_int_equal(copy(s, "link", S_IFDIR | 0700, 0, 0, ""), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(copy(s, "dir", S_IFDIR | 0700, 0, 0, ""), 0);
	assert_int_equal(access(file, F_OK), 0);
}

static void nothing_is_copied_outside_of_what_is_shared(void **state)
{
	struct scene *s = *state;
	cleanup_free char *outside = xasprintf("%s/outside", s->dir);
	cleanup_free char *link = xasprintf("%s/run/shared/containers/out", s->dir);
	cleanup_free char *escaped = xasprintf("%s/outside/file", s->dir);

	need_containers(s);
	assert_int_equal(copy(s, "../x", S_IFREG | 0644, 0, 1, "x"), -EINVAL);
	assert_int_equal(copy(s, "a/../../x", S_IFREG | 0644, 0, 1, "x"), -EINVAL);
	assert_int_equal(copy(s, "a", S_IFREG | 0644, -1, 1, "x"), -EINVAL);
	assert_int_equal(mkdir_parents(outside, 0755), 0);
	assert_int_equal(copy(s, "ok", S_IFREG | 0644, 0, 1, "x"), 0);
	assert_int_equal(symlink(outside, link), 0);
	(void)copy(s, "out/file", S_IFREG | 0644, 0, 1, "x"); /* beneath the root, or not at all */
	assert_int_equal(access(escaped, F_OK), -1);
}

/* the rest */

static void metrics_are_prometheus_text(void **state)
{
	/* clang-format off */
	static const char *const wanted[] = {
		"# TYPE kata_guest_load gauge\n",
		"\nkata_agent_scrape_count 2\n",
		"\nkata_agent_threads 1\n",
		"\nkata_agent_total_time ",
		"\nkata_agent_total_vm ",
		"\nkata_agent_total_rss ",
		"\nkata_agent_proc_stat{item=\"cstime\"} ",
		"\nkata_agent_proc_status{item=\"vmrss\"} ",
		"\nkata_agent_proc_status{item=\"nonvoluntary_ctxt_switches\"} ",
		"\nkata_guest_load{item=\"load1\"} ",
		"\nkata_guest_tasks{item=\"max\"} ",
		"\nkata_guest_meminfo{item=\"mem_total\"} ",
		"\nkata_guest_meminfo{item=\"active_anon\"} ",
		"\nkata_guest_meminfo{item=\"s_reclaimable\"} ",
		"\nkata_guest_meminfo{item=\"committed_as\"} ",
		"\nkata_guest_vm_stat{item=\"nr_free_pages\"} ",
		"\nkata_guest_cpu_time{cpu=\"total\",item=\"user\"} ",
		"\nkata_guest_netdev_stat{interface=\"lo\",item=\"recv_bytes\"} ",
	};
	/* clang-format on */
	struct scene *s = *state;
	const grpc_GetMetricsRequest req = { 0 };
	grpc_Metrics resp;

	need_containers(s);
	assert_int_equal(call(s, AGENT_GET_METRICS, &req, &resp), 0);
	agent_response_release(AGENT_GET_METRICS, &resp);
	assert_int_equal(call(s, AGENT_GET_METRICS, &req, &resp), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(resp.metrics, wanted[i]))
			fail_msg("no '%s' in:\n%s", wanted[i], resp.metrics);
	agent_response_release(AGENT_GET_METRICS, &resp);
}

static void a_volume_says_how_full_it_is(void **state)
{
	struct scene *s = *state;
	grpc_VolumeStatsRequest req = { .volume_guest_path = s->dir };
	grpc_VolumeStatsResponse resp;

	need_containers(s);
	assert_int_equal(call(s, AGENT_GET_VOLUME_STATS, &req, &resp), 0);
	assert_int_equal(resp.usage_count, 2);
	assert_int_equal(resp.usage[0].unit, grpc_VolumeUsage_Unit_BYTES);
	assert_true(resp.usage[0].total >= resp.usage[0].available);
	assert_string_equal(resp.volume_condition.message, "OK");
	agent_response_release(AGENT_GET_VOLUME_STATS, &resp);
	req.volume_guest_path = (char *)"/no/such/thing";
	assert_true(call(s, AGENT_GET_VOLUME_STATS, &req, &resp) < 0);
}

static void what_belongs_to_the_machine_is_refused_outside_of_one(void **state)
{
	struct scene *s = *state;
	const grpc_AddSwapPathRequest swap = { (char *)"/dev/null" };
	const grpc_SetGuestDateTimeRequest time = { 1, 1 };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(call(s, AGENT_ADD_SWAP_PATH, &swap, &empty), -EACCES);
	assert_int_equal(call(s, AGENT_SET_GUEST_DATE_TIME, &time, &empty), -EACCES);
}

static int set_tables(struct scene *s, bool is_ipv6, const char *text, struct agent_bytes *ret)
{
	const grpc_SetIPTablesRequest req = {
		.is_ipv6 = is_ipv6,
		.data = { (const uint8_t *)text, strlen(text) },
	};
	grpc_SetIPTablesResponse resp;
	int r = call(s, AGENT_SET_IP_TABLES, &req, &resp);

	if (r == 0)
		*ret = resp.data;
	return r;
}

static void packet_filters_are_read_and_written_by_the_images_programs(void **state)
{
	struct scene *s = *state;
	const grpc_GetIPTablesRequest get = { 0 }, get6 = { .is_ipv6 = true };
	cleanup_free char *restored = NULL;
	grpc_GetIPTablesResponse resp;
	struct agent_bytes data = { 0 };

	need_containers(s);
	assert_int_equal(call(s, AGENT_GET_IP_TABLES, &get, &resp), -ENOSYS);
	assert_int_equal(set_tables(s, false, "*filter\n", &data), -ENOSYS);
	write_program(s, "image/usr/sbin/iptables-save",
		      "#!/bin/sh\necho '*filter'; echo warning >&2\n");
	write_program(s, "image/sbin/ip6tables-save", "#!/bin/sh\necho no table >&2; exit 3\n");
	write_program(s, "image/sbin/ip6tables-restore",
		      "#!/bin/sh\ncat > ${0%/*}/restored; echo $@\n");
	assert_int_equal(call(s, AGENT_GET_IP_TABLES, &get, &resp), 0);
	assert_int_equal(resp.data.size, 8);
	assert_memory_equal(resp.data.data, "*filter\n", 8);
	agent_response_release(AGENT_GET_IP_TABLES, &resp);
	assert_int_equal(call(s, AGENT_GET_IP_TABLES, &get6, &resp), -EIO);
	assert_int_equal(set_tables(s, true, "*nat\nCOMMIT\n", &data), 0);
	assert_int_equal(data.size, 9);
	assert_memory_equal(data.data, "--wait 5\n", 9);
	free((void *)data.data);
	restored = read_in(s, "image/sbin/restored");
	assert_string_equal(restored, "*nat\nCOMMIT\n");
}

static void methods_that_are_not_built_say_so(void **state)
{
	struct scene *s = *state;
	const grpc_ResizeVolumeRequest resize = { 0 };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(call(s, AGENT_RESIZE_VOLUME, &resize, &empty), -ENOSYS);
}

static void the_log_can_be_read_on_a_port_of_its_own(void **state)
{
	struct scene *s = *state;
	const grpc_StartContainerRequest req = { (char *)"nobody" };
	char text[2048];
	grpc_Empty empty;
	uint32_t number;
	ssize_t n;
	int fd;

	need_containers(s);
	fd = open_port(s, LOG_PORT, &number);
	(void)call(s, AGENT_START_CONTAINER, &req, &empty);
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "{\"level\":\"DEBG\",\"msg\":\"StartContainer: container "
				     "'nobody' does not exist\",\"time\":\""));
	close(fd);
	/* Who comes later gets what was before. */
	fd = open_port(s, LOG_PORT, &number);
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	close(fd);
}

static void the_debug_console_is_a_shell_on_a_terminal(void **state)
{
	struct scene *s = *state;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	uint32_t number;
	char buf[512];
	ssize_t n;
	int fd;

	need_containers(s);
	fd = open_port(s, CONSOLE_PORT, &number);
	assert_int_equal(write_all(fd, "tty; echo $((6*7)) exit; exit\n", 30), 0);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		strbuf_add(&text, buf, (size_t)n);
	assert_non_null(strstr(text.buf, "/dev/pts/"));
	assert_non_null(strstr(text.buf, "42 exit"));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_link_gets_its_name_address_and_mtu),
		TEST(a_name_that_is_taken_changes_its_owner),
		TEST(a_link_with_another_address_is_taken_by_its_name),
		TEST(a_link_that_does_not_come_is_missed),
		TEST(a_link_takes_the_place_of_one_of_the_hosts),
		TEST(a_link_that_is_not_needed_loses_its_driver),
		cmocka_unit_test_setup_teardown(
			where_devices_are_kept_one_that_is_not_needed_is_put_aside, make_keeping,
			drop_scene),
		TEST(routes_to_one_place_stand_beside_each_other),
		TEST(routes_and_neighbours_are_set),
		TEST(processors_and_memory_are_brought_up),
		TEST(a_file_arrives_in_pieces_and_appears_when_it_is_whole),
		TEST(directories_and_links_are_copied_too),
		TEST(nothing_is_copied_outside_of_what_is_shared),
		TEST(metrics_are_prometheus_text),
		TEST(a_volume_says_how_full_it_is),
		TEST(what_belongs_to_the_machine_is_refused_outside_of_one),
		TEST(packet_filters_are_read_and_written_by_the_images_programs),
		TEST(methods_that_are_not_built_say_so),
		TEST(the_log_can_be_read_on_a_port_of_its_own),
		TEST(the_debug_console_is_a_shell_on_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
