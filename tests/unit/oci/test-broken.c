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
	{ 2, "'ociVersion': '1.2.3.4',", "config.json:2: ociVersion: not a version: \"1.2.3.4\"" },
	{ 3, "'root': {},", "config.json:3: root.path: missing" },
	{ 3, "'root': 'rootfs',", "config.json:3: root: not an object: \"rootfs\"" },
	{ 3, "'root': {'path': 'rootfs', 'readonly': 'yes'},", "config.json:3: root.readonly: not true or false: \"yes\"" },
	{ 4, "'hostname': '0123456789012345678901234567890123456789012345678901234567890123456789',",
	  "config.json:4: hostname: longer than 64 bytes: \"0123456789012345678901234567890123456789012345678901234567890123456789\"" },
	{ 16, "'namespaces': [{'type': 'mount'}],", "config.json:4: hostname: unable to set hostname without a private UTS namespace" },
	{ 5, "'mounts': [{}],", "config.json:5: mounts[0].destination: must not be empty" },
	{ 5, "'mounts': [{'destination': '/a', 'options': ['ro', 1]}],", "config.json:5: mounts[0].options[1]: not a string: 1" },
	{ 5, "'mounts': [{'destination': '/a'}, {'destination': '/b', 'uidMappings': [{'size': 1}]}],",
	  "config.json:5: mounts[1]: uidMappings and gidMappings must be given together" },
	{ 5, "'mounts': [{'destination': '/b', 'uidMappings': [{'size': 1}], 'gidMappings': [{'size': 0}]}],",
	  "config.json:5: mounts[0].gidMappings[0].size: must not be zero" },
	{ 6, "'hooks': {'poststop': [{'path': '/a'}, {'path': 'b'}]},", "config.json:6: hooks.poststop[1].path: must be an absolute path: \"b\"" },
	{ 6, "'hooks': {'prestart': [{}]},", "config.json:6: hooks.prestart[0].path: must not be empty" },
	{ 6, "'hooks': {'createRuntime': [{'path': '/a', 'timeout': 0}]},", "config.json:6: hooks.createRuntime[0].timeout: must be greater than zero: 0" },
	{ 6, "'hooks': {'startContainer': [{'path': '/a', 'env': ['PATH']}]},",
	  "config.json:6: hooks.startContainer[0].env[0]: invalid environment variable: missing '=': \"PATH\"" },
	{ 7, "'annotations': {'': 'x'},", "config.json:7: annotations: a key must not be empty" },
	{ 7, "'annotations': {'n': 1},", "config.json:7: annotations.n: not a string: 1" },
	{ 9, "", "config.json:8: process.cwd: must not be empty" },
	{ 9, "'cwd': 'tmp',", "config.json:9: process.cwd: must be an absolute path: \"tmp\"" },
	{ 10, "'args': [],", "config.json:10: process.args: must not be empty" },
	{ 10, "", "config.json:8: process.args: must not be empty" },
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
	{ 13, "'consoleSize': {'height': 70000}", "config.json:13: process.consoleSize: larger than a terminal can be" },

	/* config-linux.md */
	{ 16, "'namespaces': [{'type': 'uts'}, {}],", "config.json:16: linux.namespaces[1].type: missing" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'net'}],", "config.json:16: linux.namespaces[1].type: unknown value: \"net\"" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'uts'}],", "config.json:16: linux.namespaces[1].type: given twice: \"uts\"" },
	{ 16, "'namespaces': [{'type': 'uts', 'path': 'proc/1/ns/uts'}],",
	  "config.json:16: linux.namespaces[0].path: must be an absolute path: \"proc/1/ns/uts\"" },
	{ 19, "'uidMappings': [{'size': 1}]", "config.json:19: linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled" },
	{ 16, "'namespaces': [{'type': 'uts'}, {'type': 'user'}], 'gidMappings': [{'hostID': 4294967295, 'size': 1}],",
	  "config.json:16: linux.gidMappings[0].size: range of ids ends too high: 1" },
	{ 19, "'devices': [{'type': 'c', 'major': 1, 'minor': 3}]", "config.json:19: linux.devices[0].path: must not be empty" },
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
	{ 17, "'resources': {'pids': {'limit': -2}},", "config.json:17: linux.resources.pids.limit: must be -1 (unlimited) or more: -2" },
	{ 17, "'resources': {'unified': {'../cgroup.procs': '1'}},",
	  "config.json:17: linux.resources.unified: not the name of a cgroup file: \"../cgroup.procs\"" },
	{ 18, "'seccomp': {},", "config.json:18: linux.seccomp.defaultAction: missing" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_DENY'},", "config.json:18: linux.seccomp.defaultAction: unknown value: \"SCMP_ACT_DENY\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_NOTIFY'},", "config.json:18: linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_KILL', 'defaultErrnoRet': 1},",
	  "config.json:18: linux.seccomp.defaultErrnoRet: has no meaning for the action: \"SCMP_ACT_KILL\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'syscalls': [{'action': 'SCMP_ACT_ALLOW'}]},",
	  "config.json:18: linux.seccomp.syscalls[0].names: must not be empty" },
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
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'listenerPath': 'run/x'},",
	  "config.json:18: linux.seccomp.listenerPath: must be an absolute path: \"run/x\"" },
	{ 18, "'seccomp': {'defaultAction': 'SCMP_ACT_LOG', 'listenerMetadata': 'm'},",
	  "config.json:18: linux.seccomp.listenerMetadata: has no meaning without listenerPath" },
	{ 19, "'sysctl': {'kernel..shmmax': '1'}", "config.json:19: linux.sysctl: not a sysctl's name: \"kernel..shmmax\"" },
	{ 19, "'sysctl': {'../kernel': '1'}", "config.json:19: linux.sysctl: not a sysctl's name: \"../kernel\"" },
	{ 19, "'sysctl': {'net.ipv4.ip_forward': 1}", "config.json:19: linux.sysctl.net.ipv4.ip_forward: not a string: 1" },
	{ 19, "'rootfsPropagation': 'public'", "config.json:19: linux.rootfsPropagation: unknown value: \"public\"" },
	{ 19, "'maskedPaths': ['/proc/kcore', 'proc/keys']", "config.json:19: linux.maskedPaths[1]: must be an absolute path: \"proc/keys\"" },
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
		cmocka_unit_test(a_text_beyond_the_limits_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
