/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sys/auxv.h>
#include <sys/utsname.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/str.h"

#if defined(__x86_64__)
static void add_processor(struct strbuf *text)
{
	static const unsigned int leaves[] = { 0, 1, 7, 0x80000001 };

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		unsigned int a = 0, b = 0, c = 0, d = 0;

		if (!__get_cpuid_count(leaves[i], 0, &a, &b, &c, &d))
			continue;
		if (leaves[i] == 1)
			b = 0; /* which processor it is that we run on */
		strbuf_addf(text, " %x:%x:%x:%x", a, b, c, d);
	}
}
#else
static void add_processor(struct strbuf *text)
{
	strbuf_addf(text, " %lx:%lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}
#endif

char *hv_host_text(enum hv_accel accel)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct utsname uts = { .release = "" };

	(void)uname(&uts); /* cannot fail */
	strbuf_addstr(&text, uts.machine);
	if (accel == HV_ACCEL_KVM) {
		strbuf_addf(&text, " %s", uts.release);
		add_processor(&text);
	}
	return strbuf_steal(&text);
}
