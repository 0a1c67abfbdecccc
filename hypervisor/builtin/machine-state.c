/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "hypervisor/builtin/machine-internal.h"
#include "hypervisor/builtin/serial.h"
#include "hypervisor/builtin/state.h"
#include "hypervisor/builtin/vcpus.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

bool machine_is_blank(const struct machine *m)
{
	return m->is_blank;
}

/* --- saving ------------------------------------------------------------------------------- */

static void add_bytes(struct strbuf *out, enum state_field field, const struct strbuf *text)
{
	wire_add_bytes(out, field, text->buf ? text->buf : "", text->len);
}

static int save_chip(struct machine *m, struct strbuf *out, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r = arch_save_chip(&m->kvm, m->vcpus_count, &text, err);

	add_bytes(out, STATE_CHIP, &text);
	return r;
}

static int save_vcpus(struct machine *m, struct strbuf *out, struct error *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < m->vcpus_count; i++) {
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		r = vcpus_save(m->vcpus, &m->kvm, i, &text, err);
		add_bytes(out, STATE_VCPU, &text);
	}
	return r;
}

static void save_devices(struct machine *m, struct strbuf *out)
{
	cleanup_strbuf struct strbuf serial = STRBUF_INIT;

	serial_save(m->serial, &serial);
	add_bytes(out, STATE_SERIAL, &serial);
	for (size_t i = 0; i < m->slots_count; i++) {
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		virtio_mmio_save(m->slots[i].window, &text);
		add_bytes(out, STATE_WINDOW, &text);
	}
}

int machine_save(struct machine *m, enum hv_saved what, int fd, struct error *err)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	int r;

	/* They are served by a thread of its own; what the guest has open is not in memory. */
	if (m->files)
		return error_set(err, -ENOTSUP, "a machine that shares files cannot be saved");
	for (size_t i = 0; i < m->slots_count; i++)
		virtio_mmio_hold(m->slots[i].window);
	wire_add_varint(&out, STATE_MEMORY_BYTES, m->memory_bytes);
	r = save_chip(m, &out, err);
	if (r == 0)
		r = save_vcpus(m, &out, err);
	if (r < 0)
		return r;
	save_devices(m, &out);
	r = state_write(fd, what == HV_SAVED_ALL, &out, err);
	if (r == 0 && what == HV_SAVED_ALL)
		r = state_write_memory(fd, m->host, m->memory_bytes, err);
	return r;
}

/* --- restoring ---------------------------------------------------------------------------- */

static int check_sizes(const struct machine *m, const struct state *s, struct error *err)
{
	if (s->memory_bytes != m->memory_bytes)
		return error_set(err, -EINVAL,
				 "the saved machine has %llu MiB of memory, this one %llu",
				 (unsigned long long)s->memory_bytes >> 20,
				 (unsigned long long)m->memory_bytes >> 20);
	if (s->vcpus_count != m->vcpus_count)
		return error_set(err, -EINVAL, "the saved machine has %zu vcpus, this one %u",
				 s->vcpus_count, m->vcpus_count);
	if (s->windows_count != m->slots_count)
		return error_set(err, -EINVAL,
				 "the saved machine has %zu virtio devices, this one %zu",
				 s->windows_count, m->slots_count);
	return 0;
}

/* Devices come last: what they have to tell the guest goes through the chips. */
static int put_state(struct machine *m, const struct state *s, struct error *err)
{
	int r = arch_restore_chip(&m->kvm, s->chip.data, s->chip.len, err);

	for (uint32_t i = 0; r == 0 && i < m->vcpus_count; i++)
		r = vcpus_restore(m->vcpus, i, s->vcpus[i].data, s->vcpus[i].len, err);
	if (r == 0)
		r = arch_restore_clock(&m->kvm, s->chip.data, s->chip.len, err);
	if (r == 0 && serial_restore(m->serial, s->serial.data, s->serial.len) < 0)
		r = error_set(err, -EBADMSG, "serial port: not what a saved machine has");
	for (size_t i = 0; r == 0 && i < m->slots_count; i++)
		r = virtio_mmio_restore(m->slots[i].window, s->windows[i].data, s->windows[i].len,
					err);
	return r;
}

int machine_restore(struct machine *m, enum hv_saved what, int fd, struct error *err)
{
	cleanup_free struct state *s = xcalloc(1, sizeof(*s));
	cleanup_free char *data = NULL;
	size_t len;
	int r = state_read(fd, what == HV_SAVED_ALL, &data, &len, err);

	if (r < 0)
		return r;
	if (state_parse(data, len, s) < 0)
		return error_set(err, -EBADMSG, "the saved machine has no state that makes sense");
	r = check_sizes(m, s, err);
	if (r == 0)
		r = arch_check_processor(&m->kvm, m->vcpus_count, s->chip.data, s->chip.len, err);
	/* Devices look at the guest's memory as soon as they go on. */
	if (r == 0 && what == HV_SAVED_ALL)
		r = state_read_memory(fd, m->host, m->memory_bytes, err);
	if (r == 0)
		r = put_state(m, s, err);
	if (r == 0)
		m->is_blank = false;
	return r;
}
