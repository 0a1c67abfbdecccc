/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/filter-cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"
#include "oci/config.h"

/* To be raised with every change of what filter_build() makes of a profile. */
#define REVISION 1

#define DIRECTORY "seccomp"

/* A file: this, the key, the program. The sum is against damage, not against people. */
struct header {
	char magic[8];
	uint32_t key_len;
	uint32_t count; /* instructions */
	uint64_t sum;	/* of the key and the program */
};
static const char magic[8] = "moatBPF";

/* --- the key --- */

static void add_u32(struct strbuf *key, size_t value)
{
	uint32_t v = (uint32_t)value;

	strbuf_add(key, &v, sizeof(v));
}

static void add_u64(struct strbuf *key, uint64_t value)
{
	strbuf_add(key, &value, sizeof(value));
}

static void add_text(struct strbuf *key, const char *text)
{
	add_u32(key, strlen(text));
	strbuf_addstr(key, text);
}

/* NULL and an empty list are different profiles. */
static void add_list(struct strbuf *key, char *const *list)
{
	add_u32(key, list ? 1 : 0);
	add_u32(key, strv_len(list));
	strv_each(text, list)
		add_text(key, text);
}

static void add_opt(struct strbuf *key, const struct opt_u32 *opt)
{
	add_u32(key, opt->is_set);
	add_u32(key, opt->is_set ? opt->value : 0);
}

static void add_rule(struct strbuf *key, const struct oci_syscall *rule)
{
	add_list(key, rule->names);
	add_u32(key, (size_t)rule->action);
	add_opt(key, &rule->errno_ret);
	add_u32(key, rule->args_count);
	for (size_t i = 0; i < rule->args_count; i++) {
		add_u32(key, rule->args[i].index);
		add_u32(key, (size_t)rule->args[i].op);
		add_u64(key, rule->args[i].value);
		add_u64(key, rule->args[i].value_two);
	}
}

void filter_cache_key(const struct oci_seccomp *seccomp, struct strbuf *ret)
{
	struct utsname uts = { .release = "" };

	(void)uname(&uts); /* cannot fail */
	add_u32(ret, REVISION);
	add_text(ret, MOAT_VERSION);
	add_text(ret, seccomp_library_version());
	add_text(ret, uts.release);
	add_u32(ret, seccomp_arch_own());
	add_list(ret, (char *const[]){ (char *)seccomp->raw_filter, NULL });
	add_u32(ret, seccomp->is_strict);
	add_u32(ret, (size_t)seccomp->default_action);
	add_opt(ret, &seccomp->default_errno_ret);
	add_list(ret, seccomp->architectures);
	add_list(ret, seccomp->flags);
	add_u32(ret, seccomp->syscalls_count);
	for (size_t i = 0; i < seccomp->syscalls_count; i++)
		add_rule(ret, &seccomp->syscalls[i]);
}

/* The name says little: that the file is the right one is found out by comparing. */
static void name_of(const struct strbuf *key, char ret[17])
{
	(void)snprintf(ret, 17, "%016" PRIx64, fnv1a(FNV1A_INIT, key->buf, key->len));
}

/* --- the directory --- */

static int open_private(int dirfd, const char *name, mode_t forbidden)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & forbidden)
		return -EPERM;
	return steal_fd(&fd);
}

/* Whoever could rename the inner directory could put another one in its place. */
static int open_directory(const char *cache_dir, bool makes)
{
	cleanup_fd int outer = -1;

	if (makes && mkdir(cache_dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	outer = open_private(AT_FDCWD, cache_dir, 0022);
	if (outer < 0)
		return outer;
	if (makes && mkdirat(outer, DIRECTORY, 0700) < 0 && errno != EEXIST)
		return -errno;
	return open_private(outer, DIRECTORY, 0077);
}

/* --- reading --- */

/* The whole file, which is as long as one with this key can be. */
static int read_file(int dirfd, const char *name, size_t key_len, char **ret, size_t *ret_len)
{
	cleanup_fd int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	cleanup_free char *data = NULL;
	size_t most = sizeof(struct header) + key_len + BPF_MAXINSNS * sizeof(struct sock_filter);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 0077)
		return -EPERM;
	if (st.st_size < (off_t)(sizeof(struct header) + key_len) || st.st_size > (off_t)most)
		return -EBADMSG;
	*ret_len = (size_t)st.st_size;
	data = xmalloc(*ret_len);
	r = read_exact(fd, data, *ret_len);
	if (r < 0)
		return r;
	*ret = steal_ptr(&data);
	return 0;
}

static int parse(const char *data, size_t len, const struct strbuf *key, struct sock_fprog *ret)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	const char *body = data + sizeof(struct header);
	struct header header;
	int r;

	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)) != 0 || header.key_len != key->len ||
	    header.count > BPF_MAXINSNS ||
	    len != sizeof(header) + key->len + header.count * sizeof(struct sock_filter) ||
	    header.sum != fnv1a(FNV1A_INIT, body, len - sizeof(header)))
		return -EBADMSG;
	if (memcmp(body, key->buf, key->len) != 0)
		return -ENOENT; /* another profile's, of the same name */
	r = seccomp_program_copy((const void *)(body + key->len), header.count, &program);
	if (r == 0)
		r = seccomp_program_check(&program);
	if (r < 0)
		return r;
	*ret = program;
	program = (struct sock_fprog){ 0 };
	return 0;
}

int filter_cache_get(const char *cache_dir, const struct strbuf *key, struct sock_fprog *ret)
{
	cleanup_fd int dirfd = open_directory(cache_dir, false);
	cleanup_free char *data = NULL;
	char name[17];
	size_t len = 0;
	int r;

	if (dirfd < 0)
		return dirfd;
	name_of(key, name);
	r = read_file(dirfd, name, key->len, &data, &len);
	return r < 0 ? r : parse(data, len, key, ret);
}

/* --- writing --- */

struct entry {
	char *name;
	struct timespec time;
};

static int by_age(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->time;
	const struct timespec *y = &((const struct entry *)b)->time;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static size_t list(DIR *dir, struct entry **ret)
{
	struct dirent *found;
	size_t count = 0;

	while ((found = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), found->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    S_ISDIR(st.st_mode))
			continue;
		*ret = xrealloc(*ret, count + 1, sizeof(**ret));
		(*ret)[count++] = (struct entry){ xstrdup(found->d_name), st.st_mtim };
	}
	return count;
}

/* The oldest go, and with them what writers that were killed have left. */
static void prune(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	cleanup_free struct entry *entries = NULL;
	size_t count;

	if (!dir) {
		close_fdp(&fd);
		return;
	}
	count = list(dir, &entries);
	if (count)
		qsort(entries, count, sizeof(*entries), by_age);
	for (size_t i = 0; i < count; i++) {
		if (i + FILTER_CACHE_MAX < count)
			(void)unlinkat(dirfd, entries[i].name, 0); /* tried again next time */
		free(entries[i].name);
	}
}

int filter_cache_put(const char *cache_dir, const struct strbuf *key,
		     const struct sock_fprog *program)
{
	cleanup_strbuf struct strbuf data = STRBUF_INIT;
	struct header header = { .key_len = (uint32_t)key->len, .count = program->len };
	size_t size = program->len * sizeof(*program->filter);
	cleanup_fd int dirfd = -1;
	char name[17];
	int r;

	if (key->len > FILTER_CACHE_KEY_MAX)
		return -E2BIG;
	dirfd = open_directory(cache_dir, true);
	if (dirfd < 0)
		return dirfd;
	memcpy(header.magic, magic, sizeof(magic));
	header.sum = fnv1a(fnv1a(FNV1A_INIT, key->buf, key->len), program->filter, size);
	strbuf_add(&data, &header, sizeof(header));
	strbuf_add(&data, key->buf, key->len);
	strbuf_add(&data, program->filter, size);
	name_of(key, name);
	r = write_atomic_at(dirfd, name, data.buf, data.len, 0600);
	if (r == 0)
		prune(dirfd);
	return r;
}
