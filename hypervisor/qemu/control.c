/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/qemu/answers.h"
#include "hypervisor/qemu/qemu-internal.h"
#include "hypervisor/qemu/qmp.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/progress.h"
#include "lib/base/str.h"

/*
 * What any process can do to a running QEMU. Each operation is a connection of its own to the
 * control socket, which QEMU serves one after the other.
 */

#define TIMEOUT_MS 10000
#define MOVE_TIMEOUT_MS 120000

/* Machines take memory in pieces of this size. */
#define DIMM_MIB 128u

struct session {
	struct loop *loop;
	struct qmp *qmp;
	const char *awaited; /* id of a device that is to go */
	bool is_gone;
	bool has_moved; /* a state was written or read, or will not be */
};

static bool is_settled(const char *migration)
{
	return streq(migration, "completed") || streq(migration, "failed") ||
	       streq(migration, "cancelled");
}

static void on_event(void *ctx, const char *event, const char *reason, const char *device)
{
	struct session *s = ctx;

	if (streq(event, "MIGRATION") && reason && is_settled(reason))
		s->has_moved = true;
	if (s->awaited && streq(event, "DEVICE_DELETED") && streq_null(device, s->awaited))
		s->is_gone = true;
}

static void on_end(void *ctx, const struct error *err)
{
	((struct session *)ctx)->has_moved = true;
}

static void close_session(struct session *s)
{
	qmp_free(s->qmp);
	loop_free(s->loop);
}
#define cleanup_session CLEANUP(close_session)

static int open_session(const char *control, struct session *s, struct error *err)
{
	const struct qmp_handlers handlers = {
		.on_event = on_event,
		.on_end = on_end,
		.ctx = s,
	};
	cleanup_fd int fd = unix_connect(control);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", control);
	r = loop_new(&s->loop);
	if (r == 0)
		r = qmp_new(s->loop, steal_fd(&fd), &handlers, &s->qmp);
	if (r < 0)
		return error_sys(err, r, "use '%s'", control);
	return qmp_handshake(s->qmp, TIMEOUT_MS, err);
}

static int tell(struct session *s, const char *command, const char *arguments, struct error *err)
{
	return qmp_execute(s->qmp, command, arguments, NULL, NULL, TIMEOUT_MS, err);
}

static int tellf(struct session *s, struct error *err, const char *command, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int tellf(struct session *s, struct error *err, const char *command, const char *fmt, ...)
{
	char *arguments;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&arguments, fmt, ap);
	va_end(ap);
	if (r < 0)
		abort();
	r = tell(s, command, arguments, err);
	free(arguments);
	return r;
}

static int ask(struct session *s, const char *command, const char *arguments,
	       const struct fields *fields, void *result, struct error *err)
{
	return qmp_execute(s->qmp, command, arguments, fields, result, TIMEOUT_MS, err);
}

/* A command that needs no answer, as an operation of its own. */
static int do_one(const char *control, const char *command, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	return r < 0 ? r : tell(&s, command, NULL, err);
}

int qemu_pause(const char *control, struct error *err)
{
	return do_one(control, "stop", err);
}

/* A state that is still being written would stop it again in the end. */
int qemu_resume(const char *control, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = tell(&s, "migrate_cancel", NULL, err);
	return r < 0 ? r : tell(&s, "cont", NULL, err);
}

int qemu_quit(const char *control, struct error *err)
{
	return do_one(control, "quit", err);
}

/* --- what it is --------------------------------------------------------------------------- */

static int ask_machine(struct session *s, char **ret, struct error *err)
{
	struct qmp_text answer = { 0 };
	int r = ask(s, "qom-get", "{\"path\":\"/machine\",\"property\":\"type\"}", &qmp_text_answer,
		    &answer, err);

	if (r == 0 && !answer.value)
		r = error_set(err, -EPROTO, "qmp qom-get: no type in the answer");
	if (r == 0)
		*ret = steal_ptr(&answer.value);
	fields_release(&qmp_text_answer, &answer);
	return r;
}

/* Asked before anything is changed, since QEMU's own words for a machine that cannot are many. */
static int require(struct session *s, enum hv_feature feature, const char *what, struct error *err)
{
	cleanup_free char *machine = NULL;
	int r = ask_machine(s, &machine, err);

	if (r < 0 || (qemu_machine_features(machine) & feature))
		return r;
	r = error_set(err, -ENOTSUP, "machine '%s' cannot %s", machine, what);
	error_sanitize(err);
	return r;
}

int qemu_power_down(const char *control, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = require(&s, HV_FEATURE_POWER_DOWN, "ask its guest to power off", err);
	return r < 0 ? r : tell(&s, "system_powerdown", NULL, err);
}

/* clang-format off */
static const struct hv_state_word states[] = {
	{ "running", HV_STATE_RUNNING },
	{ "paused", HV_STATE_PAUSED },
	{ "prelaunch", HV_STATE_PAUSED },
	{ "postmigrate", HV_STATE_PAUSED },
	{ "finish-migrate", HV_STATE_PAUSED },
	{ "shutdown", HV_STATE_ENDED },
	{ "guest-panicked", HV_STATE_ENDED },
	{ "internal-error", HV_STATE_ENDED },
};
/* clang-format on */

enum hv_state qemu_state(const char *status)
{
	return hv_state_of(states, ARRAY_SIZE(states), status);
}

static int ask_state(struct session *s, enum hv_state *ret, struct error *err)
{
	struct qmp_status answer = { 0 };
	int r = ask(s, "query-status", NULL, &qmp_status_answer, &answer, err);

	if (r == 0 && !answer.value.status)
		r = error_set(err, -EPROTO, "qmp query-status: no status in the answer");
	if (r == 0)
		*ret = qemu_state(answer.value.status);
	fields_release(&qmp_status_answer, &answer);
	return r;
}

static int ask_vcpus(struct session *s, uint32_t *ret, struct error *err)
{
	struct qmp_cpus answer = { 0 };
	int r = ask(s, "query-cpus-fast", NULL, &qmp_cpus_answer, &answer, err);

	if (r == 0)
		*ret = (uint32_t)answer.items_count;
	fields_release(&qmp_cpus_answer, &answer);
	return r;
}

static int ask_memory(struct session *s, uint64_t *ret_bytes, struct error *err)
{
	struct qmp_memory answer = { 0 };
	int r = ask(s, "query-memory-size-summary", NULL, &qmp_memory_answer, &answer, err);

	if (r == 0 && __builtin_add_overflow(answer.value.base, answer.value.plugged, ret_bytes))
		r = error_set(err, -EPROTO, "qmp query-memory-size-summary: no such size");
	fields_release(&qmp_memory_answer, &answer);
	return r;
}

/* They never go, so that their order is that of their addresses. */
static int ask_pieces(struct session *s, struct hv_status *status, struct error *err)
{
	struct qmp_pieces answer = { 0 };
	int r = ask(s, "query-memory-devices", NULL, &qmp_pieces_answer, &answer, err);

	for (size_t i = 0; r == 0 && i < answer.items_count; i++) {
		uint64_t mib = answer.items[i].data.size >> 20;

		if (i >= HV_PIECES_MAX || mib > UINT32_MAX)
			r = error_set(err, -EPROTO, "qmp query-memory-devices: no such pieces");
		else
			status->pieces_mib[status->pieces_count++] = (uint32_t)mib;
	}
	fields_release(&qmp_pieces_answer, &answer);
	return r;
}

int qemu_query(const char *control, struct hv_status *ret, struct error *err)
{
	cleanup_session struct session s = { 0 };
	cleanup_free char *machine = NULL;
	struct hv_status status = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = ask_state(&s, &status.state, err);
	if (r == 0)
		r = ask_machine(&s, &machine, err);
	if (r == 0)
		r = ask_vcpus(&s, &status.vcpus, err);
	if (r == 0)
		r = ask_memory(&s, &status.memory_bytes, err);
	if (r == 0)
		r = ask_pieces(&s, &status, err);
	if (r < 0)
		return r;
	status.features = qemu_machine_features(machine);
	snprintf(status.machine, sizeof(status.machine), "%s", machine);
	*ret = status;
	return 0;
}

static void copy_disks(const struct qmp_disks *answer, struct hv_metrics *ret)
{
	for (size_t i = 0; i < answer->items_count && ret->devices_count < HV_DEVICES_MAX; i++) {
		const struct qmp_disk *from = &answer->items[i];
		struct hv_device_metrics *to = &ret->devices[ret->devices_count];

		if (!from->node_name || hv_check_disk_id(from->node_name, NULL) < 0)
			continue;
		*to = (struct hv_device_metrics){
			.read_bytes = from->stats.read_bytes,
			.written_bytes = from->stats.written_bytes,
			.reads = from->stats.reads,
			.writes = from->stats.writes,
		};
		snprintf(to->id, sizeof(to->id), "%s", from->node_name);
		ret->devices_count++;
	}
}

static int ask_disks(struct session *s, struct hv_metrics *ret, struct error *err)
{
	struct qmp_disks answer = { 0 };
	int r = ask(s, "query-blockstats", NULL, &qmp_disks_answer, &answer, err);

	if (r == 0)
		copy_disks(&answer, ret);
	fields_release(&qmp_disks_answer, &answer);
	return r;
}

int qemu_metrics(const char *control, struct hv_metrics *ret, struct error *err)
{
	cleanup_session struct session s = { 0 };
	struct hv_metrics metrics = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = ask_vcpus(&s, &metrics.vcpus, err);
	if (r == 0)
		r = ask_memory(&s, &metrics.memory_bytes, err);
	if (r == 0)
		r = ask_disks(&s, &metrics, err);
	if (r == 0)
		*ret = metrics;
	return r;
}

/* --- disks -------------------------------------------------------------------------------- */

static int require_slots(struct session *s, struct error *err)
{
	struct qmp_text answer = { 0 };
	struct error reason = ERROR_INIT;
	int r = ask(s, "qom-get",
		    "{\"path\":\"/machine/peripheral/" QEMU_SCSI_ID "\",\"property\":\"type\"}",
		    &qmp_text_answer, &answer, &reason);

	fields_release(&qmp_text_answer, &answer);
	if (r == -EIO)
		return error_set(err, -ENOTSUP, HV_NO_SLOTS);
	if (r < 0 && err)
		*err = reason;
	return r;
}

/* QEMU picks the number of the set. */
static int pass_fd(struct session *s, int fd, uint32_t *ret_set, struct error *err)
{
	struct qmp_fd_set answer = { 0 };
	int r = qmp_execute_with_fd(s->qmp, "add-fd", NULL, fd, &qmp_fd_set_answer, &answer,
				    TIMEOUT_MS, err);

	if (r == 0)
		*ret_set = answer.value.id;
	return r;
}

static int add_block_node(struct session *s, const struct hv_disk *disk, uint32_t set,
			  struct error *err)
{
	const char *readonly = disk->is_readonly ? "true" : "false";

	return tellf(s, err, "blockdev-add",
		     "{\"driver\":\"raw\",\"node-name\":\"%s\",\"read-only\":%s,"
		     "\"file\":{\"driver\":\"%s\",\"filename\":\"/dev/fdset/%u\"}}",
		     disk->id, readonly, disk->is_device ? "host_device" : "file", set);
}

/* QEMU frees the set with the node that was the last to use it; one that nobody used is kept for
 * as long as somebody is connected. */
static int attach(struct session *s, const struct hv_disk *disk, struct error *err)
{
	uint32_t set;
	int r = pass_fd(s, disk->fd, &set, err);

	if (r == 0)
		r = add_block_node(s, disk, set, err);
	if (r < 0)
		return r;
	r = tellf(s, err, "device_add",
		  "{\"driver\":\"scsi-hd\",\"id\":\"%s\",\"bus\":\"" QEMU_SCSI_ID ".0\","
		  "\"drive\":\"%s\",\"serial\":\"%s\"}",
		  disk->id, disk->id, disk->id);
	if (r < 0)
		(void)tellf(s, NULL, "blockdev-del", "{\"node-name\":\"%s\"}", disk->id);
	return r;
}

int qemu_plug(const char *control, const struct hv_disk *disk, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = hv_check_disk_id(disk->id, err);

	if (r == 0)
		r = open_session(control, &s, err);
	if (r == 0)
		r = require_slots(&s, err);
	if (r == 0)
		r = attach(&s, disk, err);
	return r < 0 ? error_wrap(err, r, "plug disk '%s'", disk->id) : 0;
}

/* The guest may take its time to let go of it, or never do. */
static int detach(struct session *s, const char *id, struct error *err)
{
	int r;

	s->awaited = id;
	r = tellf(s, err, "device_del", "{\"id\":\"%s\"}", id);
	if (r < 0)
		return r;
	r = loop_run_until(s->loop, &s->is_gone, TIMEOUT_MS);
	if (r < 0)
		return error_sys(err, r, "wait for the guest to let it go");
	return tellf(s, err, "blockdev-del", "{\"node-name\":\"%s\"}", id);
}

int qemu_unplug(const char *control, const char *id, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = hv_check_disk_id(id, err);

	if (r == 0)
		r = open_session(control, &s, err);
	if (r == 0)
		r = detach(&s, id, err);
	return r < 0 ? error_wrap(err, r, "unplug disk '%.40s'", id) : 0;
}

/* --- size --------------------------------------------------------------------------------- */

static void add_prop(struct strbuf *sb, const char *name, const struct opt_u32 *value)
{
	if (value->is_set)
		strbuf_addf(sb, ",\"%s\":%u", name, value->value);
}

static int add_vcpu(struct session *s, const struct qmp_slot *slot, struct error *err)
{
	cleanup_strbuf struct strbuf arguments = STRBUF_INIT;

	strbuf_addstr(&arguments, "{\"driver\":");
	json_quote(&arguments, slot->type);
	strbuf_addf(&arguments, ",\"id\":\"cpu-%u-%u-%u\"", slot->props.socket_id.value,
		    slot->props.core_id.value, slot->props.thread_id.value);
	add_prop(&arguments, "socket-id", &slot->props.socket_id);
	add_prop(&arguments, "die-id", &slot->props.die_id);
	add_prop(&arguments, "core-id", &slot->props.core_id);
	add_prop(&arguments, "thread-id", &slot->props.thread_id);
	strbuf_addch(&arguments, '}');
	return tell(s, "device_add", arguments.buf, err);
}

/* QEMU lists the highest slot first. */
static int fill_slots(struct session *s, const struct qmp_slots *slots, uint32_t missing,
		      struct error *err)
{
	for (size_t i = slots->items_count; missing && i > 0; i--) {
		const struct qmp_slot *slot = &slots->items[i - 1];
		int r;

		if (slot->qom_path || !slot->type)
			continue;
		r = add_vcpu(s, slot, err);
		if (r < 0)
			return r;
		missing--;
	}
	if (missing)
		return error_set(err, -ERANGE, "no slots for %u more vcpus", missing);
	return 0;
}

static int grow_vcpus(struct session *s, uint32_t wanted, struct error *err)
{
	struct qmp_slots slots = { 0 };
	uint32_t have = 0;
	int r = ask_vcpus(s, &have, err);

	if (r < 0 || have >= wanted)
		return r;
	r = require(s, HV_FEATURE_RESIZE_VCPUS, "be given vcpus", err);
	if (r == 0)
		r = ask(s, "query-hotpluggable-cpus", NULL, &qmp_slots_answer, &slots, err);
	if (r == 0)
		r = fill_slots(s, &slots, wanted - have, err);
	fields_release(&qmp_slots_answer, &slots);
	return r;
}

/* Shared, as all of a guest's memory that virtiofsd reads and writes has to be. Memory never goes
 * again, so what the VM has names the piece. */
static int add_dimm(struct session *s, uint64_t have_mib, uint64_t size_mib, struct error *err)
{
	int r = tellf(s, err, "object-add",
		      "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"ram-%llu\",\"share\":true,"
		      "\"size\":%llu}",
		      (unsigned long long)have_mib, (unsigned long long)size_mib << 20);

	if (r < 0)
		return r;
	r = tellf(s, err, "device_add",
		  "{\"driver\":\"pc-dimm\",\"id\":\"dimm-%llu\",\"memdev\":\"ram-%llu\"}",
		  (unsigned long long)have_mib, (unsigned long long)have_mib);
	if (r < 0)
		(void)tellf(s, NULL, "object-del", "{\"id\":\"ram-%llu\"}",
			    (unsigned long long)have_mib);
	return r;
}

static int grow_memory(struct session *s, uint32_t wanted_mib, struct error *err)
{
	uint64_t bytes = 0, have, missing;
	int r = ask_memory(s, &bytes, err);

	have = bytes >> 20;
	if (r < 0 || have >= wanted_mib)
		return r;
	r = require(s, HV_FEATURE_RESIZE_MEMORY, "be given memory", err);
	if (r < 0)
		return r;
	missing = (wanted_mib - have + DIMM_MIB - 1) / DIMM_MIB * DIMM_MIB;
	return add_dimm(s, have, missing, err);
}

int qemu_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0 && vcpus)
		r = grow_vcpus(&s, vcpus, err);
	if (r == 0 && memory_mib)
		r = grow_memory(&s, memory_mib, err);
	return r < 0 ? error_wrap(err, r, "resize") : 0;
}

/* --- state -------------------------------------------------------------------------------- */

/* The memory that QEMU would leave out is that of files which others can write to, as it is while
 * it is saved. */
static int prepare_move(struct session *s, enum hv_saved what, int fd, struct error *err)
{
	const char *ignores_memory = what == HV_SAVED_DEVICES ? "true" : "false";
	int r = tellf(s, err, "migrate-set-capabilities",
		      "{\"capabilities\":[{\"capability\":\"events\",\"state\":true},"
		      "{\"capability\":\"x-ignore-shared\",\"state\":%s}]}",
		      ignores_memory);

	if (r < 0)
		return r;
	return qmp_execute_with_fd(s->qmp, "getfd", "{\"fdname\":\"state\"}", fd, NULL, NULL,
				   TIMEOUT_MS, err);
}

static int ask_moved(struct session *s, struct error *err)
{
	struct qmp_migration answer = { 0 };
	int r = ask(s, "query-migrate", NULL, &qmp_migration_answer, &answer, err);

	if (r == 0 && !streq_null(answer.value.status, "completed")) {
		r = error_set(err, -EIO, "%s",
			      answer.value.reason ? answer.value.reason : "no reason given");
		error_sanitize(err);
	}
	fields_release(&qmp_migration_answer, &answer);
	return r;
}

static void show_saved(struct session *s, int fd)
{
	struct qmp_migration answer = { 0 };

	if (ask(s, "query-migrate", NULL, &qmp_migration_answer, &answer, NULL) == 0 &&
	    answer.value.ram.remaining <= answer.value.ram.total)
		progress_at("saving the memory",
			    answer.value.ram.total - answer.value.ram.remaining,
			    answer.value.ram.total);
	fields_release(&qmp_migration_answer, &answer);
}

/* QEMU does not know how much is to come; but its place in the file is ours, since the descriptor
 * was passed. */
static void show_restored(struct session *s, int fd)
{
	struct stat st;
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (at >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		progress_at("restoring the memory", (uint64_t)at, (uint64_t)st.st_size);
}

static int await_moved(struct session *s, int fd, void (*show)(struct session *s, int fd),
		       struct error *err)
{
	long long deadline = now_ms() + MOVE_TIMEOUT_MS;
	int r;

	do {
		r = loop_run_until(s->loop, &s->has_moved, PROGRESS_TICK_MS);
		if (r == -ETIMEDOUT && progress_is_wanted())
			show(s, fd);
	} while (r == -ETIMEDOUT && now_ms() < deadline);
	return r < 0 ? error_sys(err, r, "wait for its end") : ask_moved(s, err);
}

int qemu_save(const char *control, enum hv_saved what, int fd, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = tell(&s, "stop", NULL, err);
	if (r == 0)
		r = prepare_move(&s, what, fd, err);
	if (r == 0)
		r = tell(&s, "migrate", "{\"uri\":\"fd:state\"}", err);
	if (r == 0)
		r = await_moved(&s, fd, show_saved, err);
	return r < 0 ? error_wrap(err, r, "save") : 0;
}

int qemu_restore(const char *control, enum hv_saved what, int fd, struct error *err)
{
	cleanup_session struct session s = { 0 };
	int r = open_session(control, &s, err);

	if (r == 0)
		r = prepare_move(&s, what, fd, err);
	if (r == 0)
		r = tell(&s, "migrate-incoming", "{\"uri\":\"fd:state\"}", err);
	if (r == 0)
		r = await_moved(&s, fd, show_restored, err);
	if (r == 0)
		r = tell(&s, "cont", NULL, err);
	return r < 0 ? error_wrap(err, r, "restore") : 0;
}
