/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define BUSYBOX "/bin/busybox"

static const char *const applets[] = {
	"sh",	 "cat",	  "echo", "ls",	  "id",	 "mount", "touch", "mkdir",  "stat",	 "hostname",
	"pwd",	 "sleep", "tty",  "grep", "env", "test",  "ps",	   "ulimit", "readlink", "true",
	"false", "stty",  "mv",	  "ln",	  "rm",	 "wc",	  "sed",   "ip",     "head",	 "chmod",
};

static void copy_file(const char *from, const char *to)
{
	cleanup_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	struct stat st;

	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fstat(in, &st), 0);
	assert_int_equal(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
}

char *box_path(const struct box *box, const char *path)
{
	return xasprintf("%s/%s", box->bundle, path);
}

bool box_has(const struct box *box, const char *path)
{
	cleanup_free char *full = box_path(box, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

void box_write(const struct box *box, const char *path, const char *text)
{
	cleanup_free char *full = box_path(box, path);
	cleanup_fd int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void fill_rootfs(const struct box *box)
{
	static const char *const dirs[] = { "bin", "dev", "etc", "proc", "sys", "tmp", "home" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *dir = xasprintf("%s/%s", box->rootfs, dirs[i]);

		assert_int_equal(mkdir(dir, 0755), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		cleanup_free char *link = xasprintf("%s/bin/%s", box->rootfs, applets[i]);

		assert_int_equal(symlink("busybox", link), 0);
	}
	box_write(box, "rootfs/etc/passwd",
		  "root:x:0:0::/root:/bin/sh\n"
		  "app:x:1000:1000::/home/app:/bin/sh\n");
}

struct box *box_new(void)
{
	char name[] = "/tmp/moat-engine-XXXXXX";
	cleanup_free char *busybox = NULL;
	struct box *box;

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		return NULL;
	}
	if (access(BUSYBOX, X_OK) < 0) {
		print_message("skipped: needs a static " BUSYBOX "\n");
		return NULL;
	}
	assert_non_null(mkdtemp(name));
	assert_int_equal(chmod(name, 0755), 0);
	box = xcalloc(1, sizeof(*box));
	box->bundle = xstrdup(name);
	box->rootfs = xasprintf("%s/rootfs", name);
	box->host = xasprintf("%s/host", name);
	assert_int_equal(mkdir(box->rootfs, 0755), 0);
	assert_int_equal(mkdir(box->host, 0755), 0);
	fill_rootfs(box);
	busybox = xasprintf("%s/bin/busybox", box->rootfs);
	copy_file(BUSYBOX, busybox);
	return box;
}

void box_free(struct box *box)
{
	if (!box)
		return;
	assert_int_equal(remove_tree_at(AT_FDCWD, box->bundle), 0);
	free(box->bundle);
	free(box->rootfs);
	free(box->host);
	free(box);
}

#define USUAL_NAMESPACES                                                                           \
	"{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\"},"           \
	"{\"type\":\"network\"}"
#define USUAL_MOUNTS                                                                               \
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"                       \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","                       \
	"\"options\":[\"nosuid\",\"mode=755\",\"size=65536k\"]},"                                  \
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","                 \
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}"

static void add_piece(struct strbuf *sb, const char *piece)
{
	if (piece)
		strbuf_addf(sb, ",%s", piece);
}

static void add_process(struct strbuf *sb, const struct wish *wish)
{
	strbuf_addf(sb, "\"process\":{\"cwd\":\"%s\",\"user\":%s,", wish->cwd ? wish->cwd : "/",
		    wish->user ? wish->user : "{\"uid\":0,\"gid\":0}");
	if (!wish->process || !strstr(wish->process, "\"env\""))
		strbuf_addstr(sb, "\"env\":[\"PATH=/bin\"],");
	strbuf_addstr(sb, "\"args\":");
	if (wish->args) {
		strbuf_addstr(sb, wish->args);
	} else {
		strbuf_addstr(sb, "[\"sh\",\"-c\",");
		json_quote(sb, wish->script);
		strbuf_addstr(sb, "]");
	}
	add_piece(sb, wish->process);
	strbuf_addstr(sb, "},");
}

struct oci_config *box_config(const struct box *box, const struct wish *wish)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct oci_config *config;
	struct error err = ERROR_INIT;

	strbuf_addstr(&sb, "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"");
	add_piece(&sb, wish->root);
	strbuf_addstr(&sb, "},");
	add_process(&sb, wish);
	strbuf_addf(&sb, "\"mounts\":[%s%s],\"linux\":{\"namespaces\":[%s]",
		    wish->all_mounts ? wish->all_mounts : USUAL_MOUNTS,
		    wish->mounts ? wish->mounts : "",
		    wish->namespaces ? wish->namespaces : USUAL_NAMESPACES);
	add_piece(&sb, wish->linux_);
	strbuf_addstr(&sb, "}");
	add_piece(&sb, wish->top);
	strbuf_addstr(&sb, "}");
	if (oci_config_parse("config.json", sb.buf, sb.len, &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

void box_container(const struct box *box, const struct oci_config *config,
		   struct engine_container *ret)
{
	*ret = (struct engine_container){
		.id = "test",
		.config = config,
		.bundle = box->bundle,
		.stdio = { 0, 1, 2 },
		.console_socket = -1,
		.start_fd = -1,
	};
}

int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void read_to_end(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
}

void box_run(const struct box *box, const struct wish *wish, struct outcome *ret)
{
	cleanup_oci_config struct oci_config *config = box_config(box, wish);
	struct engine_container c;
	struct error err = ERROR_INIT;
	pid_t pid;
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	box_container(box, config, &c);
	c.stdio[1] = c.stdio[2] = pipe_fds[1];
	ret->error[0] = '\0';
	ret->status = engine_create(&c, &pid, &err);
	close(pipe_fds[1]);
	if (ret->status < 0)
		(void)snprintf(ret->error, sizeof(ret->error), "%s", err.msg);
	read_to_end(pipe_fds[0], ret->out, sizeof(ret->out));
	close(pipe_fds[0]);
	if (ret->status == 0)
		ret->status = wait_status(pid);
}
