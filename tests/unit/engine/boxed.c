/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/boxed.h"

struct box *box;

int box_set_up(void **state)
{
	box = box_new();
	return 0;
}

int box_tear_down(void **state)
{
	box_free(box);
	box = NULL;
	return 0;
}
