/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

struct scene {
	struct loop *loop;
	struct loop_source *first;
	struct loop_source *second;
	int fds[2];
	struct strbuf trail;
	bool done;
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	*state = s;
	return loop_new(&s->loop) < 0 || pipe2(s->fds, O_CLOEXEC | O_NONBLOCK) < 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	loop_free(s->loop);
	close(s->fds[0]);
	close(s->fds[1]);
	strbuf_done(&s->trail);
	free(s);
	return 0;
}

static void on_read(void *ctx, int fd, uint32_t events)
{
	struct scene *s = ctx;
	char c = '-';

	(void)!read(fd, &c, 1); /* '-' shows that nothing was there */
	strbuf_addch(&s->trail, c);
	if (c == '.')
		loop_quit(s->loop, 7);
}

static void a_readable_descriptor_is_reported(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop_add_fd(s->loop, s->fds[0], EPOLLIN, on_read, s, NULL), 0);
	assert_int_equal(write_all(s->fds[1], "ab.", 3), 0);
	assert_int_equal(loop_run(s->loop), 7);
	assert_string_equal(s->trail.buf, "ab.");
	/* A loop that was quit stays so, and the first code counts. */
	loop_quit(s->loop, 8);
	assert_int_equal(loop_run(s->loop), 7);
}

static void a_regular_file_cannot_be_watched(void **state)
{
	cleanup_fd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct loop_source *source = NULL;
	struct scene *s = *state;

	assert_int_equal(loop_add_fd(s->loop, fd, EPOLLIN, on_read, s, &source), -EPERM);
	assert_null(source);
	assert_int_equal(loop_run_until(s->loop, &s->done, 0), -ETIMEDOUT);
}

static void on_timer_a(void *ctx)
{
	strbuf_addch(&((struct scene *)ctx)->trail, 'a');
}

static void on_timer_again(void *ctx)
{
	struct scene *s = ctx;

	strbuf_addch(&s->trail, 'n');
	if (s->trail.len < 3)
		loop_add_timer(s->loop, 0, on_timer_again, s);
	else
		s->done = true;
}

static void on_timer_quit(void *ctx)
{
	struct scene *s = ctx;

	strbuf_addch(&s->trail, 'q');
	loop_quit(s->loop, 0);
}

static void timers_fire_once_when_they_are_due(void **state)
{
	struct scene *s = *state;
	long long start = now_ms();

	loop_add_timer(s->loop, 30, on_timer_quit, s);
	loop_add_timer(s->loop, 10, on_timer_a, s);
	assert_int_equal(loop_run(s->loop), 0);
	assert_string_equal(s->trail.buf, "aq");
	assert_true(now_ms() - start >= 30);
}

static void a_timer_may_set_itself_again(void **state)
{
	struct scene *s = *state;

	loop_add_timer(s->loop, 0, on_timer_again, s);
	assert_int_equal(loop_run_until(s->loop, &s->done, 1000), 0);
	assert_string_equal(s->trail.buf, "nnn");
}

static void a_removed_timer_does_not_fire(void **state)
{
	struct scene *s = *state;

	loop_remove(loop_add_timer(s->loop, 0, on_timer_a, s));
	loop_remove(NULL);
	loop_add_timer(s->loop, 5, on_timer_quit, s);
	assert_int_equal(loop_run(s->loop), 0);
	assert_string_equal(s->trail.buf, "q");
}

static void waiting_ends_in_time(void **state)
{
	struct scene *s = *state;
	long long start = now_ms();

	assert_int_equal(loop_run_until(s->loop, &s->done, 20), -ETIMEDOUT);
	assert_true(now_ms() - start >= 20);
	loop_quit(s->loop, 0);
	assert_int_equal(loop_run_until(s->loop, &s->done, 1000), -ECANCELED);
}

/* Both ends are ready in one epoll_wait(2); whichever is called first removes the other. */
static void on_event_remove_both(void *ctx, int fd, uint32_t events)
{
	struct scene *s = ctx;

	strbuf_addch(&s->trail, 'x');
	loop_remove(s->first);
	loop_remove(s->second);
}

static void a_callback_may_remove_itself_and_others(void **state)
{
	struct scene *s = *state;

	assert_int_equal(
		loop_add_fd(s->loop, s->fds[0], EPOLLIN, on_event_remove_both, s, &s->first), 0);
	assert_int_equal(
		loop_add_fd(s->loop, s->fds[1], EPOLLOUT, on_event_remove_both, s, &s->second), 0);
	assert_int_equal(write_all(s->fds[1], "abc", 3), 0);
	assert_int_equal(loop_run_until(s->loop, &s->done, 20), -ETIMEDOUT);
	assert_string_equal(s->trail.buf, "x");
}

/* The inner run must not free what the outer one still looks at. */
static void on_event_nested(void *ctx, int fd, uint32_t events)
{
	struct scene *s = ctx;
	bool never = false;

	strbuf_addch(&s->trail, 'x');
	loop_remove(s->first);
	loop_remove(s->second);
	(void)loop_run_until(s->loop, &never, 5); /* the time-out is its end */
}

static void a_callback_may_run_the_loop_itself(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop_add_fd(s->loop, s->fds[0], EPOLLIN, on_event_nested, s, &s->first),
			 0);
	assert_int_equal(loop_add_fd(s->loop, s->fds[1], EPOLLOUT, on_event_nested, s, &s->second),
			 0);
	assert_int_equal(write_all(s->fds[1], "abc", 3), 0);
	assert_int_equal(loop_run_until(s->loop, &s->done, 30), -ETIMEDOUT);
	assert_string_equal(s->trail.buf, "x");
}

static void a_source_can_be_silenced_and_woken(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop_add_fd(s->loop, s->fds[0], EPOLLIN, on_read, s, &s->first), 0);
	loop_set_events(s->first, 0);
	assert_int_equal(write_all(s->fds[1], ".", 1), 0);
	assert_int_equal(loop_run_until(s->loop, &s->done, 10), -ETIMEDOUT);
	assert_int_equal(s->trail.len, 0);
	loop_set_events(s->first, EPOLLIN);
	assert_int_equal(loop_run(s->loop), 7);
}

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
	struct scene *s = ctx;

	strbuf_addf(&s->trail, "%d ", (int)info->ssi_signo);
	s->done = info->ssi_signo == SIGUSR2;
}

static void signals_are_delivered_in_the_loop(void **state)
{
	struct scene *s = *state;
	sigset_t set, before;
	cleanup_free char *want = xasprintf("%d %d ", SIGUSR1, SIGUSR2);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
	assert_int_equal(loop_add_signals(s->loop, &set, on_signal, s), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	assert_int_equal(loop_run_until(s->loop, &s->done, 1000), 0);
	assert_string_equal(s->trail.buf, want);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void freeing_a_loop_closes_no_foreign_descriptor(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop_add_fd(s->loop, s->fds[0], EPOLLIN, on_read, s, NULL), 0);
	loop_add_timer(s->loop, 1000, on_timer_a, s);
	loop_free(s->loop);
	loop_free(NULL);
	s->loop = NULL;
	assert_true(fcntl(s->fds[0], F_GETFD) >= 0);
}

#define test_scene(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_scene(a_readable_descriptor_is_reported),
		test_scene(a_regular_file_cannot_be_watched),
		test_scene(timers_fire_once_when_they_are_due),
		test_scene(a_timer_may_set_itself_again),
		test_scene(a_removed_timer_does_not_fire),
		test_scene(waiting_ends_in_time),
		test_scene(a_callback_may_remove_itself_and_others),
		test_scene(a_callback_may_run_the_loop_itself),
		test_scene(a_source_can_be_silenced_and_woken),
		test_scene(signals_are_delivered_in_the_loop),
		test_scene(freeing_a_loop_closes_no_foreign_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
