/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/check/check-internal.h"

/* What distributions call the packages that a cure names, by ID or ID_LIKE of os-release(5). The
 * first line that fits is taken. */
static const struct distribution {
	const char *id;
	const char *version; /* NULL: any */
	const char *command;
	const char *packages[PACKAGE_COUNT];
} distributions[] = {
	/* The C virtiofsd is a part of QEMU there. */
	{ "debian",
	  "12",
	  "apt-get install",
	  { "qemu-system-x86", "qemu-system-common", "uidmap" } },
	{ "debian", NULL, "apt-get install", { "qemu-system-x86", "virtiofsd", "uidmap" } },
	{ "fedora", NULL, "dnf install", { "qemu-kvm", "virtiofsd", "shadow-utils" } },
	{ "suse", NULL, "zypper install", { "qemu-x86", "virtiofsd", "shadow" } },
	{ "arch", NULL, "pacman -S", { "qemu-base", "virtiofsd", "shadow" } },
	{ "alpine", NULL, "apk add", { "qemu-system-x86_64", "virtiofsd", "shadow-uidmap" } },
};

static const char *const usual_names[PACKAGE_COUNT] = {
	[PACKAGE_QEMU] = "QEMU",
	[PACKAGE_VIRTIOFSD] = "virtiofsd",
	[PACKAGE_UIDMAP] = "newuidmap and newgidmap",
};

/* The value of KEY=VALUE, without its quotes; free(3) it; NULL: there is none. */
static char *find_value(const char *text, const char *key)
{
	cleanup_strv char **lines = strv_split(text, '\n');

	strv_each(line, lines) {
		const char *value = str_after(line, key);
		size_t len;

		if (!value || *value != '=')
			continue;
		value += value[1] == '"' ? 2 : 1;
		len = strcspn(value, "\"");
		return xstrndup(value, len);
	}
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	cleanup_strv char **list = words ? strv_split(words, ' ') : NULL;

	return strv_has(list, word);
}

static const struct distribution *find_distribution(const struct check *c)
{
	cleanup_free char *text = check_host_read(c, "/etc/os-release");
	cleanup_free char *id = text ? find_value(text, "ID") : NULL;
	cleanup_free char *like = text ? find_value(text, "ID_LIKE") : NULL;
	cleanup_free char *version = text ? find_value(text, "VERSION_ID") : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(distributions); i++) {
		const struct distribution *d = &distributions[i];
		bool is_it = streq_null(id, d->id);

		if (d->version ? is_it && streq_null(version, d->version)
			       : is_it || has_word(like, d->id))
			return d;
	}
	return NULL;
}

char *check_install(const struct check *c, enum check_package package)
{
	const struct distribution *d = find_distribution(c);

	return d ? xasprintf("%s %s", d->command, d->packages[package])
		 : xasprintf("install %s", usual_names[package]);
}
