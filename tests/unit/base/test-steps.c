/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"

struct trail {
	struct strbuf text;
	int failing; /* which of the steps fails: 1, 2, 3, or 0 */
};

static int run(struct trail *t, int number, struct error *err)
{
	if (t->failing == number)
		return error_set(err, -EBUSY, "step %d: broke", number);
	strbuf_addf(&t->text, "+%d", number);
	return 0;
}

static int run_one(void *ctx, struct error *err)
{
	return run(ctx, 1, err);
}

static int run_two(void *ctx, struct error *err)
{
	return run(ctx, 2, err);
}

static int run_three(void *ctx, struct error *err)
{
	return run(ctx, 3, err);
}

static void undo_one(void *ctx)
{
	strbuf_addstr(&((struct trail *)ctx)->text, "-1");
}

static void undo_three(void *ctx)
{
	strbuf_addstr(&((struct trail *)ctx)->text, "-3");
}

static const struct step steps[] = {
	{ "first", run_one, undo_one },
	{ NULL, run_two, NULL },
	{ "third", run_three, undo_three },
};

static void expect(int failing, int code, const char *trail, const char *msg)
{
	struct trail t = { STRBUF_INIT, failing };
	struct error err = ERROR_INIT;

	strbuf_addstr(&t.text, "");
	assert_int_equal(steps_run(steps, ARRAY_SIZE(steps), &t, &err), code);
	assert_string_equal(t.text.buf, trail);
	assert_string_equal(err.msg, msg);
	strbuf_done(&t.text);
}

static void steps_run_in_order(void **state)
{
	expect(0, 0, "+1+2+3", "");
}

static void a_failure_undoes_the_steps_before_it_backwards(void **state)
{
	expect(3, -EBUSY, "+1+2-1", "third: step 3: broke");
	expect(1, -EBUSY, "", "first: step 1: broke");
}

static void a_step_without_a_name_is_not_wrapped(void **state)
{
	expect(2, -EBUSY, "+1-1", "step 2: broke");
}

static void a_procedure_that_is_given_up_later_is_undone_backwards(void **state)
{
	struct trail t = { STRBUF_INIT, 0 };

	steps_undo(steps, ARRAY_SIZE(steps), &t);
	assert_string_equal(t.text.buf, "-3-1");
	strbuf_done(&t.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_run_in_order),
		cmocka_unit_test(a_failure_undoes_the_steps_before_it_backwards),
		cmocka_unit_test(a_step_without_a_name_is_not_wrapped),
		cmocka_unit_test(a_procedure_that_is_given_up_later_is_undone_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
