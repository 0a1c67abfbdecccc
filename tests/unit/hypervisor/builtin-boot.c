/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/bootparam.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/x86_64/acpi.h"
#include "hypervisor/builtin/x86_64/boot.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/unit/hypervisor/tiny-kernel.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_SIZE (64 * MIB)

/* A guest's memory and the files that go into it. */
struct world {
	struct guest_memory memory;
	char *host;
	struct boot_image image;
	struct boot_entry entry;
	struct error err;
};

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->host =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(w->host != MAP_FAILED);
	assert_int_equal(guest_memory_add(&w->memory, 0, MEMORY_SIZE, w->host), 0);
	w->image = (struct boot_image){ .kernel_fd = -1, .initrd_fd = -1, .command_line = "" };
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	close_fdp(&w->image.kernel_fd);
	close_fdp(&w->image.initrd_fd);
	munmap(w->host, MEMORY_SIZE);
	free(w);
	return 0;
}

static int make_file(const void *data, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, data, len), 0);
	return fd;
}

static int load(struct world *w)
{
	w->err = (struct error)ERROR_INIT;
	return boot_load(&w->image, &w->memory, &w->entry, &w->err);
}

static void expect_refusal(struct world *w, const char *text)
{
	assert_true(load(w) < 0);
	if (!strstr(w->err.msg, text))
		fail_msg("'%s' is not in '%s'", text, w->err.msg);
}

/* --- ELF ---------------------------------------------------------------------------------- */

static struct tiny_kernel good_elf(void)
{
	return make_tiny_kernel("what a kernel consists of", 26);
}

/* NULL: a good one. */
static void use_elf(struct world *w, const struct tiny_kernel *file)
{
	const struct tiny_kernel good = good_elf();

	close_fdp(&w->image.kernel_fd);
	w->image.kernel_fd = make_file(file ? file : &good, sizeof(good));
}

static uint64_t read_u64(const struct world *w, uint64_t gpa)
{
	uint64_t value = 0;

	assert_true(guest_memory_read(&w->memory, gpa, &value, sizeof(value)));
	return value;
}

static uint32_t read_u32(const struct world *w, uint64_t gpa)
{
	uint32_t value = 0;

	assert_true(guest_memory_read(&w->memory, gpa, &value, sizeof(value)));
	return value;
}

static void an_elf_kernel_is_entered_by_its_pvh_note(void **state)
{
	struct world *w = *state;

	use_elf(w, NULL);
	assert_int_equal(load(w), 0);
	assert_int_equal(w->entry.protocol, BOOT_PVH);
	assert_int_equal(w->entry.instruction, TINY_KERNEL_AT);
	assert_int_equal(w->entry.info, LAYOUT_START_INFO);
	assert_string_equal(w->host + 0x1000000, "what a kernel consists of");
	assert_int_equal(read_u32(w, LAYOUT_START_INFO), 0x336ec578);
}

static void a_note_of_four_bytes_is_one_too(void **state)
{
	struct world *w = *state;
	struct tiny_kernel file = good_elf();

	file.note.n_descsz = 4;
	use_elf(w, &file);
	assert_int_equal(load(w), 0);
	assert_int_equal(w->entry.instruction, TINY_KERNEL_AT);
}

static void a_pvh_kernel_is_told_its_memory_line_and_files(void **state)
{
	struct world *w = *state;
	const uint64_t info = LAYOUT_START_INFO;
	uint64_t ranges, module;

	use_elf(w, NULL);
	w->image.initrd_fd = make_file("files", 5);
	w->image.command_line = "console=ttyS0 quiet";
	assert_int_equal(load(w), 0);
	assert_string_equal(w->host + read_u64(w, info + 24), "console=ttyS0 quiet");
	assert_int_equal(read_u64(w, info + 32), LAYOUT_ACPI);

	assert_int_equal(read_u32(w, info + 12), 1);
	module = read_u64(w, info + 16);
	assert_int_equal(read_u64(w, module), MEMORY_SIZE - 4096);
	assert_int_equal(read_u64(w, module + 8), 5);
	assert_memory_equal(w->host + MEMORY_SIZE - 4096, "files", 5);

	ranges = read_u64(w, info + 40);
	assert_int_equal(read_u32(w, info + 48), 3);
	assert_int_equal(read_u64(w, ranges), 0);
	assert_int_equal(read_u64(w, ranges + 48), MIB);
	assert_int_equal(read_u64(w, ranges + 56), MEMORY_SIZE - MIB);
}

static void an_elf_kernel_that_cannot_be_meant_is_refused(void **state)
{
	struct world *w = *state;
	const struct {
		size_t offset;
		uint64_t value;
		size_t size;
		const char *reason;
	} damages[] = {
		{ EI_CLASS, ELFCLASS32, 1, "not of an x86_64 kernel" },
		{ offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, 2, "not of an x86_64 kernel" },
		{ offsetof(Elf64_Ehdr, e_phnum), 0xffff, 2, "no segments" },
		{ offsetof(Elf64_Ehdr, e_phnum), 0, 2, "no segments" },
		{ offsetof(Elf64_Ehdr, e_phentsize), 1, 2, "no segments" },
		{ offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, 8, "ends before them" },
		{ offsetof(struct tiny_kernel, code.p_paddr), 0, 8, "no memory for it" },
		{ offsetof(struct tiny_kernel, code.p_paddr), MIB - 1, 8, "no memory for it" },
		{ offsetof(struct tiny_kernel, code.p_paddr), UINT64_MAX - 63, 8, "no memory" },
		{ offsetof(struct tiny_kernel, code.p_paddr), MEMORY_SIZE - 0x1fff, 8,
		  "no memory" },
		{ offsetof(struct tiny_kernel, code.p_memsz), UINT64_MAX, 8, "no memory for it" },
		{ offsetof(struct tiny_kernel, code.p_memsz), 63, 8, "larger in the file" },
		{ offsetof(struct tiny_kernel, code.p_offset), UINT64_MAX, 8, "ends before it" },
		{ offsetof(struct tiny_kernel, code.p_offset), INT64_MAX - 3, 8, "ends before it" },
		{ offsetof(struct tiny_kernel, notes.p_filesz), 1 << 20, 8, "longer than" },
		{ offsetof(struct tiny_kernel, notes.p_offset), 1 << 20, 8, "ends before them" },
		{ offsetof(struct tiny_kernel, note.n_namesz), UINT32_MAX, 4, "no PVH entry" },
		{ offsetof(struct tiny_kernel, note.n_descsz), UINT32_MAX - 2, 4, "no PVH entry" },
		{ offsetof(struct tiny_kernel, note.n_descsz), 16, 4, "no PVH entry" },
		{ offsetof(struct tiny_kernel, note.n_type), 17, 4, "no PVH entry" },
		{ offsetof(struct tiny_kernel, name), 'Y', 1, "no PVH entry" },
		{ offsetof(struct tiny_kernel, entry), 0x1002000, 8, "outside of what it loads" },
		{ offsetof(struct tiny_kernel, entry), 1, 8, "outside of what it loads" },
		{ offsetof(struct tiny_kernel, entry), 1ull << 32, 8, "outside of what it loads" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct tiny_kernel file = good_elf();

		memcpy((char *)&file + damages[i].offset, &damages[i].value, damages[i].size);
		use_elf(w, &file);
		expect_refusal(w, damages[i].reason);
	}
}

static void a_kernel_that_was_cut_off_is_refused(void **state)
{
	struct world *w = *state;
	const struct tiny_kernel file = good_elf();

	for (size_t len = 0; len < sizeof(file); len++) {
		close_fdp(&w->image.kernel_fd);
		w->image.kernel_fd = make_file(&file, len);
		assert_true(load(w) < 0);
	}
}

/* --- bzImage ------------------------------------------------------------------------------ */

#define SETUP_SECTORS 1
#define KERNEL_BYTES 1024

struct bz_file {
	char setup[(SETUP_SECTORS + 1) * 512];
	char kernel[KERNEL_BYTES];
};

static struct setup_header *header_of(struct bz_file *file)
{
	return (void *)(file->setup + offsetof(struct boot_params, hdr));
}

static struct bz_file good_bzimage(void)
{
	struct bz_file file = { .kernel = "what is compressed" };
	const struct setup_header header = {
		.setup_sects = SETUP_SECTORS,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64,
		.initrd_addr_max = 0x7fffffff,
		.cmdline_size = 100,
		.pref_address = 0x1000000,
		.init_size = 0x8000,
	};

	memcpy(header_of(&file), &header, sizeof(header));
	return file;
}

static void use_bzimage(struct world *w, const struct bz_file *file)
{
	close_fdp(&w->image.kernel_fd);
	w->image.kernel_fd = make_file(file, sizeof(*file));
}

static void a_bzimage_is_entered_in_long_mode(void **state)
{
	struct world *w = *state;
	struct bz_file file = good_bzimage();
	const struct boot_params *params = (void *)(w->host + LAYOUT_BOOT_PARAMS);

	use_bzimage(w, &file);
	w->image.initrd_fd = make_file("files", 5);
	w->image.command_line = "quiet";
	assert_int_equal(load(w), 0);
	assert_int_equal(w->entry.protocol, BOOT_LINUX64);
	assert_int_equal(w->entry.instruction, 0x1000200);
	assert_int_equal(w->entry.info, LAYOUT_BOOT_PARAMS);
	assert_string_equal(w->host + 0x1000000, "what is compressed");
	assert_string_equal(w->host + params->hdr.cmd_line_ptr, "quiet");
	assert_int_equal(params->hdr.ramdisk_size, 5);
	assert_memory_equal(w->host + params->hdr.ramdisk_image, "files", 5);
	assert_int_equal(params->acpi_rsdp_addr, LAYOUT_ACPI);
	assert_int_equal(params->e820_entries, 3);
	assert_int_equal(params->e820_table[2].size, MEMORY_SIZE - MIB);
	/* The last of the pages that are mapped one to one. */
	assert_int_equal(read_u64(w, LAYOUT_PAGE_TABLES), LAYOUT_PAGE_TABLES + 0x1003);
	assert_int_equal(read_u64(w, LAYOUT_PAGE_TABLES + 0x2ff8), 511u << 21 | 0x83);
}

static void what_is_behind_the_header_is_not_taken_for_a_part_of_it(void **state)
{
	struct world *w = *state;
	struct bz_file file = good_bzimage();
	const struct boot_params *params = (void *)(w->host + LAYOUT_BOOT_PARAMS);

	header_of(&file)->jump = 0x62eb; /* up to init_size */
	header_of(&file)->handover_offset = 0x12345678;
	use_bzimage(w, &file);
	assert_int_equal(load(w), 0);
	assert_int_equal(params->hdr.init_size, 0x8000);
	assert_int_equal(params->hdr.handover_offset, 0);
}

static void a_bzimage_that_cannot_be_meant_is_refused(void **state)
{
	struct world *w = *state;
#define FIELD(name) offsetof(struct setup_header, name), sizeof(((struct setup_header *)0)->name)
	const struct {
		size_t offset, size;
		uint64_t value;
		const char *reason;
	} damages[] = {
		{ FIELD(boot_flag), 0, "neither an ELF file nor a bzImage" },
		{ FIELD(header), 0, "neither an ELF file nor a bzImage" },
		{ FIELD(version), 0x020b, "no 64-bit entry" },
		{ FIELD(xloadflags), 0, "no 64-bit entry" },
		{ FIELD(loadflags), 0, "no 64-bit entry" },
		{ FIELD(setup_sects), 255, "ends before its kernel" },
		{ FIELD(pref_address), 0, "no memory for it" },
		{ FIELD(pref_address), MEMORY_SIZE - 0x7fff, "no memory for it" },
		{ FIELD(pref_address), UINT64_MAX - 0xfff, "no memory for it" },
		{ FIELD(init_size), UINT32_MAX, "no memory for it" },
	};
#undef FIELD

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct bz_file file = good_bzimage();

		memcpy((char *)header_of(&file) + damages[i].offset, &damages[i].value,
		       damages[i].size);
		use_bzimage(w, &file);
		expect_refusal(w, damages[i].reason);
	}
}

/* --- both --------------------------------------------------------------------------------- */

static void a_command_line_that_is_too_long_is_refused(void **state)
{
	struct world *w = *state;
	struct bz_file file = good_bzimage();
	char line[2049] = "";

	memset(line, 'x', 101);
	w->image.command_line = line;
	use_bzimage(w, &file);
	expect_refusal(w, "command line: 101 characters are more than 100");
	memset(line, 'x', 2048);
	use_elf(w, NULL);
	expect_refusal(w, "command line: 2048 characters are more than 2047");
}

static void an_initial_file_system_that_does_not_fit_is_refused(void **state)
{
	struct world *w = *state;

	use_elf(w, NULL);
	w->image.initrd_fd = make_file("", 0);
	expect_refusal(w, "initrd: not a file with anything in it");
	/* One byte more than there is between the kernel and the end. */
	assert_int_equal(ftruncate(w->image.initrd_fd, (off_t)(MEMORY_SIZE - 0x1002000)), 0);
	assert_int_equal(load(w), 0);
	assert_int_equal(ftruncate(w->image.initrd_fd, (off_t)(MEMORY_SIZE - 0x1002000 + 1)), 0);
	expect_refusal(w, "initrd: its");
	assert_int_equal(ftruncate(w->image.initrd_fd, (off_t)1 << 50), 0);
	expect_refusal(w, "initrd: its");
}

static void a_guest_without_low_memory_is_refused(void **state)
{
	struct world *w = *state;

	w->memory = (struct guest_memory){ 0 };
	assert_int_equal(guest_memory_add(&w->memory, 0, MIB, w->host), 0);
	use_elf(w, NULL);
	expect_refusal(w, "the guest has no memory for it");
}

/* --- ACPI --------------------------------------------------------------------------------- */

static void expect_sum(const struct world *w, uint64_t at, size_t len)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + (unsigned char)w->host[at + i]);
	assert_int_equal(sum, 0);
}

static uint64_t expect_table(const struct world *w, uint64_t at, const char *signature)
{
	assert_memory_equal(w->host + at, signature, 4);
	expect_sum(w, at, read_u32(w, at + 4));
	return at;
}

static void tables_lead_from_the_root_pointer_to_each_device(void **state)
{
	struct world *w = *state;
	const struct acpi_device devices[] = { { 0xd0000000, 5 }, { 0xd0001000, 6 } };
	const struct acpi_machine machine = { .vcpus = 2, .devices = devices, .devices_count = 2 };
	uint64_t xsdt, fadt, madt, dsdt;

	assert_int_equal(acpi_write(&machine, &w->memory, NULL), 0);
	assert_memory_equal(w->host + LAYOUT_ACPI, "RSD PTR ", 8);
	expect_sum(w, LAYOUT_ACPI, 20);
	expect_sum(w, LAYOUT_ACPI, 36);
	xsdt = expect_table(w, read_u64(w, LAYOUT_ACPI + 24), "XSDT");
	fadt = expect_table(w, read_u64(w, xsdt + 36), "FACP");
	madt = expect_table(w, read_u64(w, xsdt + 44), "APIC");
	dsdt = expect_table(w, read_u64(w, fadt + 140), "DSDT");
	assert_int_equal(read_u32(w, madt + 4), 44 + 2 * 8 + 12);
	assert_non_null(memmem(w->host + dsdt, read_u32(w, dsdt + 4), "VR01\x08_HID", 9));
	assert_null(memmem(w->host + dsdt, read_u32(w, dsdt + 4), "VR02\x08_HID", 9));
}

static void as_many_processors_and_devices_as_there_can_be_have_tables(void **state)
{
	struct world *w = *state;
	struct acpi_device devices[LAYOUT_VIRTIO_MAX + 1] = { { 0 } };
	struct acpi_machine machine = { ACPI_VCPUS_MAX, devices, LAYOUT_VIRTIO_MAX };

	assert_int_equal(acpi_write(&machine, &w->memory, NULL), 0);
	machine.vcpus++;
	assert_int_equal(acpi_write(&machine, &w->memory, NULL), -ERANGE);
	machine = (struct acpi_machine){ 1, devices, LAYOUT_VIRTIO_MAX + 1 };
	assert_int_equal(acpi_write(&machine, &w->memory, NULL), -ERANGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_elf_kernel_is_entered_by_its_pvh_note),
		TEST(a_note_of_four_bytes_is_one_too),
		TEST(a_pvh_kernel_is_told_its_memory_line_and_files),
		TEST(an_elf_kernel_that_cannot_be_meant_is_refused),
		TEST(a_kernel_that_was_cut_off_is_refused),
		TEST(a_bzimage_is_entered_in_long_mode),
		TEST(what_is_behind_the_header_is_not_taken_for_a_part_of_it),
		TEST(a_bzimage_that_cannot_be_meant_is_refused),
		TEST(a_command_line_that_is_too_long_is_refused),
		TEST(an_initial_file_system_that_does_not_fit_is_refused),
		TEST(a_guest_without_low_memory_is_refused),
		TEST(tables_lead_from_the_root_pointer_to_each_device),
		TEST(as_many_processors_and_devices_as_there_can_be_have_tables),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
