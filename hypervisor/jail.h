/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * What a VMM sees of the host: a root of its own with the programs and libraries that distributions
 * install, read-only, the devices that it opens by name, and what it was started for. Whoever takes
 * it over finds no other file, socket, process or kernel setting by name.
 */
struct hv_jail {
	/* Files, devices and directories, absolute, which are there under the same names, read-only
	 * (a device is what it is). Ends in NULL. */
	const char *const *readable;
	/* A directory as it is, with what is mounted in it later; NULL: none. */
	const char *shared;
};

/* Enters it, for good, in a mount namespace of its own; by its name, @program (absolute) is what it
 * was. Who has no rights over mounts, as a unit test, has nothing to keep from it, and stays. */
int hv_jail_enter(const struct hv_jail *jail, const char *program, struct error *err);

/* The same with nothing in it at all. */
int hv_jail_enter_empty(struct error *err);
