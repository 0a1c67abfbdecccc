/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* Output that grows fourfold up to a limit, with a byte to spare for the NUL. */
struct output {
	char *data;
	size_t len, cap, max;
};

static int grow(struct output *out)
{
	if (out->len < out->cap)
		return 0;
	if (out->cap >= out->max)
		return -EFBIG;
	out->cap = out->cap ? out->cap * 4 : 64 * 1024;
	if (out->cap > out->max)
		out->cap = out->max;
	out->data = xrealloc(out->data, out->cap + 1, 1);
	return 0;
}

static int unpack_zstd(const char *data, size_t len, struct output *out)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	ZSTD_inBuffer in = { data, len, 0 };
	size_t left = 1;
	int r = ctx ? 0 : -ENOMEM;

	while (r == 0 && left) {
		ZSTD_outBuffer piece;

		r = grow(out);
		if (r < 0)
			break;
		piece = (ZSTD_outBuffer){ out->data, out->cap, out->len };
		left = ZSTD_decompressStream(ctx, &piece, &in);
		if (ZSTD_isError(left) || (in.pos == in.size && piece.pos == out->len && left))
			r = -EBADMSG;
		out->len = piece.pos;
	}
	ZSTD_freeDCtx(ctx);
	return r;
}

static int unpack_xz(const char *data, size_t len, struct output *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret status = lzma_stream_decoder(&stream, 256 * 1024 * 1024, 0);
	int r = status == LZMA_OK ? 0 : -ENOMEM;

	stream.next_in = (const uint8_t *)data;
	stream.avail_in = len;
	while (r == 0 && status != LZMA_STREAM_END) {
		r = grow(out);
		if (r < 0)
			break;
		stream.next_out = (uint8_t *)out->data + out->len;
		stream.avail_out = out->cap - out->len;
		status = lzma_code(&stream, LZMA_FINISH);
		out->len = out->cap - stream.avail_out;
		if (status != LZMA_OK && status != LZMA_STREAM_END)
			r = -EBADMSG;
	}
	lzma_end(&stream);
	return r;
}

static int inflate_gzip(const char *data, size_t len, struct output *out)
{
	z_stream stream = { .next_in = (Bytef *)data, .avail_in = (uInt)len };
	int status = Z_OK;
	int r = 0;

	if (len > UINT32_MAX)
		return -EFBIG;
	/* 16: a gzip header. */
	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	while (r == 0 && status != Z_STREAM_END) {
		r = grow(out);
		if (r < 0)
			break;
		stream.next_out = (Bytef *)out->data + out->len;
		stream.avail_out = (uInt)(out->cap - out->len);
		status = inflate(&stream, Z_NO_FLUSH);
		out->len = out->cap - stream.avail_out;
		if (status != Z_OK && status != Z_STREAM_END)
			r = -EBADMSG;
	}
	(void)inflateEnd(&stream);
	return r;
}

static const struct format {
	const char *name;
	const char *magic;
	size_t magic_len;
	int (*unpack)(const char *data, size_t len, struct output *out);
} formats[] = {
	{ "zstd", "\x28\xb5\x2f\xfd", 4, unpack_zstd },
	{ "xz", "\xfd\x37zXZ\0", 6, unpack_xz },
	{ "gzip", "\x1f\x8b\x08", 3, inflate_gzip },
};

static const struct format *find_format(const char *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (len >= formats[i].magic_len &&
		    memcmp(data, formats[i].magic, formats[i].magic_len) == 0)
			return &formats[i];
	return NULL;
}

static int run_format(const struct format *format, const char *data, size_t len, size_t max,
		      char **ret_data, size_t *ret_len)
{
	struct output out = { .max = max };
	int r = format->unpack(data, len, &out);

	if (r < 0) {
		free(out.data);
		return r;
	}
	out.data[out.len] = '\0';
	*ret_data = out.data;
	*ret_len = out.len;
	return 0;
}

int unpack_file(const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *err)
{
	cleanup_free char *data = NULL;
	const struct format *format;
	size_t len;
	int r = read_file_at(AT_FDCWD, path, max, &data, &len);

	if (r < 0)
		return error_sys(err, r, "read '%s'", path);
	format = find_format(data, len);
	if (!format) {
		*ret_data = steal_ptr(&data);
		*ret_len = len;
		return 0;
	}
	r = run_format(format, data, len, max, ret_data, ret_len);
	if (r == -EBADMSG)
		return error_set(err, r, "unpack '%s': broken %s file", path, format->name);
	return r < 0 ? error_sys(err, r, "unpack '%s'", path) : 0;
}

int unpack_gzip(const char *data, size_t len, size_t max, char **ret_data, size_t *ret_len)
{
	const struct format *format = find_format(data, len);

	if (!format || format->unpack != inflate_gzip)
		return -EBADMSG;
	return run_format(format, data, len, max, ret_data, ret_len);
}
