/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/x86_64/acpi.h"

#include <errno.h>
#include <string.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/*
 * ACPI 6.5: 5.2.5 (root pointer), 5.2.6 (headers), 5.2.9 (FADT), 5.2.12 (MADT), 6.4 (resources),
 * 20.2 (AML). Tables are texts until they are whole, since a header has the length and a sum of
 * all that follows.
 */

enum { HEADER_SIZE = 36, LENGTH_AT = 4, SUM_AT = 9 };

static void add_u8(struct strbuf *t, unsigned int value)
{
	strbuf_addch(t, (char)value);
}

static void add_le(struct strbuf *t, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		add_u8(t, (unsigned int)(value >> 8 * i) & 0xff);
}

static void put_le(struct strbuf *t, size_t at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		t->buf[at + i] = (char)(value >> 8 * i);
}

static void add_zeros(struct strbuf *t, size_t count)
{
	while (count--)
		add_u8(t, 0);
}

/* What makes all bytes add up to 0. */
static char sum_of(const char *bytes, size_t len)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + (unsigned char)bytes[i]);
	return (char)(0x100 - sum);
}

static void begin_table(struct strbuf *t, const char *signature, unsigned int revision)
{
	strbuf_add(t, signature, 4);
	add_le(t, 0, 4); /* length */
	add_u8(t, revision);
	add_u8(t, 0); /* sum */
	strbuf_add(t, "MOAT  ", 6);
	strbuf_add(t, "MOATVMM ", 8);
	add_le(t, 1, 4);
	strbuf_add(t, "MOAT", 4);
	add_le(t, 1, 4);
}

static void end_table(struct strbuf *t)
{
	put_le(t, LENGTH_AT, t->len, 4);
	t->buf[SUM_AT] = sum_of(t->buf, t->len);
}

/* --- AML ---------------------------------------------------------------------------------- */

enum {
	AML_ZERO = 0x00,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_EXTENDED = 0x5b,
	AML_DEVICE = 0x82, /* behind AML_EXTENDED */
};

enum { RESOURCE_IO = 0x47, RESOURCE_MEMORY32 = 0x86, RESOURCE_IRQ = 0x89, RESOURCE_END = 0x79 };
enum { IO_DECODES_16_BITS = 1, MEMORY_WRITABLE = 1, IRQ_CONSUMER = 1, IRQ_EDGE = 2 };

/* The length counts the bytes that it takes itself: always two, which is enough for 4 KiB. */
static void add_block(struct strbuf *t, const struct strbuf *inner)
{
	size_t len = inner->len + 2;

	add_u8(t, 0x40 | (len & 0xf));
	add_u8(t, (unsigned int)(len >> 4) & 0xff);
	strbuf_add(t, inner->buf, inner->len);
}

static void add_name(struct strbuf *t, const char *name)
{
	add_u8(t, AML_NAME);
	strbuf_add(t, name, 4);
}

static void add_dword(struct strbuf *t, const char *name, uint32_t value)
{
	add_name(t, name);
	add_u8(t, AML_DWORD);
	add_le(t, value, 4);
}

static void add_interrupt(struct strbuf *t, uint32_t gsi)
{
	add_u8(t, RESOURCE_IRQ);
	add_le(t, 6, 2);
	add_u8(t, IRQ_CONSUMER | IRQ_EDGE);
	add_u8(t, 1);
	add_le(t, gsi, 4);
}

static void add_resources(struct strbuf *device, struct strbuf *resources)
{
	cleanup_strbuf struct strbuf buffer = STRBUF_INIT;

	add_u8(resources, RESOURCE_END);
	add_u8(resources, 0); /* its sum need not be given */
	add_u8(&buffer, AML_BYTE);
	add_u8(&buffer, (unsigned int)resources->len);
	strbuf_add(&buffer, resources->buf, resources->len);
	add_name(device, "_CRS");
	add_u8(device, AML_BUFFER);
	add_block(device, &buffer);
}

static void add_device(struct strbuf *scope, const struct strbuf *device)
{
	add_u8(scope, AML_EXTENDED);
	add_u8(scope, AML_DEVICE);
	add_block(scope, device);
}

static void add_serial(struct strbuf *scope)
{
	cleanup_strbuf struct strbuf device = STRBUF_INIT, resources = STRBUF_INIT;

	strbuf_add(&device, "COM1", 4);
	add_dword(&device, "_HID", 0x0105d041); /* PNP0501 in the letters of EISA */
	add_u8(&resources, RESOURCE_IO);
	add_u8(&resources, IO_DECODES_16_BITS);
	add_le(&resources, LAYOUT_SERIAL_PORT, 2);
	add_le(&resources, LAYOUT_SERIAL_PORT, 2);
	add_u8(&resources, 1);
	add_u8(&resources, 8);
	add_interrupt(&resources, LAYOUT_SERIAL_GSI);
	add_resources(&device, &resources);
	add_device(scope, &device);
}

static void add_virtio(struct strbuf *scope, size_t i, const struct acpi_device *virtio)
{
	static const char hex[] = "0123456789ABCDEF";
	const char name[] = { 'V', 'R', hex[i >> 4 & 0xf], hex[i & 0xf] };
	cleanup_strbuf struct strbuf device = STRBUF_INIT, resources = STRBUF_INIT;

	strbuf_add(&device, name, sizeof(name));
	add_name(&device, "_HID");
	add_u8(&device, AML_STRING);
	strbuf_add(&device, "LNRO0005", sizeof("LNRO0005"));
	add_dword(&device, "_UID", (uint32_t)i);
	add_dword(&device, "_CCA", 1); /* its accesses are coherent with caches */
	add_u8(&resources, RESOURCE_MEMORY32);
	add_le(&resources, 9, 2);
	add_u8(&resources, MEMORY_WRITABLE);
	add_le(&resources, virtio->address, 4);
	add_le(&resources, LAYOUT_VIRTIO_SIZE, 4);
	add_interrupt(&resources, virtio->gsi);
	add_resources(&device, &resources);
	add_device(scope, &device);
}

/* Only what a sleep register wants written for "off"; nothing sleeps otherwise. */
static void add_power_off(struct strbuf *t)
{
	cleanup_strbuf struct strbuf package = STRBUF_INIT;

	add_u8(&package, 4);
	add_u8(&package, AML_BYTE);
	add_u8(&package, 5);
	for (int i = 0; i < 3; i++)
		add_u8(&package, AML_ZERO);
	add_name(t, "_S5_");
	add_u8(t, AML_PACKAGE);
	add_block(t, &package);
}

/* --- tables ------------------------------------------------------------------------------- */

static void make_dsdt(struct strbuf *t, const struct acpi_machine *machine)
{
	cleanup_strbuf struct strbuf scope = STRBUF_INIT;

	begin_table(t, "DSDT", 2);
	add_power_off(t);
	strbuf_add(&scope, "\\_SB_", 5);
	add_serial(&scope);
	for (size_t i = 0; i < machine->devices_count; i++)
		add_virtio(&scope, i, &machine->devices[i]);
	add_u8(t, AML_SCOPE);
	add_block(t, &scope);
	end_table(t);
}

enum {
	FADT_SIZE = 276,
	FADT_BOOT_FLAGS_AT = 109,
	FADT_FLAGS_AT = 112,
	FADT_RESET_AT = 116,
	FADT_RESET_VALUE_AT = 128,
	FADT_MINOR_AT = 131,
	FADT_DSDT_AT = 140,
	FADT_SLEEP_AT = 244,
	FADT_SLEEP_STATUS_AT = 256,
};
enum { BOOT_NO_VGA = 1 << 2, BOOT_NO_MSI = 1 << 3, BOOT_NO_RTC = 1 << 5 };
enum {
	FADT_WBINVD = 1 << 0,
	FADT_NO_POWER_BUTTON = 1 << 4,
	FADT_NO_SLEEP_BUTTON = 1 << 5,
	FADT_HAS_RESET = 1 << 10,
	FADT_HW_REDUCED = 1 << 20,
};

static void put_port(struct strbuf *t, size_t at, uint32_t port)
{
	enum { IN_PORTS = 1, BITS = 8, BY_BYTE = 1 };

	put_le(t, at, IN_PORTS, 1);
	put_le(t, at + 1, BITS, 1);
	put_le(t, at + 3, BY_BYTE, 1);
	put_le(t, at + 4, port, 8);
}

static void make_fadt(struct strbuf *t, uint64_t dsdt)
{
	begin_table(t, "FACP", 6);
	add_zeros(t, FADT_SIZE - HEADER_SIZE);
	put_le(t, FADT_BOOT_FLAGS_AT, BOOT_NO_VGA | BOOT_NO_MSI | BOOT_NO_RTC, 2);
	put_le(t, FADT_FLAGS_AT,
	       FADT_WBINVD | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_HAS_RESET |
		       FADT_HW_REDUCED,
	       4);
	put_port(t, FADT_RESET_AT, LAYOUT_RESET_PORT);
	put_le(t, FADT_RESET_VALUE_AT, LAYOUT_RESET_VALUE, 1);
	put_le(t, FADT_MINOR_AT, 5, 1);
	put_le(t, FADT_DSDT_AT, dsdt, 8);
	put_port(t, FADT_SLEEP_AT, LAYOUT_SLEEP_PORT);
	put_port(t, FADT_SLEEP_STATUS_AT, LAYOUT_SLEEP_STATUS_PORT);
	end_table(t);
}

static void make_madt(struct strbuf *t, uint32_t vcpus)
{
	enum { LOCAL_APIC, IO_APIC };
	enum { ENABLED = 1 };

	begin_table(t, "APIC", 5);
	add_le(t, LAYOUT_LAPIC, 4);
	add_le(t, 0, 4); /* no pair of 8259s */
	for (uint32_t i = 0; i < vcpus; i++) {
		add_u8(t, LOCAL_APIC);
		add_u8(t, 8);
		add_u8(t, i); /* the processor's and its APIC's */
		add_u8(t, i);
		add_le(t, ENABLED, 4);
	}
	add_u8(t, IO_APIC);
	add_u8(t, 12);
	add_le(t, 0, 2);
	add_le(t, LAYOUT_IOAPIC, 4);
	add_le(t, 0, 4); /* its first interrupt */
	end_table(t);
}

static void make_xsdt(struct strbuf *t, uint64_t fadt, uint64_t madt)
{
	begin_table(t, "XSDT", 1);
	add_le(t, fadt, 8);
	add_le(t, madt, 8);
	end_table(t);
}

enum { RSDP_SIZE = 36, RSDP_OLD_SIZE = 20, RSDP_SUM_AT = 8, RSDP_WHOLE_SUM_AT = 32 };

static void make_rsdp(struct strbuf *t, uint64_t xsdt)
{
	strbuf_add(t, "RSD PTR ", 8);
	add_u8(t, 0); /* sum of the first part */
	strbuf_add(t, "MOAT  ", 6);
	add_u8(t, 2);
	add_le(t, 0, 4);
	add_le(t, RSDP_SIZE, 4);
	add_le(t, xsdt, 8);
	add_le(t, 0, 4); /* sum of all, and nothing */
	t->buf[RSDP_SUM_AT] = sum_of(t->buf, RSDP_OLD_SIZE);
	t->buf[RSDP_WHOLE_SUM_AT] = sum_of(t->buf, RSDP_SIZE);
}

/* Tables begin at multiples of 16. */
static int place(const struct guest_memory *memory, uint64_t *at, const struct strbuf *table,
		 uint64_t *ret_at, struct error *err)
{
	const uint64_t end = *at + ((table->len + 15) & ~UINT64_C(15));

	if (end > LAYOUT_ACPI_END)
		return error_set(err, -ENOSPC, "acpi tables: larger than their place");
	if (!guest_memory_write(memory, *at, table->buf, table->len))
		return error_set(err, -EFAULT, "acpi tables: no memory for them");
	*ret_at = *at;
	*at = end;
	return 0;
}

int acpi_write(const struct acpi_machine *machine, const struct guest_memory *memory,
	       struct error *err)
{
	cleanup_strbuf struct strbuf dsdt = STRBUF_INIT, fadt = STRBUF_INIT, madt = STRBUF_INIT,
				     xsdt = STRBUF_INIT, rsdp = STRBUF_INIT;
	uint64_t root = LAYOUT_ACPI, at = LAYOUT_ACPI + RSDP_SIZE + 12;
	uint64_t dsdt_at = 0, fadt_at = 0, madt_at = 0, xsdt_at = 0;
	int r;

	if (machine->vcpus > ACPI_VCPUS_MAX || machine->devices_count > LAYOUT_VIRTIO_MAX)
		return error_set(err, -ERANGE, "acpi tables: too many processors or devices");
	make_dsdt(&dsdt, machine);
	r = place(memory, &at, &dsdt, &dsdt_at, err);
	make_fadt(&fadt, dsdt_at);
	if (r == 0)
		r = place(memory, &at, &fadt, &fadt_at, err);
	make_madt(&madt, machine->vcpus);
	if (r == 0)
		r = place(memory, &at, &madt, &madt_at, err);
	make_xsdt(&xsdt, fadt_at, madt_at);
	if (r == 0)
		r = place(memory, &at, &xsdt, &xsdt_at, err);
	make_rsdp(&rsdp, xsdt_at);
	return r < 0 ? r : place(memory, &root, &rsdp, &root, err);
}
