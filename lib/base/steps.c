/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/steps.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/timing.h"

int steps_run(const struct step *steps, size_t count, void *ctx, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r;

		log_debug("step %s", steps[i].name ? steps[i].name : "-");
		r = steps[i].run(ctx, err);
		if (r < 0) {
			if (steps[i].name)
				error_wrap(err, r, "%s", steps[i].name);
			steps_undo(steps, i, ctx);
			return r;
		}
		if (steps[i].reached)
			timing_point(steps[i].reached);
	}
	return 0;
}

void steps_undo(const struct step *steps, size_t count, void *ctx)
{
	while (count--)
		if (steps[count].undo)
			steps[count].undo(ctx);
}
