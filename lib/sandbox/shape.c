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
	FIELD(struct shape, "hypervisor", STRING, hypervisor),
	FIELD(struct shape, "accelerator", STRING, accelerator),
	FIELD(struct shape, "memoryMiB", U32, memory_mib),
	FIELD_ENUM(struct shape, "arch", arch, &hv_arch_names),
	FIELD(struct shape, "memoryMaxMiB", U32, memory_max_mib),
	FIELD(struct shape, "vcpus", U32, vcpus),
	FIELD(struct shape, "vcpusMax", U32, vcpus_max),
	FIELD_U32S(struct shape, "piecesMiB", pieces_mib),
	FIELD(struct shape, "moreVcpus", U32, more_vcpus),
	FIELD(struct shape, "nics", STRINGS, nics),
};
/* clang-format on */

static void init_shape(void *obj)
{
	((struct shape *)obj)->arch = (int)hv_host_arch();
}
static const struct fields shape_fields = FIELDS_INIT(struct shape, table, init_shape);

static const struct json_limits limits = {
	.max_bytes = SHAPE_MAX_BYTES,
	.max_depth = 4,
	.max_values = 200,
};

void shape_done(struct shape *shape)
{
	fields_release(&shape_fields, shape);
}

static char *nic_text(const struct net_endpoint *endpoint)
{
	char text[NETWORK_HW_TEXT] = "";

	if (endpoint)
		network_hw_text(&endpoint->hw, text);
	return xstrdup(text);
}

void shape_of(const char *container, const char *hypervisor, const struct hv_config *config,
	      const struct sandbox_network *network, struct shape *ret)
{
	*ret = (struct shape){
		.version = SHAPE_VERSION,
		.container = xstrdup(container),
		.kernel = xstrdup(config->guest->release),
		.hypervisor = xstrdup(hypervisor),
		.accelerator = xstrdup(names_get(&hv_accel_names, config->accel)),
		.arch = config->guest->arch,
		.memory_mib = config->memory_mib,
		.memory_max_mib = config->memory_max_mib,
		.vcpus = config->vcpus,
		.vcpus_max = config->vcpus_max,
	};
	for (size_t i = 0; i < network->nics_count; i++)
		strv_push(&ret->nics, nic_text(network->nics[i].endpoint));
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
	    !shape->vcpus || shape->pieces_mib_count > HV_PIECES_MAX)
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

uint32_t shape_memory_mib(const struct shape *shape)
{
	uint64_t sum = shape->memory_mib;

	for (size_t i = 0; i < shape->pieces_mib_count; i++)
		sum += shape->pieces_mib[i];
	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

/* Some drivers do not tell the pieces, and take them all in one. */
static void note_pieces(struct shape *shape, const struct hv_status *status)
{
	const uint64_t mib = status->memory_bytes >> 20;

	free(shape->pieces_mib);
	shape->pieces_mib =
		xmemdup(status->pieces_mib, status->pieces_count * sizeof(*status->pieces_mib));
	shape->pieces_mib_count = status->pieces_count;
	if (status->pieces_count || mib <= shape->memory_mib || mib > UINT32_MAX)
		return;
	free(shape->pieces_mib);
	shape->pieces_mib = xmemdup(&(uint32_t){ (uint32_t)mib - shape->memory_mib },
				    sizeof(*shape->pieces_mib));
	shape->pieces_mib_count = 1;
}

int shape_note_size(struct shape *shape, const struct hv_status *status, struct error *err)
{
	note_pieces(shape, status);
	if (status->vcpus < shape->vcpus || shape_memory_mib(shape) != status->memory_bytes >> 20)
		return error_set(err, -EPROTO, "the virtual machine is not as it was made");
	shape->more_vcpus = status->vcpus - shape->vcpus;
	return 0;
}
