/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/copies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"

#define PIECE_BYTES (1u << 20) /* of a message that may have four times as many */
#define CALL_TIMEOUT_MS 60000
#define DEPTH_MAX 32

void copies_done(struct copies *copies)
{
	for (size_t i = 0; i < copies->count; i++) {
		free(copies->items[i].guest_path);
		free(copies->items[i].data);
	}
	free(copies->items);
	*copies = (struct copies){ 0 };
}

/* @data is taken. */
static int add(struct copies *copies, const char *guest_path, const struct stat *st, char *data,
	       size_t len)
{
	copies->items = xrealloc(copies->items, copies->count + 1, sizeof(*copies->items));
	copies->items[copies->count++] = (struct copy){
		.guest_path = xstrdup(guest_path),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.data = data,
		.len = len,
	};
	copies->bytes += len;
	return copies->bytes > COPIES_MAX_BYTES || copies->count > COPIES_MAX_COUNT ? -EFBIG : 0;
}

static int take(struct copies *copies, int dirfd, const char *name, const char *guest_path,
		unsigned int depth);

static int take_file(struct copies *copies, int fd, const char *guest_path, const struct stat *st)
{
	char *data = NULL;
	size_t len = 0;
	int r = read_whole_fd(fd, COPIES_MAX_BYTES - copies->bytes, &data, &len);

	return r < 0 ? r : add(copies, guest_path, st, data, len);
}

static int take_link(struct copies *copies, int dirfd, const char *name, const char *guest_path,
		     const struct stat *st)
{
	size_t room = (size_t)st->st_size + 1;
	cleanup_free char *to = xmalloc(room);
	ssize_t n = readlinkat(dirfd, name, to, room);

	if (n < 0)
		return -errno;
	return add(copies, guest_path, st, steal_ptr(&to), (size_t)n < room ? (size_t)n : room - 1);
}

static int take_directory(struct copies *copies, int fd, const char *guest_path,
			  const struct stat *st, unsigned int depth)
{
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		close(fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		cleanup_free char *path = xasprintf("%s/%s", guest_path, entry->d_name);

		if (!is_dots(entry->d_name))
			r = take(copies, fd, entry->d_name, path, depth + 1);
	}
	return r < 0 ? r : add(copies, guest_path, st, NULL, 0);
}

/* Whoever may write there could put a pipe in a file's place meanwhile: nothing here waits. */
static int take(struct copies *copies, int dirfd, const char *name, const char *guest_path,
		unsigned int depth)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (depth ? O_NOFOLLOW : 0);
	cleanup_fd int fd = -1;
	struct stat st;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (fstatat(dirfd, name, &st, depth ? AT_SYMLINK_NOFOLLOW : 0) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return take_link(copies, dirfd, name, guest_path, &st);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		log_debug("'%s' is left out: neither a file nor a directory", guest_path);
		return 0;
	}
	fd = openat(dirfd, name, flags);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return take_directory(copies, steal_fd(&fd), guest_path, &st, depth);
	return S_ISREG(st.st_mode) ? take_file(copies, fd, guest_path, &st) : -EINVAL;
}

int copies_read(const struct sandbox_plan *plan, struct copies *ret, struct error *err)
{
	cleanup_copies struct copies copies = { 0 };

	for (size_t i = 0; i < plan->copies_count; i++) {
		const struct sandbox_copy *wanted = &plan->copies[i];
		int r = take(&copies, AT_FDCWD, wanted->host_path, wanted->guest_path, 0);

		if (r == -EFBIG)
			return error_set(err, r,
					 "%s.source: '%s': more than %u MiB or %d files to be "
					 "copied into the virtual machine",
					 wanted->place, wanted->host_path, COPIES_MAX_BYTES >> 20,
					 COPIES_MAX_COUNT);
		if (r < 0)
			return error_sys(err, r, "%s.source: read '%s'", wanted->place,
					 wanted->host_path);
	}
	*ret = copies;
	copies = (struct copies){ 0 };
	return 0;
}

/* One that is empty is a message, too. */
static int send_one(const struct copy *copy, struct agent_client *client, struct error *err)
{
	grpc_CopyFileRequest request = {
		.path = copy->guest_path,
		.file_size = S_ISREG(copy->mode) ? (int64_t)copy->len : 0,
		.file_mode = copy->mode,
		.dir_mode = 0755,
		.uid = (int32_t)copy->uid,
		.gid = (int32_t)copy->gid,
	};
	size_t done = 0;

	do {
		size_t size = copy->len - done < PIECE_BYTES ? copy->len - done : PIECE_BYTES;
		grpc_Empty response;
		int r;

		request.offset = (int64_t)done;
		request.data = (struct agent_bytes){ (const uint8_t *)copy->data + done, size };
		r = agent_call(client, AGENT_COPY_FILE, &request, &response, CALL_TIMEOUT_MS, err);
		if (r < 0)
			return r;
		agent_response_release(AGENT_COPY_FILE, &response);
		done += size;
	} while (done < copy->len);
	return 0;
}

int copies_send(const struct copies *copies, struct agent_client *client, struct error *err)
{
	for (size_t i = 0; i < copies->count; i++) {
		int r = send_one(&copies->items[i], client, err);

		if (r < 0)
			return r;
	}
	return 0;
}
