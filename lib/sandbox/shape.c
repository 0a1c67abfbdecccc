/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/shape.h"

#include <errno.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/str.h"
#include "lib/sandbox/network.h"

/* clang-format off */
static const struct field table[] = {
	FIELD_ALWAYS(struct shape, "version", U32, version),
	FIELD(struct shape, "container", STRING, container),
	FIELD(struct shape, "kernel", STRING, kernel),
	FIELD(struct shape, "accelerator", STRING, accelerator),
	FIELD(struct shape, "memoryMiB", U32, memory_mib),
	FIELD(struct shape, "memoryMaxMiB", U32, memory_max_mib),
	FIELD(struct shape, "vcpus", U32, vcpus),
	FIELD(struct shape, "vcpusMax", U32, vcpus_max),
	FIELD(struct shape, "nics", STRINGS, nics),
};
/* clang-format on */
static const struct fields shape_fields = FIELDS(struct shape, table);

static const struct json_limits limits = {
	.max_bytes = SHAPE_MAX_BYTES,
	.max_depth = 4,
	.max_values = 200,
};

void shape_done(struct shape *shape)
{
	fields_release(&shape_fields, shape);
}

static char *mac_text(const unsigned char mac[6])
{
	return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			 mac[5]);
}

static char *nic_text(const struct sandbox_network *network, size_t i)
{
	return network->nics[i].endpoint ? mac_text(network->hv_nics[i].mac) : xstrdup("");
}

void shape_of(const char *container, const struct hv_config *config,
	      const struct sandbox_network *network, struct shape *ret)
{
	*ret = (struct shape){
		.version = SHAPE_VERSION,
		.container = xstrdup(container),
		.kernel = xstrdup(config->guest->release),
		.accelerator = xstrdup(names_get(&hv_accel_names, config->accel)),
		.memory_mib = config->memory_mib,
		.memory_max_mib = config->memory_max_mib,
		.vcpus = config->vcpus,
		.vcpus_max = config->vcpus_max,
	};
	for (size_t i = 0; i < network->nics_count; i++)
		strv_push(&ret->nics, nic_text(network, i));
}

char *shape_text(const struct shape *shape)
{
	struct json_writer *w = json_writer_new(true);

	fields_write(&shape_fields, w, shape);
	return json_finish(w);
}

static int check(const struct shape *shape, struct error *err)
{
	if (!shape->version || shape->version > SHAPE_VERSION)
		return error_set(err, -EPROTONOSUPPORT,
				 SHAPE_NAME ": version %u is not one that this moat knows (%u)",
				 shape->version, SHAPE_VERSION);
	if (!shape->container || !shape->kernel || !shape->accelerator || !shape->memory_mib ||
	    !shape->vcpus)
		return error_set(err, -EINVAL, SHAPE_NAME ": does not say what the machine was");
	return 0;
}

int shape_parse(const char *text, size_t len, struct shape *ret, struct error *err)
{
	cleanup_shape struct shape shape;
	int r;

	fields_init(&shape_fields, &shape);
	r = fields_parse(&shape_fields, SHAPE_NAME, text, len, &limits, &shape, err);
	if (r == 0)
		r = check(&shape, err);
	if (r < 0)
		return r;
	*ret = shape;
	fields_init(&shape_fields, &shape);
	return 0;
}

int shape_read(int dirfd, struct shape *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(dirfd, SHAPE_NAME, SHAPE_MAX_BYTES, &text, &len);

	return r < 0 ? error_sys(err, r, "read '" SHAPE_NAME "'")
		     : shape_parse(text, len, ret, err);
}

int shape_write(int dirfd, const struct shape *shape, struct error *err)
{
	cleanup_free char *text = shape_text(shape);
	int r = write_atomic_at(dirfd, SHAPE_NAME, text, strlen(text), 0600);

	return r < 0 ? error_sys(err, r, "write '" SHAPE_NAME "'") : 0;
}

int shape_check_network(const struct shape *shape, const struct sandbox_network *network,
			struct error *err)
{
	size_t count = strv_len(shape->nics);

	for (size_t i = 0; i < network->nics_count; i++) {
		cleanup_free char *now = nic_text(network, i);

		if (i >= count || !streq(now, shape->nics[i]))
			return error_set(err, -EINVAL,
					 "interface %zu has address '%s', the saved machine's "
					 "has '%s'",
					 i + 1, now, i < count ? shape->nics[i] : "");
	}
	if (network->nics_count < count)
		return error_set(err, -EINVAL,
				 "there are %zu interfaces, the saved machine has %zu",
				 network->nics_count, count);
	return 0;
}
