/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/guest-points.h"

#include <errno.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"

#define PREFIX "moat_agent_point_seconds{point=\""
#define READY "channel opened"
#define POINTS_MAX 16
#define TIMEOUT_MS 5000
#define NS_DIGITS 9
#define SECONDS_MAX (INT64_C(1) << 32)

struct point {
	const char *name;
	int64_t ns; /* since the guest booted */
};

/* "12.000345678" */
static int parse_seconds(char *text, int64_t *ret)
{
	char *fraction = strchr(text, '.');
	uint64_t seconds, ns;

	if (!fraction || strlen(fraction + 1) != NS_DIGITS)
		return -EINVAL;
	*fraction++ = '\0';
	if (parse_u64(text, &seconds) < 0 || seconds >= SECONDS_MAX || parse_u64(fraction, &ns) < 0)
		return -EINVAL;
	*ret = (int64_t)(seconds * 1000000000 + ns);
	return 0;
}

static bool is_plain(const char *name)
{
	return *name && strlen(name) < TIMING_WHAT_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz ") == strlen(name);
}

static int parse_line(char *line, struct point *ret)
{
	char *name = (char *)str_after(line, PREFIX);
	char *end = name ? strstr(name, "\"} ") : NULL;

	if (!end)
		return -EINVAL;
	*end = '\0';
	ret->name = name;
	return is_plain(name) ? parse_seconds(end + strlen("\"} "), &ret->ns) : -EINVAL;
}

void guest_points_take(char *metrics, int64_t ready_ns)
{
	struct point points[POINTS_MAX];
	const struct point *ready = NULL;
	size_t count = 0;
	char *line;

	while (count < POINTS_MAX && (line = strsep(&metrics, "\n"))) {
		if (parse_line(line, &points[count]) < 0)
			continue;
		if (streq(points[count].name, READY))
			ready = &points[count];
		count++;
	}
	if (!ready)
		return;
	timing_point_at(ready_ns - ready->ns, "guest", "kernel entered");
	for (size_t i = 0; i < count; i++)
		timing_point_at(ready_ns + (points[i].ns - ready->ns), "guest", points[i].name);
}

void guest_points_fetch(struct agent_client *client, int64_t ready_ns)
{
	const grpc_GetMetricsRequest request = grpc_GetMetricsRequest_init_zero;
	struct error err = ERROR_INIT;
	grpc_Metrics response;

	if (agent_call(client, AGENT_GET_METRICS, &request, &response, TIMEOUT_MS, &err) < 0) {
		log_warning("timing: of the guest: %s", err.msg);
		return;
	}
	if (response.metrics)
		guest_points_take(response.metrics, ready_ns);
	agent_response_release(AGENT_GET_METRICS, &response);
}
