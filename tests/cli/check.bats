#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# moat check and moat env, on this machine as it is and with one thing after another taken away from it, in a mount
# namespace of the test's own.

load helpers

PROGRAM_DIRS="/usr/bin /usr/local/bin /usr/libexec /usr/lib /usr/lib/qemu"

# faulty FAULT: moat check for virtual machines after that command. The answer is in the file report, and $status.
faulty()
{
	((EUID == 0)) || skip "needs root, for mounts"
	run unshare --mount --propagation private bash -c "
		set -e
		programs() { for dir in $PROGRAM_DIRS; do for name; do
			[[ ! -e \$dir/\$name ]] || realpath \$dir/\$name; done; done; }
		hide() { programs \"\$@\" | sort -u | while read -r file; do mount --bind /dev/null \$file; done; }
		$1
		MOAT_ISOLATION=vm \$RUNNER '$MOAT' --root '$ROOT' \$GLOBALS check --format json" 3>&-
	printf '%s\n' "$output" >report
}

# finds SUBJECT VERDICT TEXT CURE: what was found, by parts of it; without a cure there must be none.
finds()
{
	jq -e --arg s "$1" --arg v "$2" --arg t "$3" --arg c "$4" 'any(.checks[]; .subject == $s and .verdict == $v and
		(.text | contains($t)) and (if $c == "" then has("cure") | not else .cure | contains($c) end))' \
		report >/dev/null || { printf 'no %s\n' "$*" >&2; cat report >&2; return 1; }
}

make_image()
{
	mkdir -p image
	touch image/kernel image/initramfs
	echo "{\"kernel\": \"kernel\", \"initrd\": \"initramfs\", \"release\": \"6.12\", \"$1\": true}" >image/guest.json
	export MOAT_GUEST=$PWD/image
}

@test "check: without QEMU it says so, and which package has it" {
	faulty 'hide qemu-system-x86_64 qemu-system-aarch64 qemu-kvm'
	check "$status" 1
	finds QEMU missing "find 'qemu-system-" "install "
	check "$(jq .usable report)" false
}

@test "check: without the image's kernel it says how to make an image" {
	make_image 9p
	faulty "rm image/kernel"
	check "$status" 1
	finds image missing "image/kernel'" "moat-image build --output $PWD/image"
	faulty "rm -r image"
	check "$status" 1
	finds image missing "no guest image in '$PWD/image'" "moat-image build --output $PWD/image"
}

@test "check: a /dev/kvm that cannot be opened is named, with the group, and emulation does" {
	make_image 9p
	faulty 'mkdir dev; mount -t tmpfs tmpfs dev; : >dev/kvm; chmod 0 dev/kvm; : >dev/null; mount --move dev /dev
		GLOBALS=; RUNNER="setpriv --bounding-set=-all --inh-caps=-all"'
	finds KVM warning "/dev/kvm cannot be opened: virtual machines are emulated" "usermod --append --groups kvm"
	faulty 'mkdir -p dev; mount -t tmpfs tmpfs dev; mount --move dev /dev; export MOAT_ACCEL=kvm'
	check "$status" 1
	# Which cure depends on the processor: a module, or the firmware's switch.
	finds KVM missing "no /dev/kvm, and 'kvm' is asked for" "$(jq -r '.checks[] | select(.subject == "KVM").cure' report)"
}

@test "check: a broken configuration is named with its line" {
	printf '{\n"vm": {\n"vcpus": "many" } }\n' >moat.json
	faulty "GLOBALS='--config $PWD/moat.json'"
	check "$status" 1
	finds configuration missing "moat.json:3: vm.vcpus" "correct the file"
	printf '{ "vm": {\n"cpus": 2 } }\n' >moat.json
	faulty "GLOBALS='--config $PWD/moat.json'"
	finds configuration warning "moat.json:2: vm.cpus: unknown key" "moat.json(5)"
}

@test "check: without virtiofsd it matters whether the guest has 9p" {
	make_image virtiofs
	faulty 'hide virtiofsd'
	check "$status" 1
	finds virtiofsd missing "by which the guest gets its files" "install "
	make_image 9p
	faulty 'hide virtiofsd'
	finds virtiofsd warning "guests get their files by 9p" "install "
}

@test "check: what only virtual machines need is no loss to native containers" {
	export MOAT_GUEST=/nowhere
	moat --isolation native check
	check "$status" 0
	[[ $output =~ image\ +warning\ +no\ guest\ image ]]
	moat --isolation vm check --quiet
	check "$status" 1
	[[ $output =~ image\ +missing\ +no\ guest\ image && ! $output =~ \ ok\  ]]
}

@test "check: each line that is not well has its cure, and no other" {
	moat check --format json
	jq -e 'all(.checks[]; (.verdict == "ok") == (has("cure") | not))' <<<"$output"
	for field in kernel namespaces cgroups security devices machine guest moat engines; do
		jq -e --arg f $field 'any(.checks[]; .field == $f)' <<<"$output"
	done
}

@test "env: a setting has its value and where it comes from" {
	printf '{\n"isolation": "native",\n"vm": { "memory_mib": 777,\n"share": null } }\n' >moat.json
	make_image virtiofs
	MOAT_ACCEL=tcg moat --config moat.json env --format json
	check "$status" 0
	check "$(jq -r '.settings | "\(.isolation.value) \(.isolation.origin)"' <<<"$output")" "native $PWD/moat.json:2"
	check "$(jq -c '.settings["vm.memory_mib"]' <<<"$output")" "{\"value\":777,\"origin\":\"$PWD/moat.json:3\"}"
	check "$(jq -c '.settings["vm.accelerator"]' <<<"$output")" '{"value":"tcg","origin":"$MOAT_ACCEL"}'
	check "$(jq -c '.settings["vm.image"]' <<<"$output")" "{\"value\":\"$PWD/image\",\"origin\":\"\$MOAT_GUEST\"}"
	check "$(jq -c '.settings["vm.vcpus"]' <<<"$output")" '{"value":1,"origin":"default"}'
	check "$(jq -c '.settings["vm.share"]' <<<"$output")" '{"value":"virtiofs","origin":"default"}'
	check "$(jq -r '.versions["guest kernel"]' <<<"$output")" 6.12
	check "$(jq -r '.versions.accelerator' <<<"$output")" tcg
	check "$(jq -r '.paths.state' <<<"$output")" "$ROOT"
	check "$(jq -c .configuration <<<"$output")" "[\"$PWD/moat.json\"]"
	MOAT_HYPERVISOR=cloud-hypervisor moat env --format json
	check "$(jq -c '.settings["vm.hypervisor"]' <<<"$output")" '{"value":"cloud-hypervisor","origin":"$MOAT_HYPERVISOR"}'
	moat --isolation vm --config moat.json env
	[[ $output =~ isolation\ +\"vm\"\ +--isolation ]]
}

@test "env: what cannot be read is an error, as it is for a container" {
	printf '{\n"isolation": 7 }\n' >moat.json
	fails_with 1 "env: $PWD/moat.json:2: isolation: not a string: 7" --config moat.json env
	MOAT_ACCEL=xen fails_with 1 "env: MOAT_ACCEL: no such choice: 'xen'" env
}
