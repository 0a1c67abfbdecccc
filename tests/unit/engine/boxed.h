/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/unit/engine/fixture.h"

/* The one of the test that runs. */
extern struct box *box;
int box_set_up(void **state);
int box_tear_down(void **state);
#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_set_up, box_tear_down)
