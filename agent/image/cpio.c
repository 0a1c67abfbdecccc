/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/cpio.h"

#include <assert.h>
#include <sys/stat.h>

struct entry {
	const char *name;
	uint32_t mode; /* with the type; 0: the trailer */
	uint32_t links;
	const void *data;
	size_t len;
	uint32_t major, minor;
};

static void pad_to_4(struct strbuf *out)
{
	strbuf_add(out, "\0\0\0", -out->len % 4);
}

static void add_entry(struct cpio *cpio, const struct entry *e)
{
	uint32_t inode = e->mode ? ++cpio->last_inode : 0;

	assert(e->len <= UINT32_MAX);
	/* magic, inode, mode, uid, gid, links, mtime, size, device of the file and of the node,
	 * length of the name with its NUL, checksum (unused in this variant). */
	strbuf_addf(&cpio->out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode,
		    e->mode, 0, 0, e->links, 0, (uint32_t)e->len, 0, 0, e->major, e->minor,
		    (uint32_t)strlen(e->name) + 1, 0);
	strbuf_add(&cpio->out, e->name, strlen(e->name) + 1);
	pad_to_4(&cpio->out);
	strbuf_add(&cpio->out, e->data, e->len);
	pad_to_4(&cpio->out);
}

void cpio_add_dir(struct cpio *cpio, const char *name, uint32_t mode)
{
	add_entry(cpio, &(struct entry){ .name = name, .mode = S_IFDIR | mode, .links = 2 });
}

void cpio_add_file(struct cpio *cpio, const char *name, uint32_t mode, const void *data, size_t len)
{
	add_entry(cpio, &(struct entry){ .name = name,
					 .mode = S_IFREG | mode,
					 .links = 1,
					 .data = data,
					 .len = len });
}

void cpio_add_char_device(struct cpio *cpio, const char *name, uint32_t mode, uint32_t major,
			  uint32_t minor)
{
	add_entry(cpio, &(struct entry){ .name = name,
					 .mode = S_IFCHR | mode,
					 .links = 1,
					 .major = major,
					 .minor = minor });
}

void cpio_finish(struct cpio *cpio)
{
	add_entry(cpio, &(struct entry){ .name = "TRAILER!!!", .links = 1 });
}

void cpio_done(struct cpio *cpio)
{
	strbuf_done(&cpio->out);
}
