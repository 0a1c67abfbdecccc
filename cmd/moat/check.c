/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/check/check.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "lib/base/json.h"
#include "lib/container/container.h"

enum check_format { CHECK_TEXT, CHECK_JSON, CHECK_FORMAT_COUNT };

struct values {
	int format; /* enum check_format */
	bool is_quiet;
};

static const char *const format_words[] = { "text", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "format", 'f', OPTION_WORD, offsetof(struct values, format), &formats, "text|json", "how to write what was found (default: text)" },
	{ "quiet", 'q', OPTION_FLAG, offsetof(struct values, is_quiet), NULL, NULL, "only what is not well" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static void print_finding(const struct check_finding *finding, bool is_same_field)
{
	printf("%-11s %-13s %-8s %s\n", is_same_field ? "" : finding->field, finding->subject,
	       names_get(&check_verdict_names, finding->verdict), finding->text);
	if (finding->cure)
		printf("%-34s cure: %s\n", "", finding->cure);
}

static void print_verdict(const struct check_report *report)
{
	const char *verdict = report->counts[CHECK_MISSING]
				      ? "containers cannot run here as they are wanted"
				      : "containers can run here";

	printf("\n%s; missing: %zu, warnings: %zu\n", verdict, report->counts[CHECK_MISSING],
	       report->counts[CHECK_WARNING]);
}

static void print_text(const struct check_report *report, bool is_quiet)
{
	const char *field = NULL;

	for (size_t i = 0; i < report->count; i++) {
		const struct check_finding *finding = &report->findings[i];

		if (is_quiet && finding->verdict == CHECK_OK)
			continue;
		print_finding(finding, field == finding->field);
		field = finding->field;
	}
	if (!is_quiet)
		print_verdict(report);
}

static void print_json(const struct check_report *report, bool is_quiet)
{
	struct json_writer *w = json_writer_new(true);
	cleanup_free char *text = NULL;

	json_open_map(w);
	json_key(w, "usable");
	json_bool(w, !report->counts[CHECK_MISSING]);
	json_key(w, "checks");
	json_open_array(w);
	for (size_t i = 0; i < report->count; i++) {
		const struct check_finding *finding = &report->findings[i];

		if (is_quiet && finding->verdict == CHECK_OK)
			continue;
		json_open_map(w);
		json_key_string(w, "field", finding->field);
		json_key_string(w, "subject", finding->subject);
		json_key_string(w, "verdict", names_get(&check_verdict_names, finding->verdict));
		json_key_string(w, "text", finding->text);
		if (finding->cure)
			json_key_string(w, "cure", finding->cure);
		json_close_map(w);
	}
	json_close_array(w);
	json_close_map(w);
	text = json_finish(w);
	fputs(text, stdout);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_free char *cache_dir = state_cache_dir(globals->root);
	cleanup_free char *program = realpath("/proc/self/exe", NULL);
	cleanup_free char *shim = container_shim_path();
	cleanup_free char *image = host_image_dir(&globals->settings, NULL);
	cleanup_free char *user = user_name(geteuid());
	cleanup_check_report struct check_report report = { NULL };
	struct check_host host = {
		.root = "",
		.cache_dir = cache_dir,
		.program = program ? program : "moat",
		.shim = shim,
		.image = image,
		.is_rootless = state_is_rootless(),
		.user = user,
		.settings = &globals->settings,
		.settings_error = globals->settings_error.code ? &globals->settings_error : NULL,
	};
	int isolation;
	int r = host_isolation(globals, &globals->settings, &isolation, err);

	if (r < 0)
		return r;
	host.wants_vm = isolation == ISOLATION_VM;
	check_host_run(&host, &report);
	if (values->format == CHECK_JSON)
		print_json(&report, values->is_quiet);
	else
		print_text(&report, values->is_quiet);
	return report.counts[CHECK_MISSING] ? 1 : 0;
}

const struct command check_command = {
	.name = "check",
	.summary = "tell what this host lacks, and how to cure it",
	.arguments = "",
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "check",
	.run = run,
};
