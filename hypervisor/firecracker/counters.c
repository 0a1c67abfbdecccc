/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "hypervisor/counters.h"
#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define SERIAL "serial"
#define FILE_MAX_BYTES (64u << 10)

static const struct json_limits limits = {
	.max_bytes = FC_COUNTERS_LINE_MAX,
	.max_depth = 8,
	.max_values = 16384,
};

/* Where in the line we are, and what its group is about. */
struct reading {
	struct hv_metrics *sum;
	unsigned int depth;
	const struct group *group;
	struct hv_device_metrics *device; /* NULL: the group is the vcpus', or none of ours */
	const struct counter *counter;
};

struct counter {
	const char *name;
	size_t offset; /* in struct hv_device_metrics, or in struct hv_metrics */
};

#define OF_DEVICE(name, member)                                                                    \
	{                                                                                          \
		name, offsetof(struct hv_device_metrics, member)                                   \
	}
#define OF_EXITS(name, reason)                                                                     \
	{                                                                                          \
		name, offsetof(struct hv_metrics, exits) + sizeof(uint64_t) * HV_EXIT_##reason     \
	}

static const struct counter disk_counters[] = {
	OF_DEVICE("read_bytes", read_bytes),
	OF_DEVICE("read_count", reads),
	OF_DEVICE("write_bytes", written_bytes),
	OF_DEVICE("write_count", writes),
	{ NULL },
};
static const struct counter packet_counters[] = {
	OF_DEVICE("rx_bytes_count", read_bytes),
	OF_DEVICE("rx_packets_count", reads),
	OF_DEVICE("tx_bytes_count", written_bytes),
	OF_DEVICE("tx_packets_count", writes),
	OF_DEVICE("rx_fails", dropped),
	OF_DEVICE("tx_fails", dropped),
	{ NULL },
};
static const struct counter entropy_counters[] = {
	OF_DEVICE("entropy_bytes", read_bytes),
	OF_DEVICE("entropy_event_count", reads),
	{ NULL },
};
static const struct counter vcpu_counters[] = {
	OF_EXITS("exit_io_in", PORT),	  OF_EXITS("exit_io_out", PORT),
	OF_EXITS("exit_mmio_read", MMIO), OF_EXITS("exit_mmio_write", MMIO),
	OF_EXITS("failures", OTHER),	  { NULL },
};

/* A name that ends in '_' is a beginning, after which there is the device's own. */
static const struct group {
	const char *name;
	const char *device;
	const struct counter *counters;
} groups[] = {
	{ "block_", "", disk_counters },       { "net_", "", packet_counters },
	{ "vsock", "vsock", packet_counters }, { "entropy", "rng", entropy_counters },
	{ "vcpu", NULL, vcpu_counters },
};

/* It is there from its first line on; one too many, or with a name that we would not give, is not
 * counted. */
static struct hv_device_metrics *find_device(struct hv_metrics *sum, const char *id)
{
	struct hv_device_metrics *d;

	for (size_t i = 0; i < sum->devices_count; i++)
		if (streq(sum->devices[i].id, id))
			return &sum->devices[i];
	if (sum->devices_count == HV_DEVICES_MAX || hv_check_disk_id(id, NULL) < 0)
		return NULL;
	d = &sum->devices[sum->devices_count++];
	*d = (struct hv_device_metrics){ .reads = 0 };
	snprintf(d->id, sizeof(d->id), "%s", id);
	return d;
}

/* Its ids have '_' where ours have '-', and spare drives' begin with one. */
static struct hv_device_metrics *find_named(struct hv_metrics *sum, const char *name)
{
	cleanup_free char *id = xstrdup(name + strspn(name, "_"));

	for (char *c = id; *c; c++)
		if (*c == '_')
			*c = '-';
	return find_device(sum, id);
}

/* Its device's name stands in that of the group. */
static bool is_named(const struct group *group)
{
	return group->device && !*group->device;
}

static const struct group *find_group(const char *name, const char **ret_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		*ret_rest = str_after(name, groups[i].name);
		if (*ret_rest && (!**ret_rest || is_named(&groups[i])))
			return &groups[i];
	}
	return NULL;
}

static void enter_group(struct reading *r, const char *name)
{
	const char *rest;
	const struct group *group = find_group(name, &rest);

	r->group = group;
	r->device = NULL;
	if (!group || !group->device)
		return;
	r->device = is_named(group) ? find_named(r->sum, rest) : find_device(r->sum, group->device);
	if (!r->device)
		r->group = NULL;
}

static void enter_counter(struct reading *r, const char *name)
{
	r->counter = NULL;
	for (const struct counter *c = r->group ? r->group->counters : NULL; c && c->name; c++)
		if (streq(c->name, name))
			r->counter = c;
}

static int add(struct reading *r, const char *text, struct error *err)
{
	void *whole = r->device ? (void *)r->device : (void *)r->sum;
	uint64_t *to, value;

	if (!r->counter)
		return 0;
	if (parse_u64(text, &value) < 0)
		return error_set(err, -EPROTO, "%s: not a count: %.40s", r->counter->name, text);
	to = (uint64_t *)(void *)((char *)whole + r->counter->offset);
	*to += value;
	return 0;
}

static int on_event(void *ctx, const struct json_event *event, struct error *err)
{
	struct reading *r = ctx;

	switch (event->type) {
	case JSON_MAP_START:
	case JSON_ARRAY_START:
		r->depth++;
		return 0;
	case JSON_MAP_END:
	case JSON_ARRAY_END:
		r->depth--;
		return 0;
	case JSON_KEY:
		if (r->depth == 1)
			enter_group(r, event->text);
		else if (r->depth == 2)
			enter_counter(r, event->text);
		return 0;
	case JSON_NUMBER:
		return r->depth == 2 ? add(r, event->text, err) : 0;
	default:
		return 0;
	}
}

int fc_counters_add(struct hv_metrics *sum, const char *line, size_t len, struct error *err)
{
	struct hv_metrics added = *sum;
	struct reading reading = { .sum = &added };
	int r = json_parse("metrics", line, len, &limits, on_event, &reading, err);

	if (r < 0)
		return r;
	*sum = added;
	return 0;
}

int fc_counters_keep(int dir_fd, uint64_t serial, const struct hv_metrics *sum)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, SERIAL " %" PRIu64 "\n", serial);
	hv_counters_write(sum, &text);
	return write_atomic_at(dir_fd, FC_COUNTERS_NAME, text.buf, text.len, 0600);
}

static int take_line(const char *line, uint64_t *serial, struct hv_metrics *metrics)
{
	cleanup_strv char **words = strv_split(line, ' ');

	if (streq(words[0], SERIAL))
		return strv_len(words) == 2 ? parse_u64(words[1], serial) : -EINVAL;
	return hv_counters_take(words, metrics);
}

int fc_counters_find(const char *control, uint64_t *ret_serial, struct hv_metrics *ret)
{
	cleanup_free char *path = hv_path_beside(control, FC_COUNTERS_NAME);
	cleanup_strv char **lines = NULL;
	cleanup_free char *text = NULL;
	struct hv_metrics metrics = { 0 };
	uint64_t serial = 0;
	int r = read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL);

	if (r < 0)
		return r;
	lines = strv_split(text, '\n');
	strv_each(line, lines) {
		if (*line && take_line(line, &serial, &metrics) < 0)
			return -EPROTO;
	}
	*ret_serial = serial;
	*ret = metrics;
	return 0;
}
