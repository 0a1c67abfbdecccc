# SPDX-License-Identifier: Apache-2.0
# Guests of other processors, which QEMU emulates: chosen by the program's header, or by who says so.

load helpers

# GNU's names.
declare -gA TRIPLETS=([aarch64]=aarch64-linux-gnu [riscv64]=riscv64-linux-gnu [ppc64le]=powerpc64le-linux-gnu
  [s390x]=s390x-linux-gnu)

# What a million steps make of one, on every processor.
readonly SUM=2493285313

# foreign ARCH: the container's program is for that processor.
foreign() {
  local cc=${TRIPLETS[$1]}-gcc
  only_vm "natively there is the host's processor"
  # The usual image, beside which are the others'.
  MOAT_GUEST=$(dirname "$MOAT")/../guest
  export MOAT_GUEST
  [ "$1" != "$(uname -m)" ] || skip "this is the host's own processor"
  [ -e "$MOAT_GUEST-$1/guest.json" ] || skip "there is no guest image for $1 (./dev guest $1)"
  command -v "$cc" >/dev/null || skip "no $cc here"
  "$cc" -static -o "$BUNDLE/rootfs/bin/hello" -x c - <<'END'
#include <stdio.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname name;
	unsigned int sum = 1;

	for (unsigned int i = 0; i < 1000000; i++)
		sum = sum * 1103515245 + 12345;
	uname(&name);
	printf("%s %u\n", name.machine, sum);
	return 3;
}
END
  args hello
}

hello_in() {
  foreign "$1"
  run -3 foreground
  expect "$output" = "$1 $SUM"
}

@test "a program for aarch64 has a machine of that processor" {
  hello_in aarch64
}

@test "a program for riscv64 has a machine of that processor" {
  hello_in riscv64
}

@test "a program for ppc64le has a machine of that processor" {
  hello_in ppc64le
}

@test "a program for s390x has a machine of that processor" {
  hello_in s390x
}

# A processor that this machine has not.
other() {
  if [ "$(uname -m)" = s390x ]; then echo aarch64; else echo s390x; fi
}

@test "without an image for it a processor is refused, with the place" {
  only_vm "natively there is the host's processor"
  local other
  other=$(other)
  cp -r "$MOAT_GUEST" "$BATS_TEST_TMPDIR/guest"
  export MOAT_GUEST=$BATS_TEST_TMPDIR/guest
  MOAT_GUEST_ARCH=$other run -1 foreground
  expect_match "$output" "a guest of $other: no guest image in '$MOAT_GUEST-$other'"
  run -1 moat --guest-arch "$other" run --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "a guest of $other: no guest image in '$MOAT_GUEST-$other'"
}

@test "KVM has no processor but the host's" {
  only_vm "natively there is the host's processor"
  local other
  other=$(other)
  cp -r "$MOAT_GUEST" "$BATS_TEST_TMPDIR/guest"
  jq --arg arch "$other" '.arch = $arch' "$MOAT_GUEST/guest.json" >"$BATS_TEST_TMPDIR/guest/guest.json"
  MOAT_GUEST=$BATS_TEST_TMPDIR/guest MOAT_GUEST_ARCH=$other MOAT_ACCEL=kvm run -1 foreground
  expect_match "$output" "accelerator 'kvm': none for a guest of $other here"
}
