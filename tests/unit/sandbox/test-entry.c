/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/beneath.h"
#include "lib/base/fd.h"
#include "lib/sandbox/entry.h"

/* --- a root directory ----------------------------------------------------------------------- */

struct root {
	char dir[32];
	int fd;
};

static int make_root(void **state)
{
	struct root *root = xcalloc(1, sizeof(*root));

	strcpy(root->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(root->dir));
	root->fd = open(root->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(beneath_mkdirs(root->fd, "/bin", 0755));
	close(beneath_mkdirs(root->fd, "/opt/bin", 0755));
	*state = root;
	return 0;
}

static int remove_root(void **state)
{
	struct root *root = *state;

	assert_int_equal(remove_tree_at(AT_FDCWD, root->dir), 0);
	close(root->fd);
	free(root);
	return 0;
}

static void put(const struct root *root, const char *path, const void *data, size_t len)
{
	cleanup_fd int fd = beneath_open(root->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
}

static void put_program(const struct root *root, const char *path, uint16_t machine)
{
	Elf64_Ehdr head = { .e_machine = machine };

	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	put(root, path, &head, sizeof(head));
}

static void put_script(const struct root *root, const char *path, const char *text)
{
	put(root, path, text, strlen(text));
}

static enum hv_arch arch_of(const struct root *root, const char *name, const char *path_list)
{
	cleanup_free char *text = xasprintf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"%s\"},\"process\":{"
		"\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"%s\"],\"cwd\":\"/opt\",\"env\":[%s%s%s]}}",
		root->dir, name, path_list ? "\"PATH=" : "", path_list ? path_list : "",
		path_list ? "\"" : "");
	cleanup_oci_config struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return entry_arch(config, "/nowhere");
}

/* --- tests ---------------------------------------------------------------------------------- */

static void a_program_is_searched_as_exec_does_it(void **state)
{
	const struct root *root = *state;

	put_program(root, "/bin/a", EM_AARCH64);
	put_program(root, "/opt/bin/a", EM_RISCV);
	assert_int_equal(arch_of(root, "/bin/a", NULL), HV_ARCH_AARCH64);
	assert_int_equal(arch_of(root, "bin/a", NULL), HV_ARCH_RISCV64);
	assert_int_equal(arch_of(root, "a", NULL), HV_ARCH_AARCH64);
	assert_int_equal(arch_of(root, "a", "/none:/opt/bin:/bin"), HV_ARCH_RISCV64);
	assert_int_equal(arch_of(root, "b", NULL), HV_ARCH_COUNT);
}

static void a_script_is_its_interpreters(void **state)
{
	const struct root *root = *state;

	put_program(root, "/bin/sh", EM_AARCH64);
	put_script(root, "/bin/one", "#!/bin/sh -e\ntrue\n");
	put_script(root, "/bin/two", "#! \t/bin/one\n");
	put_script(root, "/bin/itself", "#!/bin/itself\n");
	put_script(root, "/bin/none", "#!/bin/nobody\n");
	put_script(root, "/bin/relative", "#!sh\n");
	put_script(root, "/bin/text", "true\n");
	assert_int_equal(arch_of(root, "/bin/one", NULL), HV_ARCH_AARCH64);
	assert_int_equal(arch_of(root, "/bin/two", NULL), HV_ARCH_AARCH64);
	assert_int_equal(arch_of(root, "/bin/itself", NULL), HV_ARCH_COUNT);
	assert_int_equal(arch_of(root, "/bin/none", NULL), HV_ARCH_COUNT);
	assert_int_equal(arch_of(root, "/bin/relative", NULL), HV_ARCH_COUNT);
	assert_int_equal(arch_of(root, "/bin/text", NULL), HV_ARCH_COUNT);
}

static void links_stay_in_the_root(void **state)
{
	const struct root *root = *state;

	put_program(root, "/opt/bin/a", EM_AARCH64);
	assert_int_equal(symlinkat("/opt/bin/a", root->fd, "bin/a"), 0);
	assert_int_equal(symlinkat("/proc/self/exe", root->fd, "bin/self"), 0);
	assert_int_equal(arch_of(root, "/bin/a", NULL), HV_ARCH_AARCH64);
	assert_int_equal(arch_of(root, "/bin/self", NULL), HV_ARCH_COUNT);
}

static void what_is_no_file_is_not_opened(void **state)
{
	const struct root *root = *state;

	assert_int_equal(mkfifoat(root->fd, "bin/pipe", 0755), 0);
	assert_int_equal(arch_of(root, "/bin/pipe", NULL), HV_ARCH_COUNT);
	assert_int_equal(arch_of(root, "/bin", NULL), HV_ARCH_COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_is_searched_as_exec_does_it),
		TEST(a_script_is_its_interpreters),
		TEST(links_stay_in_the_root),
		TEST(what_is_no_file_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
