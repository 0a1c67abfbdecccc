/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/criu/message.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

#include "lib/base/error.h"
#include "lib/base/wire.h"

static const char *const cgroups_mode_words[] = { "soft", "full", "strict", "ignore" };
const struct names criu_cgroups_modes = NAMES(cgroups_mode_words);
static const uint64_t cgroups_mode_numbers[] = { 3, 4, 5, 0 };
#define CGROUPS_IGNORED 0

static const char *const network_lock_words[] = { "iptables", "nftables", "skip" };
const struct names criu_network_locks = NAMES(network_lock_words);
static const uint64_t network_lock_numbers[] = { 1, 2, 3 };

/* Numbers of rpc.proto. */
enum { REQUEST_TYPE = 1, REQUEST_OPTIONS = 2, REQUEST_SUCCESS = 3 };
enum {
	OPTION_IMAGES_FD = 1,
	OPTION_PID = 2,
	OPTION_EVASIVE_DEVICES = 6,
	OPTION_LOG_LEVEL = 9,
	OPTION_LOG_FILE = 10,
	OPTION_PAGE_SERVER = 11,
	OPTION_NOTIFY = 12,
	OPTION_ROOT = 13,
	OPTION_PARENT = 14,
	OPTION_TRACK_MEMORY = 15,
	OPTION_WORK_FD = 17,
	OPTION_MANAGE_CGROUPS = 24,
	OPTION_CGROUP_ROOT = 25,
	OPTION_SIBLING = 26,
	OPTION_INHERIT = 27,
	OPTION_CGROUPS_MODE = 34,
	OPTION_EXTERNAL = 37,
	OPTION_EMPTY_NAMESPACES = 38,
	OPTION_FREEZER = 44,
	OPTION_STATUS_FD = 49,
	OPTION_ORPHAN_TERMINAL = 50,
	OPTION_CONFIG = 51,
	OPTION_LSM_PROFILE = 53,
	OPTION_LSM_MOUNT_CONTEXT = 63,
	OPTION_NETWORK_LOCK = 64,
};
#define LOG_LEVEL_DEBUG 4

/* Of struct criu_options: flags that are flags of CRIU's too, and texts. */
static const struct {
	uint32_t number;
	size_t offset;
} flags[] = {
	{ 3, offsetof(struct criu_options, leave_running) },
	{ 4, offsetof(struct criu_options, ext_unix_sk) },
	{ 5, offsetof(struct criu_options, tcp_established) },
	{ 7, offsetof(struct criu_options, shell_job) },
	{ 8, offsetof(struct criu_options, file_locks) },
	{ 16, offsetof(struct criu_options, auto_dedup) },
	{ 18, offsetof(struct criu_options, link_remap) },
	{ 46, offsetof(struct criu_options, tcp_skip_in_flight) },
	{ 48, offsetof(struct criu_options, lazy_pages) },
	{ 52, offsetof(struct criu_options, tcp_close) },
}, texts[] = {
	{ OPTION_PARENT, offsetof(struct criu_options, parent_path) },
	{ OPTION_CONFIG, offsetof(struct criu_options, config_path) },
	{ OPTION_LSM_PROFILE, offsetof(struct criu_options, lsm_profile) },
	{ OPTION_LSM_MOUNT_CONTEXT, offsetof(struct criu_options, lsm_mount_context) },
};

static void add_text(struct strbuf *sb, uint32_t number, const char *text)
{
	if (text)
		wire_add_bytes(sb, number, text, strlen(text));
}

static void add_wishes(struct strbuf *sb, const struct criu_options *options)
{
	const char *base = (const char *)options;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (*(const bool *)(base + flags[i].offset))
			wire_add_varint(sb, flags[i].number, 1);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		add_text(sb, texts[i].number, *(const char *const *)(base + texts[i].offset));
	if (options->status_fd)
		wire_add_varint(sb, OPTION_STATUS_FD, (uint64_t)options->status_fd);
	wire_add_varint(sb, OPTION_NETWORK_LOCK, network_lock_numbers[options->network_lock]);
	wire_add_varint(sb, OPTION_CGROUPS_MODE, cgroups_mode_numbers[options->cgroups_mode]);
	wire_add_varint(sb, OPTION_MANAGE_CGROUPS,
			cgroups_mode_numbers[options->cgroups_mode] != CGROUPS_IGNORED);
}

/* The last colon: the address may be one of version 6. */
static int add_page_server(struct strbuf *sb, const char *place, struct error *err)
{
	cleanup_strbuf struct strbuf server = STRBUF_INIT;
	const char *colon = place ? strrchr(place, ':') : NULL;
	uint32_t port;

	if (!place)
		return 0;
	if (!colon || colon == place || parse_u32(colon + 1, &port) < 0 || port > UINT16_MAX)
		return error_set(err, -EINVAL, "page server '%s': not an ADDRESS:PORT", place);
	wire_add_bytes(&server, 1, place, (size_t)(colon - place));
	wire_add_varint(&server, 2, port);
	wire_add_bytes(sb, OPTION_PAGE_SERVER, server.buf, server.len);
	return 0;
}

static int add_empty_namespaces(struct strbuf *sb, char *const *names, struct error *err)
{
	strv_each(name, names)
		if (!streq(name, "network"))
			return error_set(
				err, -EINVAL,
				"namespace '%s': only that of the network can be left empty", name);
	if (strv_len(names))
		wire_add_varint(sb, OPTION_EMPTY_NAMESPACES, CLONE_NEWNET);
	return 0;
}

static void add_inherited(struct strbuf *sb, const struct criu_inherited *inherited)
{
	cleanup_strbuf struct strbuf part = STRBUF_INIT;

	add_text(&part, 1, inherited->key);
	wire_add_varint(&part, 2, (uint64_t)inherited->fd);
	wire_add_bytes(sb, OPTION_INHERIT, part.buf, part.len);
}

static void add_cgroup_root(struct strbuf *sb, const struct criu_cgroup_root *root)
{
	cleanup_strbuf struct strbuf part = STRBUF_INIT;

	add_text(&part, 1, root->controllers);
	add_text(&part, 2, root->path);
	wire_add_bytes(sb, OPTION_CGROUP_ROOT, part.buf, part.len);
}

static void add_lists(struct strbuf *sb, const struct criu_request *request)
{
	strv_each(external, request->externals)
		add_text(sb, OPTION_EXTERNAL, external);
	for (size_t i = 0; i < request->inherited_count; i++)
		add_inherited(sb, &request->inherited[i]);
	for (size_t i = 0; i < request->cgroup_roots_count; i++)
		add_cgroup_root(sb, &request->cgroup_roots[i]);
}

static void add_places(struct strbuf *sb, const struct criu_places *places)
{
	wire_add_varint(sb, OPTION_IMAGES_FD, (uint64_t)places->images_fd);
	wire_add_varint(sb, OPTION_WORK_FD, (uint64_t)places->work_fd);
	wire_add_varint(sb, OPTION_LOG_LEVEL, LOG_LEVEL_DEBUG);
	add_text(sb, OPTION_LOG_FILE, places->log);
}

/* A terminal's other end is somebody else's, and devices of the host's are not within the root. */
static void add_circumstances(struct strbuf *sb, const struct criu_request *request)
{
	wire_add_varint(sb, OPTION_EVASIVE_DEVICES, 1);
	if (!request->inherits_terminal)
		wire_add_varint(sb, OPTION_ORPHAN_TERMINAL, 1);
	wire_add_varint(sb, OPTION_NOTIFY, 1);
	add_text(sb, OPTION_ROOT, request->root);
	add_text(sb, OPTION_FREEZER, request->freezer);
	if (request->pid)
		wire_add_varint(sb, OPTION_PID, (uint64_t)request->pid);
	if (request->is_sibling)
		wire_add_varint(sb, OPTION_SIBLING, 1);
	/* A later dump then saves only what has changed. */
	if (request->deed == CRIU_PRE_DUMP || request->options->parent_path)
		wire_add_varint(sb, OPTION_TRACK_MEMORY, 1);
}

int criu_message_request(const struct criu_request *request, const struct criu_places *places,
			 struct strbuf *ret, struct error *err)
{
	cleanup_strbuf struct strbuf options = STRBUF_INIT;
	int r = add_page_server(&options, request->options->page_server, err);

	if (r == 0)
		r = add_empty_namespaces(&options, request->options->empty_namespaces, err);
	if (r < 0)
		return r;
	add_places(&options, places);
	add_circumstances(&options, request);
	add_wishes(&options, request->options);
	add_lists(&options, request);
	wire_add_varint(ret, REQUEST_TYPE, request->deed);
	wire_add_bytes(ret, REQUEST_OPTIONS, options.buf, options.len);
	return 0;
}

void criu_message_heard(bool is_fine, struct strbuf *ret)
{
	wire_add_varint(ret, REQUEST_TYPE, CRIU_STAGE_NOTIFY);
	wire_add_varint(ret, REQUEST_SUCCESS, is_fine);
}

void criu_answer_done(struct criu_answer *answer)
{
	free(answer->stage);
	free(answer->reason);
}

static void take_text(char **to, const struct wire_field *field)
{
	free(*to);
	*to = xstrndup((const char *)field->data, field->len);
	str_sanitize(*to, false);
}

/* criu_notify and criu_restore_resp, whose fields do not collide. */
static int read_part(const struct wire_field *part, uint32_t pid_number, struct criu_answer *ret)
{
	struct wire_reader reader = { part->data, part->data + part->len };
	struct wire_field field;
	int r = wire_next(&reader, &field);

	for (; r > 0; r = wire_next(&reader, &field)) {
		if (field.number == pid_number && field.type == WIRE_VARINT)
			ret->pid = (pid_t)field.value;
		else if (field.number == 1 && field.type == WIRE_BYTES)
			take_text(&ret->stage, &field);
	}
	return r;
}

static int read_field(const struct wire_field *field, struct criu_answer *ret)
{
	enum { TYPE = 1, SUCCESS = 2, RESTORED = 4, NOTIFICATION = 5, REASON = 9 };

	if (field->number == TYPE && field->type == WIRE_VARINT)
		ret->type = field->value;
	if (field->number == SUCCESS && field->type == WIRE_VARINT)
		ret->is_success = field->value;
	if (field->number == RESTORED && field->type == WIRE_BYTES)
		return read_part(field, 1, ret);
	if (field->number == NOTIFICATION && field->type == WIRE_BYTES)
		return read_part(field, 2, ret);
	if (field->number == REASON && field->type == WIRE_BYTES)
		take_text(&ret->reason, field);
	return 0;
}

int criu_message_answer(const void *data, size_t len, struct criu_answer *ret, struct error *err)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct wire_field field;
	int r;

	*ret = (struct criu_answer){ 0 };
	while ((r = wire_next(&reader, &field)) > 0) {
		r = read_field(&field, ret);
		if (r < 0)
			break;
	}
	return r < 0 ? error_set(err, r, "criu: an answer that is not understood") : 0;
}
