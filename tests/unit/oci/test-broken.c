/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "oci/config.h"

/*
 * Broken configurations, each with exactly what its writer is told. A case replaces one line of a
 * configuration that is fine, so that the line in the message is that line.
 */

/* clang-format off */
static const char *const good[] = {
	"{",                                                             /* 1 */
	"\"ociVersion\": \"1.2.0\",",                                    /* 2 */
	"\"root\": {\"path\": \"rootfs\"},",                             /* 3 */
	"\"hostname\": \"web\",",                                        /* 4 */
	"\"mounts\": [{\"destination\": \"/proc\", \"type\": \"proc\"}],", /* 5 */
	"\"hooks\": {},",                                                /* 6 */
	"\"annotations\": {},",                                          /* 7 */
	"\"process\": {",                                                /* 8 */
	" \"cwd\": \"/\",",                                              /* 9 */
	" \"args\": [\"sh\"],",                                          /* 10 */
	" \"env\": [\"A=b\"],",                                          /* 11 */
	" \"user\": {\"uid\": 0, \"gid\": 0},",                          /* 12 */
	" \"rlimits\": []",                                              /* 13 */
	"},",                                                            /* 14 */
	"\"linux\": {",                                                  /* 15 */
	" \"namespaces\": [{\"type\": \"uts\"}, {\"type\": \"mount\"}],", /* 16 */
	" \"resources\": {},",                                           /* 17 */
	" \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\"},",        /* 18 */
	" \"sysctl\": {}",                                               /* 19 */
	"}",                                                             /* 20 */
	"}",                                                             /* 21 */
};

static const struct broken {
	size_t line;
	const char *text;
	const char *msg;
} cases[] = {
	/* The text itself. */
	{ 2, "", "config.json:1: ociVersion: missing" },
	{ 2, "'ociVersion' 1,", "config.json:2: parse error: object key and value must be separated by a colon (':')" },
	{ 2, "'ociVersion': 1,", "config.json:2: ociVersion: not a string: 1" },
	{ 21, "", "config.json:21: parse error: premature EOF" },
	{ 21, "}}", "config.json:21: parse error: trailing garbage" },

	/* config.md */
	{ 2, "'ociVersion': '',", "config.json:2: ociVersion: missing" },
	{ 2, "'ociVersion': 'latest',", "config.json:2: ociVersion: not a version: \"latest\"" },
	{ 2, "'ociVersion': '1',", "config.json:2: ociVersion: not a version: \"1\"" },
	{ 2, "'ociVersion': '1.', 'linux': {'resources': {'pids': {'limit': 0}}},", "config.json:2: ociVersion: not a version: \"1.\"" },
	{ 2, "'ociVersion': '1.2.3.4',", "config.json:2: ociVersion: not a version: \"1.2.3.4\"" },
	{ 3, "'root': {},", "config.json:3: root.path: missing" },
	{ 3, "'root': 'rootfs',", "config.json:3: root: not an object: \"rootfs\"" },
	{ 3, "'root': {'path': 'rootfs', 'readonly': 'yes'},", "config.json:3: root.readonly: not true or false: \"yes\"" },
	{ 4, "'hostname': '0123456789012345678901234567890123456789012345678901234567890123456789',",
	  "config.json:4: hostname: longer than 64 bytes: \"0123456789012345678901234567890123456789012345678901234567890123456789\"" },
	{ 16, "'namespaces': [{'type': 'mount'}],", "config.json:4: hostname: unable to set hostname without a private UTS namespace" },
	{ 5, "'mounts': [{}],", "config.json:5: mounts[0].destination: missing" },
	{ 5, "'mounts': [{'destination': '/a', 'options': ['ro', 1]}],", "config.json:5: mounts[0].options[1]: not a string: 1" },
	{ 5, "'mounts': [{'destination': '/a'}, {'destination': '/b', 'uidMappings': [{'size': 1}]}],",
	  "config.json:5: mounts[1]: uidMappings and gidMappings must be given together" },
	{ 5, "'mounts': [{'destination': '/b', 'uidMappings': [{'size': 1}], 'gidMappings': [{'size': 0}]}],",
	  "config.json:5: mounts[0].gidMappings[0].size: must not be zero" },
	{ 5, "'mounts': [{'destination': '/b', 'options': ['bind', 'idmap']}],",
	  "config.json:5: mounts[0].options: an id-mapped mount needs uidMappings and gidMappings, or a user namespace" },
	{ 5, "'mounts': [{'destination': '/b', 'options': ['idmap', 'ridmap']}],",
	  "config.json:5: mounts[0].options: idmap and ridmap exclude each other" },
	{ 6, "'hooks': {'poststop': [{'path': '/a'}, {'path': 'b'}]},", "config.json:6: hooks.poststop[1].path: must be an absolute path: \"b\"" },
	{ 6, "'hooks': {'prestart': [{}]},", "config.json:6: hooks.prestart[0].path: missing" },
	{ 6, "'hooks': {'createRuntime': [{'path': '/a', 'timeout': 0}]},", "config.json:6: hooks.createRuntime[0].timeout: must be greater than zero: 0" },
	{ 6, "'hooks': {'startContainer': [{'path': '/a', 'env': ['PATH']}]},",
	  "config.json:6: hooks.startContainer[0].env[0]: invalid environment variable: missing '=': \"PATH\"" },
	{ 7, "'annotations': {'': 'x'},", "config.json:7: annotations: a key must not be empty" },
	{ 7, "'annotations': {'n': 1},", "config.json:7: annotations.n: not a string: 1" },
	{ 9, "", "config.json:8: process.cwd: missing" },
	{ 9, "'cwd': 'tmp',", "config.json:9: process.cwd: must be an absolute path: \"tmp\"" },
	{ 10, "'args': [],", "config.json:10: process.args: must not be empty" },
	{ 10, "", "config.json:8: process.args: missing" },
	{ 10, "'args': 'sh',", "config.json:10: process.args: not an array: \"sh\"" },
	{ 11, "'env': ['A=b', 'B'],", "config.json:11: process.env[1]: invalid environment variable: missing '=': \"B\"" },
	{ 11, "'env': ['=b'],", "config.json:11: process.env[0]: invalid environment variable: name cannot be empty: \"=b\"" },
	{ 11, "'env': ['A=\\u0000'],", "config.json:11: a string contains a NUL byte" },
	{ 12, "'user': {'uid': 4294967295},", "config.json:12: process.user.uid: not an id: 4294967295" },
	{ 12, "'user': {'uid': -1},", "config.json:12: process.user.uid: must not be negative: -1" },
	{ 12, "'user': {'additionalGids': [1, 4294967295]},", "config.json:12: process.user.additionalGids[1]: not an id: 4294967295" },
	{ 12, "'user': {'umask': 755},", "config.json:12: process.user.umask: has more than permission bits (0777 is 511): 755" },
	{ 13, "'rlimits': [{'soft': 1, 'hard': 1}]", "config.json:13: process.rlimits[0].type: missing" },
	{ 13, "'rlimits': [{'type': 'RLIMIT_FILES'}]", "config.json:13: process.rlimits[0].type: unknown value: \"RLIMIT_FILES\"" },
	{ 13, "'rlimits': [{'type': 'RLIMIT_AS'}, {'type': 'RLIMIT_AS'}]", "config.json:13: process.rlimits[1].type: given twice: \"RLIMIT_AS\"" },
	{ 13, "'rlimits': [{'type': 'RLIMIT_AS', 'soft': 2, 'hard': 1}]", "config.json:13: process.rlimits[0].soft: higher than the hard limit" },
	{ 13, "'oomScoreAdj': 1001", "config.json:13: process.oomScoreAdj: must be from -1000 to 1000: 1001" },
	{ 13, "'terminal': true, 'consoleSize': {'height': 70000}", "config.json:13: process.consoleSize: larger than a terminal can be" },
	{ 13, "'scheduler': {}", "config.json:13: process.scheduler.policy: missing" },
	{ 13, "'scheduler': {'policy': 'SCHED_FAST'}", "config.json:13: process.scheduler.policy: unknown value: \"SCHED_FAST\"" },
	{ 13, "'scheduler': {'policy': 'SCHED_OTHER', 'nice': 20}", "config.json:13: process.scheduler.nice: must be from -20 to 19: 20" },
	{ 13, "'scheduler': {'policy': 'SCHED_BATCH', 'nice': -21}", "config.json:13: process.scheduler.nice: must be from -20 to 19: -21" },
	{ 13, "'scheduler': {'policy': 'SCHED_IDLE', 'nice': 2147483648}", "config.json:13: process.scheduler.nice: number out of range: 2147483648" },
	{ 13, "'scheduler': {'policy': 'SCHED_OTHER', 'priority': 1}",
	  "config.json:13: process.scheduler.priority: can only be specified for SCHED_FIFO or SCHED_RR, not for: \"SCHED_OTHER\"" },
	{ 13, "'scheduler': {'policy': 'SCHED_RR'}", "config.json:13: process.scheduler.priority: must be from 1 to 99: 0" },
	{ 13, "'scheduler': {'policy': 'SCHED_FIFO', 'priority': 100}", "config.json:13: process.scheduler.priority: must be from 1 to 99: 100" },
	{ 13, "'scheduler': {'policy': 'SCHED_FIFO', 'priority': 1, 'period': 5}",
	  "config.json:13: process.scheduler.period: can only be specified for SCHED_DEADLINE, not for: \"SCHED_FIFO\"" },
	{ 13, "'scheduler': {'policy': 'SCHED_DEADLINE', 'runtime': 1000}",
	  "config.json:13: process.scheduler.runtime: SCHED_DEADLINE needs 1024 nanoseconds or more: 1000" },
	{ 13, "'scheduler': {'policy': 'SCHED_DEADLINE', 'runtime': 2000}",
	  "config.json:13: process.scheduler.deadline: must not be less than the runtime: 0" },
	{ 13, "'scheduler': {'policy': 'SCHED_DEADLINE', 'runtime': 2000, 'deadline': 3000, 'period': 2500}",
	  "config.json:13: process.scheduler.period: must not be less than the deadline: 2500" },
	{ 13, "'scheduler': {'policy': 'SCHED_DEADLINE', 'runtime': 9223372036854775808}",
	  "config.json:13: process.scheduler.runtime: number out of range" },
	{ 13, "'scheduler': {'policy': 'SCHED_OTHER', 'flags': ['SCHED_FLAG_RECLAIM', 'RECLAIM']}",
	  "config.json:13: process.scheduler.flags[1]: unknown value: \"RECLAIM\"" },
	{ 13, "'ioPriority': {'priority': 1}", "config.json:13: process.ioPriority.class: missing" },
	{ 13, "'ioPriority': {'class': 'IOPRIO_CLASS_NONE'}", "config.json:13: process.ioPriority.class: unknown value: \"IOPRIO_CLASS_NONE\"" },
	{ 13, "'ioPriority': {'class': 'IOPRIO_CLASS_BE', 'priority': 8}", "config.json:13: process.ioPriority.priority: must be from 0 to 7: 8" },
	{ 13, "'ioPriority': {'class': 'IOPRIO_CLASS_RT', 'priority': -1}", "config.json:13: process.ioPriority.priority: must be from 0 to 7: -1" },
	{ 13, "'execCPUAffinity': {'initial': '0-'}", "config.json:13: process.execCPUAffinity.initial: not a list like 0-3,7: \"0-\"" },
	{ 13, "'execCPUAffinity': {'final': '3-1'}", "config.json:13: process.execCPUAffinity.final: not a list like 0-3,7: \"3-1\"" },
	{ 13, "'execCPUAffinity': {'final': ','}", "config.json:13: process.execCPUAffinity.final: not a list like 0-3,7: \",\"" },

	/* config-linux.md */
	{ 16, "'namespaces': [{'type': 'uts'}, {}],", "config.json:16: linux.namespaces[1].type: missing" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'net'}],", "config.json:16: linux.namespaces[1].type: unknown value: \"net\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'uts'}],", "config.json:16: linux.namespaces[1].type: given twice: \"uts\"" },
	{ 16, "'namespaces': [{'type': 'uts', 'path': 'proc/1/ns/uts'}],",
	  "config.json:16: linux.namespaces[0].path: must be an absolute path: \"proc/1/ns/uts\"" },
	{ 19, "'uidMappings': [{'size': 1}]", "config.json:19: linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user'}], 'uidMappings': [{'size': 1}], 'gidMappings': [{'hostID': 4294967295, 'size': 1}],",
	  "config.json:16: linux.gidMappings[0].size: range of ids ends too high: 1" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user'}],",
	  "config.json:15: linux.uidMappings: user namespace enabled, but no path to join nor mappings specified" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user'}], 'uidMappings': [{'size': 1}],",
	  "config.json:15: linux.gidMappings: user namespace enabled, but no path to join nor mappings specified" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user', 'path': '/u'}], 'uidMappings': [{'size': 5}, {'hostID': 9, 'containerID': 4, 'size': 2}],",
	  "config.json:16: linux.uidMappings[1].containerID: overlaps an earlier range: 4" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user', 'path': '/u'}], 'gidMappings': [{'hostID': 8, 'size': 5}, {'hostID': 7, 'containerID': 5, 'size': 2}],",
	  "config.json:16: linux.gidMappings[1].hostID: overlaps an earlier range: 7" },
	{ 19, "'timeOffsets': {'boottime': {'secs': 1}}", "config.json:19: linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'time', 'path': '/t'}], 'timeOffsets': {},",
	  "config.json:16: linux.timeOffsets: has no effect on a time namespace that is joined: \"/t\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'time'}], 'timeOffsets': {'monotonic': {'nanosecs': 1000000000}},",
	  "config.json:16: linux.timeOffsets.monotonic.nanosecs: must be less than a second: 1000000000" },
	{ 19, "'netDevices': {'eth0': {}}", "config.json:19: linux.netDevices: unable to move network devices without a private network namespace" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'network'}],\n 'netDevices': {'a/b': {}},",
	  "config.json:17: linux.netDevices.a/b: not an interface's name: \"a/b\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'network'}], 'netDevices': {'eth0': {'name': 'sixteen-letters-'}},",
	  "config.json:16: linux.netDevices.eth0.name: not an interface's name: \"sixteen-letters-\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'network'}], 'netDevices': {'eth0': {'name': 'e%d%d'}},",
	  "config.json:16: linux.netDevices.eth0.name: not an interface's name: \"e%d%d\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'network'}], 'netDevices': {'eth0': {}, 'eth1': {'name': 'eth0'}},",
	  "config.json:16: linux.netDevices.eth1.name: given twice: \"eth0\"" },
	{ 19, "'intelRdt': {'closID': '..'}", "config.json:19: linux.intelRdt.closID: not the name of a directory: \"..\"" },
	{ 19, "'intelRdt': {'closID': 'a/b'}", "config.json:19: linux.intelRdt.closID: not the name of a directory: \"a/b\"" },
	{ 19, "'intelRdt': {'memBwSchema': 'L3:0=f'}", "config.json:19: linux.intelRdt.memBwSchema: must be one line that begins with 'MB:': \"L3:0=f\"" },
	{ 19, "'intelRdt': {'schemata': ['MB:0=20', 'MB:0=20\\nL3:0=f']}", "config.json:19: linux.intelRdt.schemata[1]: more than one line: \"MB:0=20\\nL3:0=f\"" },
	{ 19, "'memoryPolicy': {}", "config.json:19: linux.memoryPolicy.mode: missing" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_NONE'}", "config.json:19: linux.memoryPolicy.mode: unknown value: \"MPOL_NONE\"" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_BIND'}", "config.json:19: linux.memoryPolicy.nodes: must name a node for the mode: \"MPOL_BIND\"" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_LOCAL', 'nodes': '0'}", "config.json:19: linux.memoryPolicy.nodes: must be empty for the mode: \"MPOL_LOCAL\"" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_BIND', 'nodes': 'all'}", "config.json:19: linux.memoryPolicy.nodes: not a list like 0-3,7: \"all\"" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_PREFERRED', 'flags': ['X']}", "config.json:19: linux.memoryPolicy.flags[0]: unknown value: \"X\"" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_BIND', 'nodes': '0', 'flags': ['MPOL_F_STATIC_NODES', 'MPOL_F_RELATIVE_NODES']}",
	  "config.json:19: linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other" },
	{ 19, "'memoryPolicy': {'mode': 'MPOL_DEFAULT', 'flags': ['MPOL_F_NUMA_BALANCING']}",
	  "config.json:19: linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING has no meaning for the mode: \"MPOL_DEFAULT\"" },
	{ 19, "'personality': {}", "config.json:19: linux.personality.domain: missing" },
	{ 19, "'personality': {'domain': 'BSD'}", "config.json:19: linux.personality.domain: unknown value: \"BSD\"" },
	{ 19, "'devices': [{'type': 'c', 'major': 1, 'minor': 3}]", "config.json:19: linux.devices[0].path: missing" },
	{ 19, "'devices': [{'path': 'dev/null', 'type': 'c'}]", "config.json:19: linux.devices[0].path: must be an absolute path: \"dev/null\"" },
	{ 19, "'devices': [{'path': '/dev/x', 'type': 'a'}]", "config.json:19: linux.devices[0].type: not one of c, u, b, p: \"a\"" },
	{ 19, "'devices': [{'path': '/dev/x', 'type': 'c', 'major': 4096}]", "config.json:19: linux.devices[0].major: not a device number: 4096" },
	{ 19, "'devices': [{'path': '/dev/x', 'type': 'b', 'minor': -1}]", "config.json:19: linux.devices[0].minor: not a device number: -1" },
	{ 17, "'resources': {'devices': [{'allow': true, 'access': 'rx'}]},",
	  "config.json:17: linux.resources.devices[0].access: has letters other than r, w, m: \"rx\"" },
	{ 17, "'resources': {'devices': [{'type': 'p'}]},", "config.json:17: linux.resources.devices[0].type: not one of a, c, b: \"p\"" },
	{ 17, "'resources': {'devices': [{'major': -2}]},", "config.json:17: linux.resources.devices[0].major: not a device number: -2" },
	{ 17, "'resources': {'memory': {'limit': '1G'}},", "config.json:17: linux.resources.memory.limit: not a number: \"1G\"" },
	{ 17, "'resources': {'memory': {'kernelTCP': -2}},", "config.json:17: linux.resources.memory.kernelTCP: must be -1 (unlimited) or more: -2" },
	{ 17, "'resources': {'memory': {'limit': 2000, 'swap': 1000}},",
	  "config.json:17: linux.resources.memory.swap: memory+swap limit should be >= memory limit: 1000" },
	{ 17, "'resources': {'memory': {'swappiness': 101}},", "config.json:17: linux.resources.memory.swappiness: must be from 0 to 100: 101" },
	{ 17, "'resources': {'cpu': {'period': 10}},", "config.json:17: linux.resources.cpu.period: must be from 1000 to 1000000 microseconds: 10" },
	{ 17, "'resources': {'cpu': {'quota': 10}},", "config.json:17: linux.resources.cpu.quota: must be 1000 microseconds or more: 10" },
	{ 17, "'resources': {'cpu': {'quota': 2000, 'burst': 3000}},", "config.json:17: linux.resources.cpu.burst: must not be more than the quota: 3000" },
	{ 17, "'resources': {'cpu': {'idle': 2}},", "config.json:17: linux.resources.cpu.idle: must be 0 or 1: 2" },
	{ 17, "'resources': {'cpu': {'cpus': 'two'}},", "config.json:17: linux.resources.cpu.cpus: not a list of numbers: \"two\"" },
	{ 17, "'resources': {'blockIO': {'weight': 5}},", "config.json:17: linux.resources.blockIO.weight: must be from 10 to 1000: 5" },
	{ 17, "'resources': {'blockIO': {'leafWeight': 1001}},", "config.json:17: linux.resources.blockIO.leafWeight: must be from 10 to 1000: 1001" },
	{ 17, "'resources': {'blockIO': {'weightDevice': [{'major': 8, 'minor': 0}]}},",
	  "config.json:17: linux.resources.blockIO.weightDevice[0]: needs weight or leafWeight" },
	{ 17, "'resources': {'blockIO': {'weightDevice': [{'major': 8, 'minor': 0, 'weight': 2000}]}},",
	  "config.json:17: linux.resources.blockIO.weightDevice[0].weight: must be from 10 to 1000: 2000" },
	{ 17, "'resources': {'blockIO': {'throttleReadIOPSDevice': [{'major': 8, 'rate': 1}, {'major': -1, 'rate': 1}]}},",
	  "config.json:17: linux.resources.blockIO.throttleReadIOPSDevice[1].major: not a device number: -1" },
	{ 17, "'resources': {'blockIO': {'throttleWriteBpsDevice': [{'major': 8, 'minor': 1048576}]}},",
	  "config.json:17: linux.resources.blockIO.throttleWriteBpsDevice[0].minor: not a device number: 1048576" },
	{ 17, "'resources': {'hugepageLimits': [{'limit': 1}]},", "config.json:17: linux.resources.hugepageLimits[0].pageSize: missing" },
	{ 17, "'resources': {'hugepageLimits': [{'pageSize': '2MB', 'limit': 1}, {'pageSize': '2M'}]},",
	  "config.json:17: linux.resources.hugepageLimits[1].pageSize: not a size like 64KB, 2MB or 1GB: \"2M\"" },
	{ 17, "'resources': {'hugepageLimits': [{'pageSize': '../2MB'}]},",
	  "config.json:17: linux.resources.hugepageLimits[0].pageSize: not a size like 64KB, 2MB or 1GB: \"../2MB\"" },
	{ 17, "'resources': {'network': {'classID': -1}},", "config.json:17: linux.resources.network.classID: must not be negative: -1" },
	{ 17, "'resources': {'network': {'priorities': [{'priority': 1}]}},", "config.json:17: linux.resources.network.priorities[0].name: missing" },
	{ 17, "'resources': {'network': {'priorities': [{'name': 'e 0'}]}},",
	  "config.json:17: linux.resources.network.priorities[0].name: not an interface's name: \"e 0\"" },
	{ 17, "'resources': {'rdma': {'mlx5_1': {}}},", "config.json:17: linux.resources.rdma.mlx5_1: needs hcaHandles or hcaObjects" },
	{ 17, "'resources': {'rdma': {'mlx 5': {'hcaObjects': 1}}},", "config.json:17: linux.resources.rdma.mlx 5: not an RDMA device's name: \"mlx 5\"" },
	{ 17, "'resources': {'rdma': {'mlx5_1': {'hcaHandles': 4294967296}}},",
	  "config.json:17: linux.resources.rdma.mlx5_1.hcaHandles: number out of range: 4294967296" },
	{ 17, "'resources': {'pids': {'limit': -2}},", "config.json:17: linux.resources.pids.limit: must be -1 (unlimited) or more: -2" },
	{ 17, "'resources': {'unified': {'../cgroup.procs': '1'}},",
	  "config.json:17: linux.resources.unified: not the name of a cgroup file: \"../cgroup.procs\"" },
	{ 18, "'seccomp': {},", "config.json:18: linux.seccomp.defaultAction: missing" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_DENY'},", "config.json:18: linux.seccomp.defaultAction: unknown value: \"SCMP_ACT_DENY\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_NOTIFY'},", "config.json:18: linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_KILL', 'defaultErrnoRet': 1},",
	  "config.json:18: linux.seccomp.defaultErrnoRet: has no meaning for the action: \"SCMP_ACT_KILL\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'action': 'SCMP_ACT_ALLOW'}]},",
	  "config.json:18: linux.seccomp.syscalls[0].names: missing" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x']}]},",
	  "config.json:18: linux.seccomp.syscalls[0].action: missing" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x'], 'action': 'SCMP_ACT_TRAP', 'errnoRet': 0}]},",
	  "config.json:18: linux.seccomp.syscalls[0].errnoRet: has no meaning for the action: \"SCMP_ACT_TRAP\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['read', 'write'], 'action': 'SCMP_ACT_NOTIFY'}]},",
	  "config.json:18: linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for the write syscall" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x'], 'action': 'SCMP_ACT_TRAP', 'args': [{'index': 6, 'op': 'SCMP_CMP_EQ'}]}]},",
	  "config.json:18: linux.seccomp.syscalls[0].args[0].index: a system call has arguments 0 to 5: 6" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x'], 'action': 'SCMP_ACT_TRAP', 'args': [{'index': 5}]}]},",
	  "config.json:18: linux.seccomp.syscalls[0].args[0].op: missing" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'flags': ['SECCOMP_FILTER_FLAG_LOG', 'X']},",
	  "config.json:18: linux.seccomp.flags[1]: unknown value: \"X\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 65536},",
	  "config.json:18: linux.seccomp.defaultErrnoRet: number out of range: 65536" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'architectures': ['SCMP_ARCH_X86', 'amd64']},",
	  "config.json:18: linux.seccomp.architectures[1]: unknown value: \"amd64\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x'], 'action': 'SCMP_ACT_NOTIFY'}]},",
	  "config.json:18: linux.seccomp.listenerPath: seccomp listenerPath is not set, but SCMP_ACT_NOTIFY is used" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'names': ['x'], 'action': 'SCMP_ACT_NOTIFY', 'errnoRet': 1}]},",
	  "config.json:18: linux.seccomp.syscalls[0].errnoRet: has no meaning for the action: \"SCMP_ACT_NOTIFY\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'listenerPath': 'run/x'},",
	  "config.json:18: linux.seccomp.listenerPath: must be an absolute path: \"run/x\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'listenerMetadata': 'm'},",
	  "config.json:18: linux.seccomp.listenerMetadata: has no meaning without listenerPath" },
	{ 19, "'sysctl': {'kernel..shmmax': '1'}", "config.json:19: linux.sysctl.kernel..shmmax: not a sysctl's name: \"kernel..shmmax\"" },
	{ 19, "'sysctl': {'../kernel': '1'}", "config.json:19: linux.sysctl.../kernel: not a sysctl's name: \"../kernel\"" },
	{ 19, "'sysctl': {'net.ipv4.ip_forward': 1}", "config.json:19: linux.sysctl.net.ipv4.ip_forward: not a string: 1" },
	{ 19, "'rootfsPropagation': 'public'", "config.json:19: linux.rootfsPropagation: unknown value: \"public\"" },
	{ 19, "'maskedPaths': ['/proc/kcore', 'proc/keys']", "config.json:19: linux.maskedPaths[1]: must be an absolute path: \"proc/keys\"" },
	{ 16, "'namespaces': [{'type': 'uts'}], 'maskedPaths': ['/proc/kcore'],",
	  "config.json:16: linux.maskedPaths: unable to restrict sys entries without a private MNT namespace" },
	{ 19, "'readonlyPaths': ['']", "config.json:19: linux.readonlyPaths[0]: must be an absolute path: \"\"" },

	/* config-vm.md */
	{ 7, "'vm': {'kernel': {'path': 'vmlinux'}},", "config.json:7: vm.kernel.path: must be an absolute path: \"vmlinux\"" },
	{ 7, "'vm': {'kernel': {}},", "config.json:7: vm.kernel.path: must not be empty" },
	{ 7, "'vm': {'kernel': {'path': '/vmlinux', 'initrd': 'initrd'}},", "config.json:7: vm.kernel.initrd: must be an absolute path: \"initrd\"" },
	{ 7, "'vm': {'hypervisor': {'path': 'qemu'}},", "config.json:7: vm.hypervisor.path: must be an absolute path: \"qemu\"" },
	{ 7, "'vm': {'image': {'path': '/i', 'format': 'iso'}},", "config.json:7: vm.image.format: unknown value: \"iso\"" },
	{ 7, "'vm': {'hwConfig': {'vcpus': 0}},", "config.json:7: vm.hwConfig.vcpus: must not be zero" },
	{ 7, "'vm': {'hwConfig': {'memory': -1}},", "config.json:7: vm.hwConfig.memory: must not be negative: -1" },
};
/* clang-format on */

/* The good text with line @line replaced; apostrophes stand for quotes. */
static char *make_text(size_t line, const char *text)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 1; i <= ARRAY_SIZE(good); i++) {
		for (const char *p = text; i == line && *p; p++)
			strbuf_addch(&sb, *p == '\'' ? '"' : *p);
		if (i != line)
			strbuf_addstr(&sb, good[i - 1]);
		if (i < ARRAY_SIZE(good))
			strbuf_addch(&sb, '\n');
	}
	return strbuf_steal(&sb);
}

static void the_configuration_that_is_broken_below_is_fine(void **state)
{
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_free char *text = make_text(0, "");
	struct error err = ERROR_INIT;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
}

static void each_broken_configuration_is_refused_with_its_place(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_oci_config struct oci_config *config = NULL;
		cleanup_free char *text = make_text(cases[i].line, cases[i].text);
		struct error err = ERROR_INIT;
		int r = oci_config_parse("config.json", text, strlen(text), &config, &err);

		if (r == -EINVAL && !config && streq(err.msg, cases[i].msg))
			continue;
		print_error("%s\n  want %s\n  got  %s\n", cases[i].text, cases[i].msg, err.msg);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* Odd, but what peers take or the specification asks for. */
static void these_are_fine(void **state)
{
	/* clang-format off */
	static const struct { size_t line; const char *text; } fine[] = {
		{ 13, "'consoleSize': {'height': 70000}" },
		{ 13, "'scheduler': {'policy': 'SCHED_FIFO', 'nice': 100, 'priority': 99}" },
		{ 13, "'scheduler': {'policy': 'SCHED_RR', 'flags': ['SCHED_FLAG_KEEP_PARAMS']}" },
		{ 13, "'scheduler': {'policy': 'SCHED_DEADLINE', 'runtime': 1024, 'deadline': 1024}" },
		{ 13, "'scheduler': {'policy': 'SCHED_ISO'}" },
		{ 13, "'ioPriority': {'class': 'IOPRIO_CLASS_IDLE'}" },
		{ 13, "'execCPUAffinity': {'initial': '', 'final': ' 0-3, 7,'}" },
		{ 5, "'mounts': [{'destination': '/a', 'options': ['ridmap'], 'uidMappings': [{'size': 1}], 'gidMappings': [{'size': 1}]}]," },
		{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user', 'path': '/u'}]," },
		{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user', 'path': '/u'}], 'uidMappings': [{'size': 5}, {'containerID': 5, 'hostID': 5, 'size': 1}]," },
		{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'time'}], 'timeOffsets': {'monotonic': {'secs': -1, 'nanosecs': 999999999}}," },
		{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'network'}], 'netDevices': {'eth0': {'name': 'e%d'}, 'eth1': {'name': 'e%d'}, 'fifteen-letters': null}," },
		{ 17, "'resources': {'blockIO': {'weight': 0, 'throttleReadBpsDevice': [{'major': 8, 'minor': 0, 'rate': 0}]}}," },
		{ 17, "'resources': {'memory': {'swappiness': 18446744073709551615}}," },
		{ 17, "'resources': {'rdma': {'mlx5_1': {'hcaObjects': 0}}}," },
		{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'listenerPath': '/run/x'}," },
		{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_TRACE', 'defaultErrnoRet': 65535}," },
		{ 19, "'intelRdt': {'closID': '/', 'enableMonitoring': true, 'enableCMT': true}" },
		{ 19, "'memoryPolicy': {'mode': 'MPOL_DEFAULT', 'nodes': ''}" },
		{ 19, "'memoryPolicy': {'mode': 'MPOL_PREFERRED'}" },
		{ 19, "'memoryPolicy': {'mode': 'MPOL_BIND', 'nodes': '0', 'flags': ['MPOL_F_NUMA_BALANCING']}" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		cleanup_oci_config struct oci_config *config = NULL;
		cleanup_free char *text = make_text(fine[i].line, fine[i].text);
		struct error err = ERROR_INIT;

		if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
			fail_msg("%s: %s", fine[i].text, err.msg);
	}
}

static void too_many_ranges_of_ids_are_refused(void **state)
{
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	strbuf_addstr(&sb, "'namespaces': [{'type': 'uts'}, {'type': 'user', 'path': '/u'}],"
			   "'gidMappings': [{'size': 1}");
	for (int i = 1; i <= 340; i++)
		strbuf_addf(&sb, ", {'containerID': %d, 'hostID': %d, 'size': 1}", i, i);
	strbuf_addstr(&sb, "],");
	text = make_text(16, sb.buf);
	assert_int_equal(oci_config_parse("c", text, strlen(text), &config, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "c:16: linux.gidMappings: more ranges than the kernel takes: 341");
}

static void a_text_beyond_the_limits_is_refused(void **state)
{
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_free char *big = xcalloc(1, OCI_CONFIG_MAX_BYTES + 1);
	cleanup_strbuf struct strbuf deep = STRBUF_INIT, many = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(oci_config_parse("c", big, OCI_CONFIG_MAX_BYTES + 1, &config, &err),
			 -EFBIG);
	assert_string_equal(err.msg, "c: larger than 8388608 bytes");
	strbuf_addstr(&deep, "{\"x\":");
	strbuf_addstr(&many, "{\"x\":[0");
	for (int i = 0; i < 64; i++)
		strbuf_addch(&deep, '[');
	for (int i = 0; i < 200000; i++)
		strbuf_addstr(&many, ",0");
	assert_int_equal(oci_config_parse("c", deep.buf, deep.len, &config, &err), -E2BIG);
	assert_string_equal(err.msg, "c:1: nested too deeply");
	assert_int_equal(oci_config_parse("c", many.buf, many.len, &config, &err), -E2BIG);
	assert_string_equal(err.msg, "c:1: too many values");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configuration_that_is_broken_below_is_fine),
		cmocka_unit_test(each_broken_configuration_is_refused_with_its_place),
		cmocka_unit_test(these_are_fine),
		cmocka_unit_test(too_many_ranges_of_ids_are_refused),
		cmocka_unit_test(a_text_beyond_the_limits_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
