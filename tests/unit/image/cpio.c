/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/image/cpio.h"
#include "agent/image/image.h"

/* Text with its NULs as '.', for comparing and for reading. */
static char *visible(const struct strbuf *sb)
{
	char *text = xstrndup("", 0);

	text = xrealloc(text, sb->len + 1, 1);
	for (size_t i = 0; i < sb->len; i++)
		text[i] = sb->buf[i] ? sb->buf[i] : '.';
	text[sb->len] = '\0';
	return text;
}

static void an_archive_has_the_bytes_of_the_format(void **state)
{
	cleanup_cpio struct cpio cpio = CPIO_INIT;
	cleanup_free char *text = NULL;

	cpio_add_dir(&cpio, "dev", 0755);
	cpio_add_char_device(&cpio, "dev/console", 0600, 5, 1);
	cpio_add_file(&cpio, "init", 0755, "hello", 5);
	cpio_finish(&cpio);
	text = visible(&cpio.out);
	assert_string_equal(text,
			    "07070100000001000041ed000000000000000000000002000000000000000000000000"
			    "00000000000000000000000000000004"
			    "00000000"
			    "dev..."
			    "0707010000000200002180000000000000000000000001000000000000000000000000"
			    "0000000000000005000000010000000c"
			    "00000000"
			    "dev/console..."
			    "07070100000003000081ed000000000000000000000001000000000000000500000000"
			    "00000000000000000000000000000005"
			    "00000000"
			    "init.."
			    "hello..."
			    "0707010000000000000000000000000000000000000001000000000000000000000000"
			    "0000000000000000000000000000000b"
			    "00000000"
			    "TRAILER!!!....");
}

static void every_entry_starts_at_a_multiple_of_four(void **state)
{
	for (size_t len = 0; len < 9; len++) {
		cleanup_cpio struct cpio cpio = CPIO_INIT;

		cpio_add_file(&cpio, "f", 0644, "12345678", len);
		assert_int_equal(cpio.out.len % 4, 0);
		assert_int_equal(cpio.out.len, 112 + (len + 3) / 4 * 4);
	}
}

static bool has(const struct strbuf *archive, const char *text)
{
	return memmem(archive->buf, archive->len, text, strlen(text));
}

static void an_initramfs_says_what_its_modules_are_for(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const depends[] = { "virtio", "core", NULL };
	static const char *const aliases[] = { "fs-9p", "virtio:d00000009v*", NULL };
	static const char *const at_boot[] = { "9p", NULL };
	const struct image_module modules[] = {
		{ "virtio", "V", 1, { .depends = (char **)none } },
		{ "9p", "9", 1, { .depends = (char **)depends, .aliases = (char **)aliases } },
	};
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	image_pack("AGENT", 5, modules, 2, (char **)at_boot, &out);
	assert_true(has(&out, "modules/virtio.ko"));
	assert_true(has(&out, "virtio:\n9p: virtio core\n"));
	assert_true(has(&out, "fs-9p 9p\nvirtio:d00000009v* 9p\n"));
	assert_true(has(&out, "modules/modules.boot"));
	assert_true(has(&out, "AGENT"));
}

static void without_modules_there_is_no_list(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	image_pack("AGENT", 5, NULL, 0, NULL, &out);
	assert_false(has(&out, "modules/"));
}

static void the_same_inputs_give_the_same_bytes(void **state)
{
	static const struct image_module module = { "virtio", "x", 1, { NULL } };
	cleanup_strbuf struct strbuf a = STRBUF_INIT;
	cleanup_strbuf struct strbuf b = STRBUF_INIT;

	image_pack("AGENT", 5, &module, 1, NULL, &a);
	image_pack("AGENT", 5, &module, 1, NULL, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.buf, b.buf, a.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_has_the_bytes_of_the_format),
		cmocka_unit_test(every_entry_starts_at_a_multiple_of_four),
		cmocka_unit_test(an_initramfs_says_what_its_modules_are_for),
		cmocka_unit_test(without_modules_there_is_no_list),
		cmocka_unit_test(the_same_inputs_give_the_same_bytes),
	};

	return cmocka_run_group_tests_name("image-cpio", tests, NULL, NULL);
}
