/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/path.h"

#include "lib/base/str.h"

static void drop_last(struct strbuf *sb)
{
	while (sb->len && sb->buf[--sb->len] != '/')
		;
	if (sb->buf)
		sb->buf[sb->len] = '\0';
}

char *path_clean(const char *path)
{
	struct strbuf sb = STRBUF_INIT;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			drop_last(&sb);
		} else if (len > 1 || (len == 1 && path[0] != '.')) {
			strbuf_addch(&sb, '/');
			strbuf_add(&sb, path, len);
		}
		path += len;
		path += *path == '/';
	}
	if (!sb.len)
		strbuf_addch(&sb, '/');
	return strbuf_steal(&sb);
}
