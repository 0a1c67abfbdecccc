/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

__attribute__((format(printf, 2, 0))) static void put_text(struct error *err, const char *fmt,
							   va_list ap)
{
	if (vsnprintf(err->msg, sizeof(err->msg), fmt, ap) < 0)
		err->msg[0] = '\0';
}

/* Puts ": @tail" behind the text. The reason stands at the end, so what is too long loses its
 * middle. */
static void add_tail(struct error *err, const char *tail)
{
	static const char gap[] = "...";
	char whole[2 * sizeof(err->msg) + 2];
	size_t len = strlen(err->msg), tail_len = strlen(tail);
	size_t room = sizeof(err->msg) - 1;
	size_t kept = sizeof(err->msg) / 3;

	memcpy(whole, err->msg, len);
	memcpy(whole + len, ": ", 2);
	memcpy(whole + len + 2, tail, tail_len + 1);
	len += 2 + tail_len;
	if (len > room) {
		memcpy(whole + room - kept - strlen(gap), gap, strlen(gap));
		memmove(whole + room - kept, whole + len - kept, kept + 1);
		len = room;
	}
	memcpy(err->msg, whole, len + 1);
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;

	err->code = code;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	return code;
}

int error_sys(struct error *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	errnum = abs(errnum);
	if (!err)
		return -errnum;

	err->code = -errnum;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	add_tail(err, strerror(errnum));
	return -errnum;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return code;

	memcpy(inner, err->msg, sizeof(inner));
	err->code = code;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	add_tail(err, inner);
	return code;
}

void error_sanitize(struct error *err)
{
	err->msg[sizeof(err->msg) - 1] = '\0';
	str_sanitize(err->msg, false);
}

/* One table for every cure, so that they can be read and checked together. */
static const struct {
	const char *text; /* a piece of the message that identifies the situation */
	const char *cure;
} hints[] = {
	{ "no guest image",
	  "build one with 'moat-image build', or run './dev build' in a checkout" },
	{ "find 'newuidmap'", "install the distribution's package uidmap" },
	{ "find 'newgidmap'", "install the distribution's package uidmap" },
	{ "newuidmap: uid range", "give the user these ids in /etc/subuid" },
	{ "newgidmap: gid range", "give the user these ids in /etc/subgid" },
	{ "was not given to this user",
	  "the user's ids are its own and those of /etc/subuid and /etc/subgid" },
	{ "no place for state", "log in as this user, or name a directory of its own with --root" },
	{ "make the root '",
	  "name a directory of this user's own with --root or $XDG_RUNTIME_DIR" },
	{ "make user namespace: Operation not permitted",
	  "this host forbids them to users without rights (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)" },
	{ "clone: Operation not permitted",
	  "without rights a container needs a user namespace: 'moat spec --rootless'" },
	{ "names a unit of systemd", "give a path, or --systemd-cgroup on a host with systemd" },
	{ "systemd: connect to the",
	  "systemd does not run here, or not for this user ($XDG_RUNTIME_DIR): use --cgroup-manager cgroupfs" },
	{ "cgroup: no rights",
	  "name a parent in linux.cgroupsPath that this user was given, or ask for no limits with --rootless=true" },
	{ "has processes itself",
	  "move them into a cgroup of their own, or choose another linux.cgroupsPath" },
	{ "cannot be enabled for what is in",
	  "its owner has to delegate the controller: for systemd's users, Delegate= of user@.service" },
	{ "cgroup is not empty", "another container uses it; choose another linux.cgroupsPath" },
	{ "set rlimit",
	  "the caller may not raise this limit (CAP_SYS_RESOURCE); lower process.rlimits" },
	{ "shared host network",
	  "give the container its own network namespace, or use --isolation native" },
	{ "another virtual machine has it",
	  "containers that share a network belong into one virtual machine: give both one --root" },
	{ "open '/dev/net/tun'", "load the host's kernel module tun" },
	{ "redirect its traffic",
	  "load the host's kernel modules sch_ingress, cls_u32 and act_mirred" },
	{ "started without slots for disks",
	  "make the sandbox's container with the annotation io.kubernetes.cri-o.ContainerType=sandbox" },
	{ "find 'qemu-system-", "install the distribution's package qemu-system-x86" },
	{ "connect to port 1026: refused",
	  "give the guest a debug console by vm.kernel_parameters in moat.json: agent.debug_console agent.debug_console_vport=1026" },
	{ "find 'virtiofsd'",
	  "install the distribution's package virtiofsd or qemu-system-common" },
};

const char *error_hint(const struct error *err)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(err->msg, hints[i].text))
			return hints[i].cure;
	return NULL;
}
