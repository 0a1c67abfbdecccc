/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/virtio/queue.h"
#include "lib/base/str.h"

/* A queue of 4 at the begin of a memory of 16 pages, whose last one is a region of its own. */
#define SIZE 4
#define DESC 0x0
#define AVAIL 0x100
#define USED 0x200
#define TABLE 0x400
#define DATA 0x1000
#define MEMORY (16 * GUEST_MEMORY_ALIGN)
#define BORDER (15 * GUEST_MEMORY_ALIGN)

static uint8_t ram[MEMORY] __attribute__((aligned(GUEST_MEMORY_ALIGN)));

struct scene {
	struct guest_memory mem;
	struct virtqueue vq;
	struct virtqueue_iovecs iovecs;
	struct virtqueue_chain chain;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	memset(ram, 0, sizeof(ram));
	assert_int_equal(guest_memory_add(&s->mem, 0, BORDER, ram), 0);
	assert_int_equal(guest_memory_add(&s->mem, BORDER, MEMORY - BORDER, ram + BORDER), 0);
	s->desc = (struct vring_desc *)(ram + DESC);
	s->avail = (struct vring_avail *)(ram + AVAIL);
	s->used = (struct vring_used *)(ram + USED);
	s->vq = (struct virtqueue){ .mem = &s->mem,
				    .size = SIZE,
				    .desc = DESC,
				    .avail = AVAIL,
				    .used = USED,
				    .has_indirect = true };
	return virtqueue_start(&s->vq);
}

static int drop_scene(void **state)
{
	free(*state);
	return 0;
}

static void offer(struct scene *s, uint16_t head)
{
	s->avail->ring[s->avail->idx % SIZE] = head;
	s->avail->idx++;
}

static int pop(struct scene *s)
{
	return virtqueue_pop(&s->vq, &s->iovecs, &s->chain);
}

static void a_queue_has_a_size_and_aligned_rings_in_memory(void **state)
{
	static const struct {
		uint16_t size;
		uint64_t desc, avail, used;
	} wrong[] = {
		{ 0, DESC, AVAIL, USED },
		{ 3, DESC, AVAIL, USED },
		{ 2 * VIRTQUEUE_SIZE_MAX, DESC, AVAIL, USED },
		{ SIZE, DESC + 8, AVAIL, USED },
		{ SIZE, DESC, AVAIL + 1, USED },
		{ SIZE, DESC, AVAIL, USED + 2 },
		{ SIZE, MEMORY, AVAIL, USED },
		{ SIZE, MEMORY - 48, AVAIL, USED },
		{ SIZE, BORDER - 16, AVAIL, USED },
		{ SIZE, DESC, MEMORY - 12, USED },
		{ SIZE, DESC, AVAIL, MEMORY - 36 },
		{ SIZE, UINT64_MAX - 15, AVAIL, USED },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		s->vq.size = wrong[i].size;
		s->vq.desc = wrong[i].desc;
		s->vq.avail = wrong[i].avail;
		s->vq.used = wrong[i].used;
		assert_int_equal(virtqueue_start(&s->vq), -EINVAL);
	}
}

static void a_chain_is_what_is_read_and_then_what_is_written(void **state)
{
	struct scene *s = *state;

	s->desc[2] = (struct vring_desc){ DATA, 10, VRING_DESC_F_NEXT, 0 };
	s->desc[0] = (struct vring_desc){ DATA + 100, 0, VRING_DESC_F_NEXT, 3 };
	s->desc[3] = (struct vring_desc){ DATA + 200, 20, VRING_DESC_F_NEXT, 1 };
	s->desc[1] = (struct vring_desc){ DATA + 300, 30, VRING_DESC_F_WRITE, 0 };
	assert_int_equal(pop(s), 0);
	offer(s, 2);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.head, 2);
	assert_int_equal(s->chain.readable_count, 2);
	assert_int_equal(s->chain.readable_bytes, 30);
	assert_ptr_equal(s->chain.readable[1].iov_base, ram + DATA + 200);
	assert_int_equal(s->chain.writable_count, 1);
	assert_int_equal(s->chain.writable_bytes, 30);
	assert_ptr_equal(s->chain.writable[0].iov_base, ram + DATA + 300);
	assert_int_equal(pop(s), 0);
	virtqueue_push(&s->vq, 2, 7);
	assert_int_equal(s->used->idx, 1);
	assert_int_equal(s->used->ring[0].id, 2);
	assert_int_equal(s->used->ring[0].len, 7);
}

static void a_chain_goes_on_in_a_table(void **state)
{
	struct vring_desc *table = (struct vring_desc *)(ram + TABLE);
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT, 1 };
	s->desc[1] = (struct vring_desc){ TABLE, 2 * sizeof(*table), VRING_DESC_F_INDIRECT, 0 };
	table[0] = (struct vring_desc){ DATA + 1, 2, VRING_DESC_F_NEXT, 1 };
	table[1] = (struct vring_desc){ DATA + 3, 4, VRING_DESC_F_WRITE, 0 };
	offer(s, 0);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.readable_bytes, 3);
	assert_int_equal(s->chain.writable_bytes, 4);
}

static void a_table_may_be_longer_than_the_queue_and_lie_anywhere(void **state)
{
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ TABLE + 3, 64 * sizeof(struct vring_desc),
					  VRING_DESC_F_INDIRECT, 0 };
	for (uint16_t i = 0; i < 64; i++) {
		const struct vring_desc d = { DATA + i, 1, i < 63 ? VRING_DESC_F_NEXT : 0,
					      (uint16_t)(i + 1) };

		memcpy(ram + TABLE + 3 + i * sizeof(d), &d, sizeof(d));
	}
	offer(s, 0);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.readable_count, 64);
}

static void a_buffer_over_a_border_of_regions_is_two_pieces(void **state)
{
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ BORDER - 1, 3, 0, 0 };
	offer(s, 0);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.readable_count, 2);
	assert_int_equal(s->chain.readable[0].iov_len, 1);
	assert_int_equal(s->chain.readable[1].iov_len, 2);
}

/* Each breaks the queue: nothing comes out of it any more. */
static void assert_broken(struct scene *s)
{
	assert_int_equal(pop(s), -EBADMSG);
	s->desc[0] = (struct vring_desc){ DATA, 1, 0, 0 };
	assert_int_equal(pop(s), -EBADMSG);
	assert_true(s->vq.is_broken);
}

static void a_head_outside_of_the_queue_breaks_it(void **state)
{
	offer(*state, SIZE);
	assert_broken(*state);
}

static void an_index_too_far_ahead_breaks_it(void **state)
{
	struct scene *s = *state;

	s->avail->idx = SIZE + 1;
	assert_broken(s);
}

static void a_chain_that_bites_its_tail_breaks_it(void **state)
{
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT, 1 };
	s->desc[1] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT, 0 };
	offer(s, 0);
	assert_broken(s);
	/* One of nothing too, which takes no room. */
	s->vq.is_broken = false;
	s->desc[0] = (struct vring_desc){ DATA, 0, VRING_DESC_F_NEXT, 0 };
	assert_int_equal(pop(s), -EBADMSG);
}

/* A chain of one descriptor that is wrong. */
static void assert_wrong(struct scene *s, struct vring_desc d)
{
	*(struct vring_desc *)(ram + TABLE) = (struct vring_desc){ DATA, 1, 0, 0 };
	s->vq.is_broken = false;
	s->desc[0] = d;
	offer(s, 0);
	assert_int_equal(pop(s), -EBADMSG);
	s->vq.next_avail = s->avail->idx;
}

static void descriptors_that_break_the_rules_break_the_queue(void **state)
{
	const uint16_t indirect = VRING_DESC_F_INDIRECT;
	struct scene *s = *state;

	assert_wrong(s, (struct vring_desc){ MEMORY, 1, 0, 0 });
	assert_wrong(s, (struct vring_desc){ MEMORY - 1, 2, 0, 0 });
	assert_wrong(s, (struct vring_desc){ UINT64_MAX, 2, 0, 0 });
	assert_wrong(s, (struct vring_desc){ DATA, UINT32_MAX, 0, 0 });
	assert_wrong(s, (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT, SIZE });
	/* Tables: outside, of odd size, empty, followed by more. */
	assert_wrong(s, (struct vring_desc){ MEMORY, 16, indirect, 0 });
	assert_wrong(s, (struct vring_desc){ BORDER - 16, 32, indirect, 0 });
	assert_wrong(s, (struct vring_desc){ TABLE, 17, indirect, 0 });
	assert_wrong(s, (struct vring_desc){ TABLE, 0, indirect, 0 });
	assert_wrong(s, (struct vring_desc){ TABLE, 16, indirect | VRING_DESC_F_NEXT, 1 });
	s->vq.has_indirect = false;
	assert_wrong(s, (struct vring_desc){ TABLE, 16, indirect, 0 });
}

static void a_table_within_a_table_breaks_the_queue(void **state)
{
	struct vring_desc *table = (struct vring_desc *)(ram + TABLE);
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ TABLE, 16, VRING_DESC_F_INDIRECT, 0 };
	table[0] = (struct vring_desc){ TABLE, 16, VRING_DESC_F_INDIRECT, 0 };
	offer(s, 0);
	assert_broken(s);
}

static void what_is_read_comes_before_what_is_written(void **state)
{
	struct scene *s = *state;

	s->desc[0] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 };
	s->desc[1] = (struct vring_desc){ DATA, 1, 0, 0 };
	offer(s, 0);
	assert_broken(s);
}

/* A chain of so many buffers, one and the same. */
static void offer_many(struct scene *s, uint16_t count, uint64_t gpa, uint32_t len)
{
	struct vring_desc *table = (struct vring_desc *)(ram + DATA);

	s->desc[0] = (struct vring_desc){ DATA, count * (uint32_t)sizeof(*table),
					  VRING_DESC_F_INDIRECT, 0 };
	for (uint16_t i = 0; i < count; i++)
		table[i] = (struct vring_desc){ gpa, len, VRING_DESC_F_NEXT, (uint16_t)(i + 1) };
	table[count - 1].flags = 0;
	offer(s, 0);
}

static void a_chain_has_so_many_pieces_at_most(void **state)
{
	struct scene *s = *state;

	offer_many(s, VIRTQUEUE_CHAIN_MAX, DATA, 1);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.readable_count, VIRTQUEUE_CHAIN_MAX);
	/* Two of each. */
	offer_many(s, VIRTQUEUE_CHAIN_MAX / 2 + 1, BORDER - 1, 2);
	assert_broken(s);
}

static void a_chain_has_less_than_four_gigabytes(void **state)
{
	const size_t size = 8u << 20;
	void *large = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scene *s = *state;

	assert_ptr_not_equal(large, MAP_FAILED);
	assert_int_equal(guest_memory_add(&s->mem, 1u << 30, size, large), 0);
	offer_many(s, 511, 1u << 30, size);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.readable_bytes, 511ULL * size);
	offer_many(s, 512, 1u << 30, size);
	assert_broken(s);
	munmap(large, size);
}

static void a_popped_chain_can_be_put_back(void **state)
{
	struct scene *s = *state;

	s->desc[1] = (struct vring_desc){ DATA, 1, 0, 0 };
	offer(s, 1);
	assert_int_equal(pop(s), 1);
	virtqueue_unpop(&s->vq);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->chain.head, 1);
	assert_int_equal(pop(s), 0);
}

static void indexes_wrap_around(void **state)
{
	struct scene *s = *state;

	s->desc[1] = (struct vring_desc){ DATA, 1, 0, 0 };
	for (unsigned int i = 0; i < 70000; i++) {
		offer(s, 1);
		assert_int_equal(pop(s), 1);
		virtqueue_push(&s->vq, s->chain.head, i);
	}
	assert_int_equal(s->used->idx, 70000 % 65536);
	assert_int_equal(s->used->ring[69999 % SIZE].len, 69999);
}

static void several_chains_are_given_back_at_once(void **state)
{
	const struct virtqueue_used used[] = { { 3, 30 }, { 1, 10 } };
	struct scene *s = *state;

	virtqueue_push_all(&s->vq, used, ARRAY_SIZE(used));
	assert_int_equal(s->used->idx, 2);
	assert_int_equal(s->used->ring[0].id, 3);
	assert_int_equal(s->used->ring[1].len, 10);
}

static void interrupts_are_as_the_guest_wants_them(void **state)
{
	struct scene *s = *state;

	assert_false(virtqueue_wants_interrupt(&s->vq));
	virtqueue_push(&s->vq, 0, 0);
	assert_true(virtqueue_wants_interrupt(&s->vq));
	assert_false(virtqueue_wants_interrupt(&s->vq));
	s->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	virtqueue_push(&s->vq, 0, 0);
	assert_false(virtqueue_wants_interrupt(&s->vq));
}

static void a_queue_that_was_not_started_has_nothing(void **state)
{
	struct scene *s = *state;

	/* As one looks that was saved after its use, and not set up again. */
	s->vq = (struct virtqueue){ .mem = &s->mem, .next_used = 3 };
	assert_false(virtqueue_wants_interrupt(&s->vq));
	assert_int_equal(pop(s), 0);
}

static void an_event_index_says_from_when_on(void **state)
{
	struct scene *s = *state;

	s->vq.has_event_idx = true;
	s->avail->ring[SIZE] = 1; /* when the second one is used */
	virtqueue_push(&s->vq, 0, 0);
	assert_false(virtqueue_wants_interrupt(&s->vq));
	virtqueue_push(&s->vq, 0, 0);
	assert_true(virtqueue_wants_interrupt(&s->vq));
	virtqueue_push(&s->vq, 0, 0);
	assert_false(virtqueue_wants_interrupt(&s->vq));
}

static void notifications_are_asked_for_when_there_is_nothing_left(void **state)
{
	struct scene *s = *state;

	s->desc[1] = (struct vring_desc){ DATA, 1, 0, 0 };
	offer(s, 1);
	assert_int_equal(pop(s), 1);
	assert_int_equal(s->used->flags, VRING_USED_F_NO_NOTIFY);
	assert_int_equal(pop(s), 0);
	assert_int_equal(s->used->flags, 0);
	/* With an event index: of the next one. */
	s->vq.has_event_idx = true;
	offer(s, 1);
	assert_int_equal(pop(s), 1);
	assert_int_equal(pop(s), 0);
	assert_int_equal(*(uint16_t *)&s->used->ring[SIZE], 2);
	assert_int_equal(s->used->flags, 0);
}

static void parts_of_a_chain_are_bytes(void **state)
{
	char a[] = "abc", b[] = "", c[] = "defgh", text[9] = "";
	const struct iovec iov[] = { { a, 3 }, { b, 0 }, { c, 5 } };
	struct iovec slice[3];

	assert_int_equal(iovec_read(iov, 3, 0, text, 8), 8);
	assert_string_equal(text, "abcdefgh");
	memset(text, 0, sizeof(text));
	assert_int_equal(iovec_read(iov, 3, 2, text, 100), 6);
	assert_string_equal(text, "cdefgh");
	assert_int_equal(iovec_read(iov, 3, 8, text, 1), 0);
	assert_int_equal(iovec_read(iov, 3, UINT64_MAX, text, 1), 0);
	assert_int_equal(iovec_write(iov, 3, 1, "XYZ", 3), 3);
	assert_string_equal(a, "aXY");
	assert_string_equal(c, "Zefgh");
	assert_int_equal(iovec_slice(iov, 3, 1, 4, slice, 3), 2);
	assert_int_equal(slice[0].iov_len, 2);
	assert_int_equal(slice[1].iov_len, 2);
	assert_ptr_equal(slice[1].iov_base, c);
	assert_int_equal(iovec_slice(iov, 3, 0, 100, slice, 1), 1);
	assert_int_equal(slice[0].iov_len, 3);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_queue_has_a_size_and_aligned_rings_in_memory),
		IN_SCENE(a_chain_is_what_is_read_and_then_what_is_written),
		IN_SCENE(a_chain_goes_on_in_a_table),
		IN_SCENE(a_table_may_be_longer_than_the_queue_and_lie_anywhere),
		IN_SCENE(a_buffer_over_a_border_of_regions_is_two_pieces),
		IN_SCENE(a_head_outside_of_the_queue_breaks_it),
		IN_SCENE(an_index_too_far_ahead_breaks_it),
		IN_SCENE(a_chain_that_bites_its_tail_breaks_it),
		IN_SCENE(descriptors_that_break_the_rules_break_the_queue),
		IN_SCENE(a_table_within_a_table_breaks_the_queue),
		IN_SCENE(what_is_read_comes_before_what_is_written),
		IN_SCENE(a_chain_has_so_many_pieces_at_most),
		IN_SCENE(a_chain_has_less_than_four_gigabytes),
		IN_SCENE(a_popped_chain_can_be_put_back),
		IN_SCENE(indexes_wrap_around),
		IN_SCENE(several_chains_are_given_back_at_once),
		IN_SCENE(interrupts_are_as_the_guest_wants_them),
		IN_SCENE(a_queue_that_was_not_started_has_nothing),
		IN_SCENE(an_event_index_says_from_when_on),
		IN_SCENE(notifications_are_asked_for_when_there_is_nothing_left),
		cmocka_unit_test(parts_of_a_chain_are_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
