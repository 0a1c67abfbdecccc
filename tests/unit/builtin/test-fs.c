/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/fs.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/str.h"

#define REQUESTS 1
#define ROOM 8192

/* A directory that is shared, a file beside it that is not, and a guest that has mounted it. */
struct world {
	struct driver d;
	char dir[64];
	int home_fd, dir_fd;
	uint8_t *answer; /* behind its header, of the last request */
	uint32_t answer_len;
	uint32_t uid, gid;
};

static uint64_t put(struct world *w, const void *data, size_t len)
{
	uint64_t gpa = driver_alloc(&w->d, len);

	memcpy(driver_at(&w->d, gpa), data, len);
	return gpa;
}

/* A request of a struct and of what stands behind it. Its error. */
static int ask_with(struct world *w, uint32_t opcode, uint64_t node, const void *args, size_t len,
		    const void *more, size_t more_len)
{
	const struct fuse_in_header in = {
		.len = (uint32_t)(sizeof(in) + len + more_len),
		.opcode = opcode,
		.unique = 42,
		.nodeid = node,
		.uid = w->uid,
		.gid = w->gid,
	};
	struct driver_buffer buffers[4] = { { put(w, &in, sizeof(in)), sizeof(in), false } };
	const struct fuse_out_header *out;
	uint32_t written;
	size_t count = 1;

	if (len)
		buffers[count++] =
			(struct driver_buffer){ put(w, args, len), (uint32_t)len, false };
	if (more_len)
		buffers[count++] =
			(struct driver_buffer){ put(w, more, more_len), (uint32_t)more_len, false };
	buffers[count++] = (struct driver_buffer){ driver_alloc(&w->d, ROOM), ROOM, true };
	out = driver_at(&w->d, buffers[count - 1].gpa);
	driver_add(&w->d, REQUESTS, buffers, count);
	driver_kick(&w->d, REQUESTS);
	written = driver_await(&w->d, REQUESTS);
	assert_int_equal(written, out->len);
	assert_int_equal(out->unique, 42);
	w->answer = (uint8_t *)(out + 1);
	w->answer_len = out->len - (uint32_t)sizeof(*out);
	return out->error;
}

static int ask(struct world *w, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
	return ask_with(w, opcode, node, args, len, NULL, 0);
}

static int ask_name(struct world *w, uint32_t opcode, uint64_t node, const char *name)
{
	return ask(w, opcode, node, name, strlen(name) + 1);
}

static const struct fuse_entry_out *entry(const struct world *w)
{
	assert_true(w->answer_len >= sizeof(struct fuse_entry_out));
	return (const struct fuse_entry_out *)w->answer;
}

static uint64_t look_up(struct world *w, uint64_t dir, const char *name)
{
	assert_int_equal(ask_name(w, FUSE_LOOKUP, dir, name), 0);
	return entry(w)->nodeid;
}

static void mount_it(struct world *w)
{
	const struct fuse_init_in in = { .major = 7, .minor = 36, .flags = ~0U };

	assert_int_equal(ask(w, FUSE_INIT, 0, &in, sizeof(in)), 0);
	assert_int_equal(((struct fuse_init_out *)w->answer)->minor, 31);
}

static void host_write(struct world *w, const char *path, const char *text)
{
	int fd = openat(w->dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int set_up(void **state, unsigned int max)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct virtio_fs_options options = { .tag = "shared", .descriptors_max = max };
	struct virtio_device *dev;

	strcpy(w->dir, "/tmp/moat-fs.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->home_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(w->dir_fd, "shared", 0755), 0);
	host_write(w, "secret", "nobody's");
	options.root_fd = openat(w->dir_fd, "shared", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(virtio_fs_open_self(&options.self_fd), 0);
	assert_int_equal(virtio_fs_new(&options, &dev, NULL), 0);
	assert_int_equal(virtio_fs_enter(options.self_fd, NULL), 0);
	w->uid = geteuid();
	w->gid = getegid();
	driver_init(&w->d, dev);
	driver_start(&w->d, ~0ULL);
	mount_it(w);
	*state = w;
	return 0;
}

static int set_up_usual(void **state)
{
	return set_up(state, 100);
}

static int set_up_small(void **state)
{
	return set_up(state, 4);
}

static int tear_down(void **state)
{
	struct world *w = *state;
	cleanup_free char *command = xasprintf("rm -rf '%s'", w->dir);

	driver_done(&w->d);
	assert_int_equal(fchdir(w->home_fd), 0);
	assert_int_equal(system(command), 0);
	close(w->home_fd);
	close(w->dir_fd);
	free(w);
	return 0;
}

/* --- what a guest does ------------------------------------------------------------------------ */

static uint64_t create(struct world *w, uint64_t dir, const char *name, uint32_t mode,
		       uint64_t *ret_handle)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = mode };
	const struct fuse_open_out *open;

	assert_int_equal(ask_with(w, FUSE_CREATE, dir, &in, sizeof(in), name, strlen(name) + 1), 0);
	open = (const struct fuse_open_out *)(w->answer + sizeof(struct fuse_entry_out));
	*ret_handle = open->fh;
	return entry(w)->nodeid;
}

static void what_is_written_is_on_the_host_and_can_be_read(void **state)
{
	struct world *w = *state;
	uint64_t handle, node = create(w, FUSE_ROOT_ID, "file", S_IFREG | 04640, &handle);
	const struct fuse_write_in out = { .fh = handle, .offset = 2, .size = 5 };
	const struct fuse_read_in in = { .fh = handle, .size = 100 };
	const struct fuse_release_in release = { .fh = handle };
	struct stat st;
	char text[8] = "";
	int fd;

	assert_int_equal(entry(w)->attr.mode, S_IFREG | 04640);
	assert_int_equal(ask_with(w, FUSE_WRITE, node, &out, sizeof(out), "hello", 5), 0);
	assert_int_equal(((struct fuse_write_out *)w->answer)->size, 5);
	fd = openat(w->dir_fd, "shared/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_memory_equal(text, "\0\0hello", 7);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04640);
	close(fd);
	assert_int_equal(ask(w, FUSE_READ, node, &in, sizeof(in)), 0);
	assert_int_equal(w->answer_len, 7);
	assert_memory_equal(w->answer, "\0\0hello", 7);
	assert_int_equal(ask(w, FUSE_RELEASE, node, &release, sizeof(release)), 0);
	assert_int_equal(ask(w, FUSE_READ, node, &in, sizeof(in)), -EBADF);
}

static void what_a_guest_makes_is_its_users(void **state)
{
	struct world *w = *state;
	const struct fuse_mkdir_in in = { .mode = 0700 };
	uint64_t handle;
	struct stat st;

	if (geteuid() != 0) {
		print_message("skipped: only root gives files away\n");
		skip();
	}
	w->uid = 1234;
	w->gid = 5678;
	create(w, FUSE_ROOT_ID, "file", S_IFREG | 06755, &handle);
	assert_int_equal(entry(w)->attr.uid, 1234);
	assert_int_equal(fstatat(w->dir_fd, "shared/file", &st, 0), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 5678);
	assert_int_equal(st.st_mode, S_IFREG | 06755);
	assert_int_equal(ask_with(w, FUSE_MKDIR, FUSE_ROOT_ID, &in, sizeof(in), "dir", 4), 0);
	assert_int_equal(ask_with(w, FUSE_SYMLINK, FUSE_ROOT_ID, "link", 5, "to", 3), 0);
	assert_int_equal(fstatat(w->dir_fd, "shared/link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 1234);
	/* A directory that gives its group to what is in it. */
	assert_int_equal(fchmodat(w->dir_fd, "shared", 02777, 0), 0);
	assert_int_equal(ask_with(w, FUSE_MKDIR, FUSE_ROOT_ID, &in, sizeof(in), "sub", 4), 0);
	assert_int_equal(entry(w)->attr.gid, 0);
	assert_int_equal(entry(w)->attr.mode, S_IFDIR | 02700);
}

static void names_lead_nowhere_else(void **state)
{
	static const char *const names[] = {
		"..", ".", "", "../secret", "/etc", "a/../..", "dir/"
	};
	struct world *w = *state;

	assert_int_equal(mkdirat(w->dir_fd, "shared/dir", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ask_name(w, FUSE_LOOKUP, FUSE_ROOT_ID, names[i]), -EINVAL);
		assert_int_equal(ask_name(w, FUSE_UNLINK, FUSE_ROOT_ID, names[i]), -EINVAL);
		assert_int_equal(ask_name(w, FUSE_RMDIR, FUSE_ROOT_ID, names[i]), -EINVAL);
	}
	/* A text without an end is none. */
	assert_int_equal(ask(w, FUSE_LOOKUP, FUSE_ROOT_ID, "dir", 3), -EINVAL);
	assert_int_equal(ask_name(w, FUSE_LOOKUP, 77, "dir"), -ESTALE);
}

static void links_are_the_guests_to_follow(void **state)
{
	struct world *w = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	const struct fuse_setattr_in cut = { .valid = FATTR_SIZE };
	struct stat st;
	uint64_t link;

	assert_int_equal(symlinkat("../secret", w->dir_fd, "shared/link"), 0);
	link = look_up(w, FUSE_ROOT_ID, "link");
	assert_int_equal(entry(w)->attr.mode & S_IFMT, S_IFLNK);
	assert_int_equal(ask(w, FUSE_OPEN, link, &in, sizeof(in)), -ELOOP);
	assert_int_equal(ask(w, FUSE_SETATTR, link, &cut, sizeof(cut)), -EINVAL);
	assert_int_equal(ask_name(w, FUSE_LOOKUP, link, "x"), -ENOTDIR);
	assert_int_equal(ask(w, FUSE_READLINK, link, NULL, 0), 0);
	assert_memory_equal(w->answer, "../secret", 9);
	/* Made where a link is already. */
	assert_int_equal(
		ask_with(w, FUSE_CREATE, FUSE_ROOT_ID,
			 &(struct fuse_create_in){ .flags = O_WRONLY | O_CREAT, .mode = 0600 },
			 sizeof(struct fuse_create_in), "link", 5),
		-ELOOP);
	assert_int_equal(fstatat(w->dir_fd, "secret", &st, 0), 0);
	assert_int_equal(st.st_size, 8);
}

static void special_files_are_never_opened(void **state)
{
	struct world *w = *state;
	const struct fuse_open_in in = { .flags = O_RDWR };
	const struct fuse_mknod_in fifo = { .mode = S_IFIFO | 0600 };

	assert_int_equal(ask_with(w, FUSE_MKNOD, FUSE_ROOT_ID, &fifo, sizeof(fifo), "fifo", 5), 0);
	assert_int_equal(ask(w, FUSE_OPEN, look_up(w, FUSE_ROOT_ID, "fifo"), &in, sizeof(in)),
			 -ENXIO);
}

static void names_are_moved_linked_and_removed(void **state)
{
	struct world *w = *state;
	struct {
		struct fuse_rename2_in in;
		char names[8];
	} move = { { .newdir = FUSE_ROOT_ID, .flags = 1 /* RENAME_NOREPLACE */ }, "a\0b" };
	struct fuse_link_in link;

	host_write(w, "shared/a", "1");
	host_write(w, "shared/b", "2");
	link.oldnodeid = look_up(w, FUSE_ROOT_ID, "a");
	assert_int_equal(ask_with(w, FUSE_LINK, FUSE_ROOT_ID, &link, sizeof(link), "c", 2), 0);
	assert_int_equal(entry(w)->nodeid, link.oldnodeid);
	assert_int_equal(entry(w)->attr.nlink, 2);
	assert_int_equal(ask(w, FUSE_RENAME2, FUSE_ROOT_ID, &move, sizeof(move.in) + 4), -EEXIST);
	move.in.flags = 0;
	assert_int_equal(ask(w, FUSE_RENAME2, FUSE_ROOT_ID, &move, sizeof(move.in) + 4), 0);
	assert_int_equal(look_up(w, FUSE_ROOT_ID, "b"), link.oldnodeid);
	assert_int_equal(ask_name(w, FUSE_UNLINK, FUSE_ROOT_ID, "b"), 0);
	assert_int_equal(ask_name(w, FUSE_LOOKUP, FUSE_ROOT_ID, "b"), -ENOENT);
	assert_int_equal(ask(w, FUSE_GETATTR, link.oldnodeid, NULL, 0), 0);
}

/* Files with names of one letter, from a to @last, each with what it is called in it. */
static void host_files(struct world *w, char last)
{
	for (char c = 'a'; c <= last; c++)
		host_write(w, (char[]){ 's', 'h', 'a', 'r', 'e', 'd', '/', c, '\0' },
			   (char[]){ c, '\0' });
}

static uint64_t open_directory(struct world *w)
{
	const struct fuse_open_in open = { .flags = O_RDONLY };

	assert_int_equal(ask(w, FUSE_OPENDIR, FUSE_ROOT_ID, &open, sizeof(open)), 0);
	return ((struct fuse_open_out *)w->answer)->fh;
}

static void forget(struct world *w, uint64_t node)
{
	const struct fuse_in_header in = { .opcode = FUSE_FORGET, .nodeid = node };
	const struct fuse_forget_in one = { .nlookup = 1 };
	const struct driver_buffer buffers[] = {
		{ put(w, &in, sizeof(in)), sizeof(in), false },
		{ put(w, &one, sizeof(one)), sizeof(one), false },
	};

	driver_add(&w->d, 0, buffers, ARRAY_SIZE(buffers));
	driver_kick(&w->d, 0);
	assert_int_equal(driver_await(&w->d, 0), 0);
}

static void a_directory_is_read_in_pieces(void **state)
{
	struct world *w = *state;
	struct fuse_read_in in = { .size = 100 };
	unsigned int seen = 0;

	host_files(w, 'h');
	in.fh = open_directory(w);
	for (;;) {
		assert_int_equal(ask(w, FUSE_READDIR, FUSE_ROOT_ID, &in, sizeof(in)), 0);
		assert_true(w->answer_len <= in.size);
		if (!w->answer_len)
			break;
		for (size_t at = 0; at < w->answer_len;) {
			const struct fuse_dirent *d = (struct fuse_dirent *)(w->answer + at);

			if (d->namelen == 1 && d->name[0] >= 'a')
				seen |= 1U << (d->name[0] - 'a');
			in.offset = d->off;
			at += FUSE_DIRENT_SIZE(d);
		}
	}
	assert_int_equal(seen, 0xff);
}

/* Reads the directory with what its files are: names seen, and nodes told, by letter. */
static unsigned int list_files(struct world *w, uint64_t nodes[8])
{
	struct fuse_read_in in = { .fh = open_directory(w), .size = 512 };
	unsigned int seen = 0;

	for (;;) {
		assert_int_equal(ask(w, FUSE_READDIRPLUS, FUSE_ROOT_ID, &in, sizeof(in)), 0);
		assert_true(w->answer_len <= in.size);
		if (!w->answer_len)
			return seen;
		for (size_t at = 0; at < w->answer_len;) {
			const struct fuse_direntplus *d =
				(struct fuse_direntplus *)(w->answer + at);
			const char name = d->dirent.name[0];

			in.offset = d->dirent.off;
			at += FUSE_DIRENTPLUS_SIZE(d);
			if (name == '.') {
				assert_int_equal(d->entry_out.nodeid, 0);
				continue;
			}
			seen |= 1U << (name - 'a');
			nodes[name - 'a'] = d->entry_out.nodeid;
			assert_int_equal(d->entry_out.attr.size, d->entry_out.nodeid ? 1 : 0);
		}
	}
}

static void a_list_tells_what_a_look_up_would(void **state)
{
	struct world *w = *state;
	uint64_t nodes[8] = { 0 };

	host_files(w, 'h');
	assert_int_equal(list_files(w, nodes), 0xff);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(ask(w, FUSE_GETATTR, nodes[i], NULL, 0), 0);
		assert_int_equal(look_up(w, FUSE_ROOT_ID, (char[]){ (char)('a' + i), '\0' }),
				 nodes[i]);
		forget(w, nodes[i]); /* twice, as often as it was told */
		assert_int_equal(ask(w, FUSE_GETATTR, nodes[i], NULL, 0), 0);
		forget(w, nodes[i]);
		assert_int_equal(ask(w, FUSE_GETATTR, nodes[i], NULL, 0), -ESTALE);
	}
}

/* Root and directory are two of four, and one more is more than half. */
static void a_crowded_list_has_names_alone(void **state)
{
	struct world *w = *state;
	uint64_t nodes[8] = { 0 };
	int told = 0;

	host_files(w, 'h');
	assert_int_equal(list_files(w, nodes), 0xff);
	for (int i = 0; i < 8; i++)
		told += nodes[i] != 0;
	assert_int_equal(told, 1);
}

static void attributes_are_changed(void **state)
{
	struct world *w = *state;
	struct fuse_setattr_in in = {
		.valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME,
		.mode = 0604,
		.size = 2,
		.mtime = 1000,
	};
	const struct fuse_setxattr_in set = { .size = 5 };
	struct fuse_getxattr_in get = { .size = 100 };
	uint64_t node;
	int r;

	host_write(w, "shared/file", "text");
	node = look_up(w, FUSE_ROOT_ID, "file");
	assert_int_equal(ask(w, FUSE_SETATTR, node, &in, sizeof(in)), 0);
	assert_int_equal(((struct fuse_attr_out *)w->answer)->attr.mode, S_IFREG | 0604);
	assert_int_equal(((struct fuse_attr_out *)w->answer)->attr.size, 2);
	assert_int_equal(((struct fuse_attr_out *)w->answer)->attr.mtime, 1000);
	r = ask_with(w, FUSE_SETXATTR, node, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, "user.a\0value",
		     12);
	if (r == -EOPNOTSUPP) {
		print_message("skipped in part: /tmp has no extended attributes\n");
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(ask_with(w, FUSE_GETXATTR, node, &get, sizeof(get), "user.a", 7), 0);
	assert_int_equal(w->answer_len, 5);
	assert_memory_equal(w->answer, "value", 5);
	get.size = 2;
	assert_int_equal(ask_with(w, FUSE_GETXATTR, node, &get, sizeof(get), "user.a", 7), -ERANGE);
	assert_int_equal(ask_name(w, FUSE_REMOVEXATTR, node, "user.a"), 0);
	assert_int_equal(ask_name(w, FUSE_REMOVEXATTR, node, "system.posix_acl_access"),
			 -EOPNOTSUPP);
}

static void a_cache_is_good_until_somebody_writes(void **state)
{
	struct world *w = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	uint64_t node;

	host_write(w, "shared/file", "1");
	node = look_up(w, FUSE_ROOT_ID, "file");
	assert_int_equal(ask(w, FUSE_OPEN, node, &in, sizeof(in)), 0);
	assert_int_equal(((struct fuse_open_out *)w->answer)->open_flags, 0);
	assert_int_equal(ask(w, FUSE_OPEN, node, &in, sizeof(in)), 0);
	assert_int_equal(((struct fuse_open_out *)w->answer)->open_flags, FOPEN_KEEP_CACHE);
	host_write(w, "shared/file", "22");
	assert_int_equal(ask(w, FUSE_OPEN, node, &in, sizeof(in)), 0);
	assert_int_equal(((struct fuse_open_out *)w->answer)->open_flags, 0);
}

static void what_a_guest_can_make_us_keep_is_bounded(void **state)
{
	struct world *w = *state;
	uint64_t node;

	host_files(w, 'd');
	look_up(w, FUSE_ROOT_ID, "a");
	assert_int_equal(entry(w)->entry_valid, 1);
	look_up(w, FUSE_ROOT_ID, "b");
	assert_int_equal(entry(w)->entry_valid, 0);
	node = look_up(w, FUSE_ROOT_ID, "c");
	assert_int_equal(ask_name(w, FUSE_LOOKUP, FUSE_ROOT_ID, "d"), -ENFILE);
	forget(w, node);
	assert_int_equal(ask(w, FUSE_GETATTR, node, NULL, 0), -ESTALE);
	look_up(w, FUSE_ROOT_ID, "d");
	/* A reset forgets all. */
	driver_reset(&w->d);
	driver_start(&w->d, ~0ULL);
	assert_int_equal(ask_name(w, FUSE_LOOKUP, FUSE_ROOT_ID, "a"), -EIO);
	mount_it(w);
	look_up(w, FUSE_ROOT_ID, "a");
}

static void nonsense_is_refused(void **state)
{
	struct world *w = *state;
	const struct fuse_write_in out = { .size = 100 };
	uint64_t handle, node = create(w, FUSE_ROOT_ID, "file", 0600, &handle);
	struct fuse_write_in longer = { .fh = handle, .size = 100 };
	struct fuse_read_in large = { .fh = handle, .size = ROOM };
	const struct driver_buffer half = { driver_alloc(&w->d, 20), 20, false };

	assert_int_equal(ask(w, 4711, FUSE_ROOT_ID, NULL, 0), -ENOSYS);
	assert_int_equal(ask(w, FUSE_WRITE, node, &out, sizeof(out)), -EBADF);
	assert_int_equal(ask_with(w, FUSE_WRITE, node, &longer, sizeof(longer), "x", 1), -EINVAL);
	assert_int_equal(ask(w, FUSE_READ, node, &large, sizeof(large)), -EINVAL);
	large.offset = UINT64_MAX;
	large.size = 10;
	assert_int_equal(ask(w, FUSE_READ, node, &large, sizeof(large)), -EINVAL);
	for (uint32_t opcode = FUSE_LOOKUP; opcode < FUSE_COPY_FILE_RANGE; opcode++)
		if (opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET &&
		    opcode != FUSE_INTERRUPT && opcode != FUSE_GETATTR && opcode != FUSE_STATFS &&
		    opcode != FUSE_DESTROY && opcode != FUSE_SYNCFS)
			assert_true(ask(w, opcode, FUSE_ROOT_ID, NULL, 0) < 0);
	driver_add(&w->d, REQUESTS, &half, 1);
	driver_kick(&w->d, REQUESTS);
	driver_turn(&w->d);
	assert_true(driver_status(&w->d) & 64 /* NEEDS_RESET */);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_usual, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_on_the_host_and_can_be_read),
		TEST(what_a_guest_makes_is_its_users),
		TEST(names_lead_nowhere_else),
		TEST(links_are_the_guests_to_follow),
		TEST(special_files_are_never_opened),
		TEST(names_are_moved_linked_and_removed),
		TEST(a_directory_is_read_in_pieces),
		TEST(a_list_tells_what_a_look_up_would),
		cmocka_unit_test_setup_teardown(a_crowded_list_has_names_alone, set_up_small,
						tear_down),
		TEST(attributes_are_changed),
		TEST(a_cache_is_good_until_somebody_writes),
		cmocka_unit_test_setup_teardown(what_a_guest_can_make_us_keep_is_bounded,
						set_up_small, tear_down),
		TEST(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
