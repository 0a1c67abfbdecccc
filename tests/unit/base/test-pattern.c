/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fnmatch.h>

#include "lib/base/pattern.h"
#include "lib/base/str.h"

static const char *const patterns[] = {
	"pci:v00001AF4d*sv*sd*bc*sc*i*",
	"usb:v054Cp0268d01[0-2]*dc*",
	"virtio:d0000000[29]v*",
	"fs-9p",
	"of:N*T*Cvirtio,mmioC*",
	"?",
	"*",
	"**b*",
	"a*a*a*b",
	"[a-]",
	"[]x]",
	"x[a",
	"",
};
static const char *const texts[] = {
	"pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00",
	"pci:v00001AF4d00001041",
	"usb:v054Cp0268d0101dc00",
	"usb:v054Cp0268d0103dc00",
	"virtio:d00000002v554D4551",
	"virtio:d00000003v554D4551",
	"fs-9p",
	"fs-9pp",
	"of:NvTvCvirtio,mmio",
	"of:NvTvCvirtio,mmioCx",
	"a",
	"-",
	"]",
	"x",
	"xa",
	"aaaaaaaaaaaab",
	"aaaaaaaaaaaaa",
	"",
};

static void patterns_match_what_the_c_library_says(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			assert_int_equal(pattern_matches(patterns[i], texts[j]),
					 fnmatch(patterns[i], texts[j], 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_what_the_c_library_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
