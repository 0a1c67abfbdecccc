/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define FEATURE 5

/* A device that notes what is asked of it. */
struct toy {
	struct virtio_device dev;
	int activations, resets, config_writes;
	int notifications[2];
	int result; /* of activate() */
	uint8_t config[VIRTIO_CONFIG_MAX];
	pthread_t thread; /* that activate() and reset() came on */
	bool *is_freed;
};

static struct toy *toy_of(struct virtio_device *dev)
{
	return (struct toy *)dev;
}

static int activate(struct virtio_device *dev)
{
	toy_of(dev)->activations++;
	toy_of(dev)->thread = pthread_self();
	return toy_of(dev)->result;
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	toy_of(dev)->notifications[queue]++;
}

static void reset(struct virtio_device *dev)
{
	toy_of(dev)->resets++;
	toy_of(dev)->thread = pthread_self();
}

static void write_config(struct virtio_device *dev, const uint8_t *config)
{
	toy_of(dev)->config_writes++;
	memcpy(toy_of(dev)->config, config, VIRTIO_CONFIG_MAX);
}

static void save(const struct virtio_device *dev, struct strbuf *out)
{
	strbuf_addstr(out, "state");
}

static int restore(struct virtio_device *dev, const void *data, size_t len)
{
	return len == 5 && memcmp(data, "state", 5) == 0 ? 0 : -EBADMSG;
}

static void free_toy(struct virtio_device *dev)
{
	if (toy_of(dev)->is_freed)
		*toy_of(dev)->is_freed = true;
	free(dev);
}

static const struct virtio_device_ops toy_ops = {
	.name = "toy",
	.id = 42,
	.queues_count = 2,
	.queue_size_max = 64,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.write_config = write_config,
	.save = save,
	.restore = restore,
	.free = free_toy,
};

static struct virtio_device *make_toy(void)
{
	struct toy *toy = xcalloc(1, sizeof(*toy));

	toy->dev.ops = &toy_ops;
	toy->dev.features = 1ULL << FEATURE;
	toy->dev.config_size = 8;
	memcpy(toy->dev.config, "abcdefgh", 8);
	toy->dev.config_writable_from = 4;
	toy->dev.config_writable_to = 8;
	return &toy->dev;
}

struct scene {
	struct driver d;
	struct toy *toy;
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	s->toy = toy_of(make_toy());
	driver_init(&s->d, &s->toy->dev);
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	driver_done(&s->d);
	free(s);
	return 0;
}

static void a_driver_finds_a_device_of_version_2(void **state)
{
	struct scene *s = *state;

	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}

static void a_driver_that_does_all_in_order_makes_it_active(void **state)
{
	struct scene *s = *state;

	driver_start(&s->d, ~0ULL);
	assert_int_equal(s->toy->activations, 1);
	assert_int_equal(s->toy->dev.driver_features, s->d.features);
	assert_true(s->d.features >> FEATURE & 1);
	assert_true(s->toy->dev.queues[1].is_started);
	assert_true(s->toy->dev.queues[0].has_event_idx);
	driver_reset(&s->d);
	assert_int_equal(s->toy->resets, 1);
	assert_false(s->toy->dev.queues[1].is_started);
	/* And once more from the start, without what it need not take. */
	driver_start(&s->d, 0);
	assert_int_equal(s->toy->activations, 2);
	assert_false(s->toy->dev.queues[0].has_event_idx);
}

static void features_that_were_not_offered_are_not_accepted(void **state)
{
	struct scene *s = *state;

	driver_write(&s->d, VIRTIO_MMIO_STATUS, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 3);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1 << (FEATURE + 1));
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 11);
	assert_int_equal(driver_status(&s->d), 3);
	/* Nor is a driver of the old kind. */
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1 << FEATURE);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 11);
	assert_int_equal(driver_status(&s->d), 3);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 11);
	assert_int_equal(driver_status(&s->d), 11);
	/* They are settled now. */
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(s->toy->dev.driver_features, 1ULL << FEATURE | 1ULL << VIRTIO_F_VERSION_1);
}

static void steps_that_are_left_out_lead_nowhere(void **state)
{
	struct scene *s = *state;

	driver_write(&s->d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(driver_status(&s->d), 0);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(driver_status(&s->d), 0);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_NEEDS_RESET | 1);
	assert_int_equal(driver_status(&s->d), 1);
	assert_int_equal(s->toy->activations, 0);
}

static void queues_are_set_up_after_features_and_before_the_driver_is_ready(void **state)
{
	struct scene *s = *state;

	driver_write(&s->d, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_start(&s->d, 0);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_SEL, 0);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_QUEUE_READY), 1);
}

static void a_queue_outside_of_memory_needs_a_reset(void **state)
{
	struct scene *s = *state;

	driver_write(&s->d, VIRTIO_MMIO_STATUS, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 3);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 11);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_NUM, 4);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_DESC_HIGH, UINT32_MAX);
	driver_write(&s->d, VIRTIO_MMIO_QUEUE_READY, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(driver_status(&s->d), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(s->toy->activations, 0);
	driver_reset(&s->d);
	driver_start(&s->d, 0);
	assert_int_equal(s->toy->activations, 1);
}

static void a_device_that_cannot_needs_a_reset_and_gets_one(void **state)
{
	struct scene *s = *state;

	driver_start(&s->d, 0);
	driver_reset(&s->d);
	s->toy->result = -EIO;
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 3);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(&s->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_write(&s->d, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(driver_status(&s->d), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_turn(&s->d);
	assert_int_equal(s->toy->resets, 2);
	driver_reset(&s->d);
	assert_int_equal(s->toy->resets, 2);
}

static void a_failed_device_is_left_alone(void **state)
{
	struct scene *s = *state;

	driver_start(&s->d, 0);
	driver_interrupts(&s->d);
	virtio_device_fail(&s->toy->dev, "a test");
	virtio_device_fail(&s->toy->dev, "a test");
	driver_kick(&s->d, 0);
	driver_turn(&s->d);
	assert_int_equal(s->toy->notifications[0], 0);
	assert_int_equal(s->toy->resets, 1);
	assert_int_equal(s->toy->dev.metrics.failures, 1);
	assert_int_equal(driver_interrupts(&s->d), 1);
	assert_true(driver_status(&s->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_turn(&s->d);
	driver_reset(&s->d);
	assert_int_equal(s->toy->resets, 1);
	driver_start(&s->d, 0);
	driver_kick(&s->d, 0);
	driver_turn(&s->d);
	assert_int_equal(s->toy->notifications[0], 1);
}

static void notifications_reach_the_queue_that_they_name(void **state)
{
	struct scene *s = *state;

	driver_start(&s->d, 0);
	driver_kick(&s->d, 1);
	driver_kick(&s->d, 2);
	driver_kick(&s->d, UINT32_MAX);
	driver_turn(&s->d);
	assert_int_equal(s->toy->notifications[0], 0);
	assert_int_equal(s->toy->notifications[1], 1);
	/* As an ioeventfd does. */
	assert_int_equal(eventfd_write(virtio_mmio_notify_fd(s->d.mmio, 0), 1), 0);
	driver_turn(&s->d);
	assert_int_equal(s->toy->notifications[0], 1);
}

static void interrupts_are_acknowledged(void **state)
{
	struct scene *s = *state;
	const struct virtqueue_used used = { 0, 0 };

	driver_start(&s->d, 0);
	virtqueue_push_all(&s->toy->dev.queues[0], &used, 1);
	virtio_device_signal(&s->toy->dev, 0);
	assert_int_equal(driver_interrupts(&s->d), 1);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	driver_write(&s->d, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void configuration_is_read_in_any_size(void **state)
{
	struct scene *s = *state;
	char data[9] = "";

	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG + 1, data, 1);
	assert_string_equal(data, "b");
	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG, data, 8);
	assert_string_equal(data, "abcdefgh");
	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG + 6, data, 8);
	assert_memory_equal(data, "gh\0\0\0\0\0", 8);
	virtio_mmio_read(s->d.mmio, UINT64_MAX - 3, data, 8);
	assert_memory_equal(data, "\0\0\0\0\0\0\0", 8);
}

static void the_driver_writes_what_it_may_of_the_configuration(void **state)
{
	struct scene *s = *state;
	char data[9] = "";

	driver_start(&s->d, 0);
	virtio_mmio_write(s->d.mmio, VIRTIO_MMIO_CONFIG + 4, "EF", 2);
	virtio_mmio_write(s->d.mmio, VIRTIO_MMIO_CONFIG + 3, "XX", 2);
	virtio_mmio_write(s->d.mmio, VIRTIO_MMIO_CONFIG + 7, "XX", 2);
	virtio_mmio_write(s->d.mmio, UINT64_MAX - 1, "XX", 2);
	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG, data, 8);
	assert_string_equal(data, "abcdEFgh");
	assert_int_equal(s->toy->config_writes, 1);
	assert_memory_equal(s->toy->config, "abcdEFgh", 8);
}

static void a_changed_configuration_is_told(void **state)
{
	struct scene *s = *state;
	uint32_t generation = driver_read(&s->d, VIRTIO_MMIO_CONFIG_GENERATION);
	char data[9] = "";

	driver_start(&s->d, 0);
	virtio_device_change_config(&s->toy->dev, 2, "C", 1);
	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG, data, 8);
	assert_string_equal(data, "abCdefgh");
	assert_int_not_equal(driver_read(&s->d, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
}

static void what_is_no_register_reads_as_zero(void **state)
{
	struct scene *s = *state;
	uint64_t value = UINT64_MAX;

	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_MAGIC_VALUE, &value, 8);
	assert_int_equal(value, 0);
	virtio_mmio_write(s->d.mmio, VIRTIO_MMIO_STATUS, &value, 1);
	assert_int_equal(driver_read(&s->d, 0x004 + 1), 0);
	assert_int_equal(driver_read(&s->d, 0x0f0), 0);
	driver_write(&s->d, VIRTIO_MMIO_MAGIC_VALUE, 0);
	assert_int_equal(driver_read(&s->d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(driver_status(&s->d), 0);
}

static void a_saved_window_goes_on_in_another_one(void **state)
{
	struct scene *s = *state;
	const struct virtqueue_used used[] = { { 0, 0 }, { 1, 0 }, { 2, 0 } };
	bool is_freed = false;
	char data[9] = "";

	driver_start(&s->d, ~0ULL);
	virtqueue_push_all(&s->toy->dev.queues[1], used, 3);
	virtio_device_signal(&s->toy->dev, 1);
	virtio_mmio_write(s->d.mmio, VIRTIO_MMIO_CONFIG + 4, "EF", 2);
	s->toy->is_freed = &is_freed;
	driver_interrupts(&s->d);
	s->toy = toy_of(make_toy());
	driver_move(&s->d, &s->toy->dev);
	assert_true(is_freed);
	assert_int_equal(driver_status(&s->d), 15);
	assert_int_equal(s->toy->activations, 1);
	assert_int_equal(s->toy->dev.queues[1].next_used, 3);
	assert_int_equal(s->toy->dev.driver_features, s->d.features);
	virtio_mmio_read(s->d.mmio, VIRTIO_MMIO_CONFIG, data, 8);
	assert_string_equal(data, "abcdEFgh");
	/* Whatever was on its way counts as having come. */
	assert_int_equal(driver_interrupts(&s->d), 1);
	driver_turn(&s->d);
	assert_int_equal(s->toy->notifications[0], 1);
	assert_int_equal(s->toy->notifications[1], 1);
}

static void a_saved_window_that_was_not_set_up_is_not_active(void **state)
{
	struct scene *s = *state;

	driver_write(&s->d, VIRTIO_MMIO_STATUS, 1);
	s->toy = toy_of(make_toy());
	driver_move(&s->d, &s->toy->dev);
	assert_int_equal(driver_status(&s->d), 1);
	assert_int_equal(s->toy->activations, 0);
	driver_reset(&s->d);
	driver_start(&s->d, 0);
	assert_int_equal(s->toy->activations, 1);
}

static void a_state_that_was_cut_or_changed_is_refused_or_harmless(void **state)
{
	cleanup_strbuf struct strbuf saved = STRBUF_INIT;
	struct scene *s = *state;

	driver_start(&s->d, ~0ULL);
	virtio_mmio_save(s->d.mmio, &saved);
	for (size_t i = 0; i < saved.len; i++) {
		char *copy = xmemdup(saved.buf, saved.len);

		(void)virtio_mmio_restore(s->d.mmio, copy, i, NULL);
		driver_reset(&s->d);
		copy[i] ^= (char)(1 << i % 8);
		(void)virtio_mmio_restore(s->d.mmio, copy, saved.len, NULL);
		driver_reset(&s->d);
		free(copy);
	}
	assert_int_equal(virtio_mmio_restore(s->d.mmio, "", 0, NULL), -EBADMSG);
	assert_int_equal(driver_status(&s->d), 0);
	assert_int_equal(s->toy->activations, s->toy->resets);
	assert_int_equal(virtio_mmio_restore(s->d.mmio, saved.buf, saved.len, NULL), 0);
}

/* --- Threads ---------------------------------------------------------------------------------- */

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void on_quit(void *ctx, int fd, uint32_t events)
{
	loop_quit(ctx, 0);
}

static void *start_and_reset(void *arg)
{
	struct driver *d = arg;

	for (int i = 0; i < 200; i++) {
		driver_write(d, VIRTIO_MMIO_STATUS, 1);
		driver_write(d, VIRTIO_MMIO_STATUS, 3);
		driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
		driver_write(d, VIRTIO_MMIO_STATUS, 15);
		virtio_mmio_write(d->mmio, VIRTIO_MMIO_CONFIG + 4, "EF", 2);
		driver_kick(d, 0);
		driver_write(d, VIRTIO_MMIO_STATUS, 0);
	}
	return NULL;
}

static void the_device_lives_on_the_thread_of_its_loop(void **state)
{
	struct scene *s = *state;
	struct toy *toy = toy_of(make_toy());
	const struct virtio_mmio_options options = {
		.device = &toy->dev,
		.memory = &s->d.mem,
		.loop = s->d.loop,
		.interrupt_fd = s->d.interrupt_fd,
		.is_threaded = true,
	};
	int quit = eventfd(0, EFD_CLOEXEC);
	struct virtio_mmio *old = s->d.mmio;
	pthread_t thread, vcpus[2];

	assert_int_equal(virtio_mmio_new(&options, &s->d.mmio, NULL), 0);
	assert_int_equal(loop_add_fd(s->d.loop, quit, 1, on_quit, s->d.loop, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_loop, s->d.loop), 0);

	driver_start(&s->d, 0);
	assert_int_equal(toy->activations, 1);
	assert_true(pthread_equal(toy->thread, thread));
	driver_reset(&s->d);
	assert_int_equal(toy->resets, 1);
	/* Several vcpus that do what no driver does. */
	for (size_t i = 0; i < ARRAY_SIZE(vcpus); i++)
		assert_int_equal(pthread_create(&vcpus[i], NULL, start_and_reset, &s->d), 0);
	for (size_t i = 0; i < ARRAY_SIZE(vcpus); i++)
		pthread_join(vcpus[i], NULL);
	driver_reset(&s->d);
	assert_int_equal(toy->activations, toy->resets);

	assert_int_equal(eventfd_write(quit, 1), 0);
	pthread_join(thread, NULL);
	virtio_mmio_free(s->d.mmio);
	s->d.mmio = old;
	close(quit);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(a_driver_finds_a_device_of_version_2),
		IN_SCENE(a_driver_that_does_all_in_order_makes_it_active),
		IN_SCENE(features_that_were_not_offered_are_not_accepted),
		IN_SCENE(steps_that_are_left_out_lead_nowhere),
		IN_SCENE(queues_are_set_up_after_features_and_before_the_driver_is_ready),
		IN_SCENE(a_queue_outside_of_memory_needs_a_reset),
		IN_SCENE(a_device_that_cannot_needs_a_reset_and_gets_one),
		IN_SCENE(a_failed_device_is_left_alone),
		IN_SCENE(notifications_reach_the_queue_that_they_name),
		IN_SCENE(interrupts_are_acknowledged),
		IN_SCENE(configuration_is_read_in_any_size),
		IN_SCENE(the_driver_writes_what_it_may_of_the_configuration),
		IN_SCENE(a_changed_configuration_is_told),
		IN_SCENE(what_is_no_register_reads_as_zero),
		IN_SCENE(a_saved_window_goes_on_in_another_one),
		IN_SCENE(a_saved_window_that_was_not_set_up_is_not_active),
		IN_SCENE(a_state_that_was_cut_or_changed_is_refused_or_harmless),
		IN_SCENE(the_device_lives_on_the_thread_of_its_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
