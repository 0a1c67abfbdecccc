/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include <cmocka.h>

#include "agent/image/modules.h"
#include "lib/base/error.h"
#include "tests/unit/image/files.h"

static char dir[] = "/tmp/moat-test-XXXXXX";

static int set_up(void **state)
{
	strcpy(dir, "/tmp/moat-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	return remove_tree_at(AT_FDCWD, dir);
}

static struct module_index *open_index(void)
{
	struct module_index *index = NULL;
	struct error err = ERROR_INIT;

	if (module_index_open(dir, &index, &err) < 0)
		fail_msg("%s", err.msg);
	return index;
}

static void check_order(struct module_index *index, const char *first, const char *second,
			const char *wanted)
{
	cleanup_strv char **order = NULL;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (module_index_resolve(index, first, &order, &err) < 0 ||
	    module_index_resolve(index, second, &order, &err) < 0)
		fail_msg("%s", err.msg);
	text = order ? strv_join(order, " ") : xstrdup("");
	assert_string_equal(text, wanted);
}

/* As depmod(8) writes it: all that is needed, the nearest first. */
static void modules_dep_gives_an_order_of_loading(void **state)
{
	struct module_index *index;

	put_text(dir, "modules.dep",
		 "kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs.ko\n"
		 "kernel/net/9p/9pnet.ko:\nkernel/fs/netfs.ko:\n"
		 "kernel/net/9p/9pnet_virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz "
		 "kernel/drivers/virtio/virtio.ko kernel/net/9p/9pnet.ko\n"
		 "kernel/drivers/virtio/virtio_ring.ko.xz:\n"
		 "kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko.xz\n");
	put_module(dir, "kernel/fs/9p/9p.ko", "9pnet,netfs");
	put_module(dir, "kernel/net/9p/9pnet.ko", "");
	put_module(dir, "kernel/fs/netfs.ko", "");
	put_module(dir, "kernel/net/9p/9pnet_virtio.ko.xz", "virtio");
	put_module(dir, "kernel/drivers/virtio/virtio_ring.ko.xz", "");
	put_module(dir, "kernel/drivers/virtio/virtio.ko", "virtio_ring");
	index = open_index();
	check_order(index, "9p", "9pnet_virtio", "9pnet netfs 9p virtio_ring virtio 9pnet_virtio");
	check_order(index, "virtio", "virtio", "virtio_ring virtio");
	module_index_free(index);
}

static void without_modules_dep_the_modules_are_asked(void **state)
{
	struct module_index *index;

	put_text(dir, "modules.order",
		 "kernel/a/virtio-rng.ko\nkernel/a/virtio.ko\nkernel/a/virtio_ring.ko\n");
	put_module(dir, "kernel/a/virtio-rng.ko", "virtio,core");
	put_module(dir, "kernel/a/virtio.ko", "virtio_ring");
	put_module(dir, "kernel/a/virtio_ring.ko", "");
	put_text(dir, "modules.builtin", "kernel/drivers/core.ko\n");
	index = open_index();
	assert_true(module_index_has(index, "virtio_rng"));
	assert_true(module_index_is_builtin(index, "core"));
	check_order(index, "virtio_rng", "core", "virtio_ring virtio virtio_rng");
	module_index_free(index);
}

/* "softdep": ext4 works without crc32c until the first file system that has checksums. */
static void what_a_module_wants_before_it_comes_too(void **state)
{
	static const char info[] = "depends=jbd2\0softdep=pre: crc32c none";
	struct module_index *index;
	size_t len;
	cleanup_free char *ext4 = make_module(info, sizeof(info), &len);

	put_text(dir, "modules.dep", "ext4.ko: jbd2.ko\njbd2.ko:\ncrc32c.ko:\n");
	put_file(dir, "ext4.ko", ext4, len);
	put_module(dir, "jbd2.ko", "");
	put_module(dir, "crc32c.ko", "");
	index = open_index();
	check_order(index, "ext4", "ext4", "crc32c jbd2 ext4");
	module_index_free(index);
}

static void what_is_not_there_is_named(void **state)
{
	cleanup_free char *wanted = xasprintf("module 'b': not in '%s'", dir);
	cleanup_strv char **order = NULL;
	struct error err = ERROR_INIT;
	struct module_index *index;

	put_text(dir, "modules.dep", "kernel/a.ko: kernel/b.ko\n");
	put_module(dir, "kernel/a.ko", "b");
	index = open_index();
	assert_int_equal(module_index_resolve(index, "a", &order, &err), -ENOENT);
	assert_string_equal(err.msg, wanted);
	module_index_free(index);
}

static void a_circle_ends(void **state)
{
	cleanup_strv char **order = NULL;
	struct module_index *index;

	put_text(dir, "modules.dep", "a.ko: b.ko\nb.ko: a.ko\n");
	put_module(dir, "a.ko", "b");
	put_module(dir, "b.ko", "a");
	index = open_index();
	assert_int_equal(module_index_resolve(index, "a", &order, NULL), -ELOOP);
	module_index_free(index);
}

static void a_directory_without_lists_is_refused(void **state)
{
	cleanup_free char *wanted =
		xasprintf("modules in '%s': neither modules.dep nor modules.order", dir);
	struct module_index *index = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(module_index_open(dir, &index, &err), -ENOENT);
	assert_string_equal(err.msg, wanted);
}

static void check_content(const char *name, const char *wanted)
{
	struct module_index *index = open_index();
	cleanup_free char *data = NULL;
	struct error err = ERROR_INIT;
	size_t len;

	if (module_index_read(index, name, &data, &len, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(data, wanted, len);
	module_index_free(index);
}

static void packed_modules_are_unpacked(void **state)
{
	cleanup_free char *text = xcalloc(1, 300001);
	uint8_t packed[65536];
	size_t len = 0;

	memset(text, 'm', 300000);
	put_text(dir, "modules.dep", "x.ko.xz:\nz.ko.zst:\nplain.ko:\nlater.ko:\n");
	put_text(dir, "plain.ko", "plain");
	len = ZSTD_compress(packed, sizeof(packed), text, 300000, 3);
	put_file(dir, "z.ko.zst", packed, len);
	len = 0;
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (uint8_t *)text, 300000,
						 packed, &len, sizeof(packed)),
			 LZMA_OK);
	put_file(dir, "x.ko.xz", packed, len);
	put_file(dir, "later.ko.xz", packed, len);
	check_content("x", text);
	check_content("z", text);
	check_content("plain", "plain");
	check_content("later", text);
}

static void a_broken_archive_is_refused(void **state)
{
	struct module_index *index;
	struct error err = ERROR_INIT;
	char *data = NULL;
	size_t len;

	put_text(dir, "modules.dep", "x.ko.xz:\nz.ko.zst:\n");
	put_file(dir, "x.ko.xz",
		 "\xfd"
		 "7zXZ\0garbage",
		 13);
	put_file(dir, "z.ko.zst", "\x28\xb5\x2f\xfd", 4);
	index = open_index();
	assert_int_equal(module_index_read(index, "x", &data, &len, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "broken xz file"));
	assert_int_equal(module_index_read(index, "z", &data, &len, &err), -EBADMSG);
	assert_null(data);
	module_index_free(index);
}

static void a_damaged_module_is_not_read_beyond_its_end(void **state)
{
	static const char info[] =
		"depends=a-b,c\0softdep=pre: d e-f post: g\0alias=fs-x\0alias=pci:*";
	size_t len;
	cleanup_free char *whole = make_module(info, sizeof(info) - 1, &len);
	struct module_info found;
	cleanup_free char *depends = NULL, *before = NULL, *aliases = NULL;

	assert_int_equal(module_parse_info(whole, len, &found), 0);
	depends = strv_join(found.depends, " ");
	before = strv_join(found.before, " ");
	aliases = strv_join(found.aliases, " ");
	module_info_done(&found);
	assert_string_equal(depends, "a_b c");
	assert_string_equal(before, "d e_f");
	assert_string_equal(aliases, "fs-x pci:*");
	for (size_t part = 0; part < len; part++) {
		cleanup_free char *data = xmemdup(whole, part + !part);

		if (module_parse_info(data, part, &found) == 0)
			module_info_done(&found);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(modules_dep_gives_an_order_of_loading),
		TEST(without_modules_dep_the_modules_are_asked),
		TEST(what_a_module_wants_before_it_comes_too),
		TEST(what_is_not_there_is_named),
		TEST(a_circle_ends),
		TEST(a_directory_without_lists_is_refused),
		TEST(packed_modules_are_unpacked),
		TEST(a_broken_archive_is_refused),
		TEST(a_damaged_module_is_not_read_beyond_its_end),
	};

	return cmocka_run_group_tests_name("image-modules", tests, NULL, NULL);
}
