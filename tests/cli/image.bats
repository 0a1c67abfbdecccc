# SPDX-License-Identifier: Apache-2.0
# moat-image with kernels and modules made for the purpose: nothing here boots.

load helpers

CONFIG='BLK_DEV_INITRD BINFMT_ELF DEVTMPFS PROC_FS SYSFS TMPFS MULTIUSER UNIX98_PTYS FUTEX EPOLL SIGNALFD TIMERFD
EVENTFD FHANDLE NET UNIX NAMESPACES UTS_NS IPC_NS PID_NS NET_NS CGROUPS MEMCG CGROUP_PIDS CGROUP_SCHED
FAIR_GROUP_SCHED CFS_BANDWIDTH SECCOMP SECCOMP_FILTER PCI VIRTIO_PCI VIRTIO_CONSOLE VIRTIO_FS'

# make_agent MACHINE: as much of a 64-bit ELF file as tells whose it is.
make_agent()
{
	printf '\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0%b\0\1\0\0\0' "$1"
}

setup()
{
	IMAGE=$(dirname "$MOAT")/moat-image
	cd "$BATS_TEST_TMPDIR"
	make_agent '\x3e' >agent
}

image()
{
	run --separate-stderr "$IMAGE" "$@"
}

refuses()
{
	local wanted=$1
	shift
	image "$@"
	check "$status" 1
	check "$(grep -v ': info: ' <<<"$stderr")" "moat-image: $wanted"
}

# make_kernel DIR: as an unpacked package has it, with its configuration and no module.
make_kernel()
{
	mkdir -p "$1/boot" "$1/lib/modules/6.1-t/kernel"
	{
		head -c 514 /dev/zero
		printf 'HdrS'
		head -c 8 /dev/zero
		printf '\0\1'
		head -c 240 /dev/zero
		printf '6.1-t\0'
	} >"$1/boot/vmlinuz-6.1-t"
	printf 'CONFIG_%s=y\n' $CONFIG >"$1/boot/config-6.1-t"
	: >"$1/lib/modules/6.1-t/modules.order"
}

# make_module DIR NAME WORD…: WORDs are lines of its .modinfo.
make_module()
{
	local dir=$1/lib/modules/6.1-t name=$2
	shift 2
	{
		echo '.section .modinfo,"a"'
		printf '.asciz "%s"\n' "$@"
	} | as -o "$dir/kernel/$name.ko" -
	echo "kernel/$name.ko" >>"$dir/modules.order"
}

as_module()
{
	sed -i "s/^CONFIG_$2=y/CONFIG_$2=m/" "$1/boot/config-6.1-t"
}

build()
{
	"$IMAGE" build --agent agent --kernel "$1/boot/vmlinuz-6.1-t" --output "$2" "${@:3}"
}

unpack()
{
	mkdir -p "$2"
	# Without privileges the console's node cannot be made, and nothing here needs it.
	(cd "$2" && cpio -i --quiet 2>/dev/null) <"$1/initramfs" || true
}

with_three_modules()
{
	make_kernel "$1"
	as_module "$1" VIRTIO_PCI
	as_module "$1" VIRTIO_FS
	make_module "$1" virtio_pci depends=virtio 'alias=pci:v00001AF4d*'
	make_module "$1" virtio depends=
	make_module "$1" virtiofs depends=virtio,fuse alias=virtio:d0000001Av* alias=fs-virtiofs
	echo kernel/fs/fuse/fuse.ko >"$1/lib/modules/6.1-t/modules.builtin"
}

@test "the same inputs give the same bytes, wherever and whenever they are packed" {
	with_three_modules one
	(umask 077 && build one out1)
	mkdir elsewhere
	cp -r one elsewhere/two
	find elsewhere -exec touch -d 2001-02-03 {} +
	chmod -R go-rwx elsewhere
	(umask 0 && cd elsewhere && TZ=Asia/Tokyo LC_ALL=C.UTF-8 build two ../out2 --agent ../agent)
	for file in kernel initramfs guest.json; do
		cmp "out1/$file" "out2/$file"
	done
}

@test "packed modules give the same initramfs as plain ones" {
	with_three_modules plain
	with_three_modules packed
	(cd packed/lib/modules/6.1-t/kernel && gzip virtio.ko && xz virtiofs.ko && zstd -q --rm virtio_pci.ko)
	build plain out1
	build packed out2
	cmp out1/initramfs out2/initramfs
	# As depmod(8) of such a distribution writes it.
	printf 'kernel/%s\n' 'virtio_pci.ko.zst: kernel/virtio.ko.gz' virtio.ko.gz: \
		'virtiofs.ko.xz: kernel/virtio.ko.gz' >packed/lib/modules/6.1-t/modules.dep
	build packed out3
	cmp out1/initramfs out3/initramfs
}

@test "an initramfs holds the modules, what they need, and what they are for" {
	command -v cpio >/dev/null || skip "no cpio here"
	with_three_modules one
	build one out --module virtio-pci
	unpack out root
	cmp agent root/init
	check "$(find root/modules -name '*.ko' -printf '%f\n' | sort | xargs)" "virtio.ko virtio_pci.ko virtiofs.ko"
	grep -qx 'virtiofs: virtio fuse' root/modules/modules.dep
	grep -qxF 'virtio:d0000001Av* virtiofs' root/modules/modules.alias
	check "$(cat root/modules/modules.boot)" virtio_pci
}

@test "a kernel with all built in gets an initramfs without modules" {
	command -v cpio >/dev/null || skip "no cpio here"
	make_kernel one
	build one out
	unpack out root
	check "$(ls root/modules)" ""
}

@test "a module that is missing is named, with who looked where" {
	with_three_modules one
	: >one/lib/modules/6.1-t/modules.builtin
	refuses "module 'fuse': not in '$PWD/one/boot/../lib/modules/6.1-t'" \
		build --agent agent --kernel one/boot/vmlinuz-6.1-t --output out
	[ ! -e out/guest.json ]
	rm -r one/lib
	refuses "kernel '$PWD/one/boot/vmlinuz-6.1-t': has virtio_pci and more as modules: name their directory with --modules" \
		build --agent agent --kernel one/boot/vmlinuz-6.1-t --output out
}

@test "what is no kernel, agent or module is refused" {
	make_kernel one
	echo text >text
	refuses "kernel '$PWD/text': neither an ELF file nor a kernel's image" check-kernel --kernel text
	refuses "read '$PWD/none': No such file or directory" check-kernel --kernel none
	make_agent '\xb7' >arms
	refuses "agent '$PWD/arms': not for x86_64, as the kernel is" build --agent arms --kernel one/boot/vmlinuz-6.1-t --output out
	refuses "agent '$PWD/text': not a program" build --agent text --kernel one/boot/vmlinuz-6.1-t --output out
	as_module one VIRTIO_FS
	echo kernel/virtiofs.ko >one/lib/modules/6.1-t/modules.order
	echo text >one/lib/modules/6.1-t/kernel/virtiofs.ko
	refuses "module 'kernel/virtiofs.ko': not a kernel module" \
		build --agent agent --kernel one/boot/vmlinuz-6.1-t --output out
	printf '\x28\xb5\x2f\xfdbroken' >one/boot/config-6.1-t
	refuses "unpack '$PWD/one/boot/config-6.1-t': broken zstd file" check-kernel --kernel one/boot/vmlinuz-6.1-t
	rm one/boot/config-6.1-t
	refuses "kernel '$PWD/one/boot/vmlinuz-6.1-t': its configuration is neither in it nor beside it: name it with --kernel-config" \
		check-kernel --kernel one/boot/vmlinuz-6.1-t
	refuses "no command; 'moat-image --help' lists them"
	refuses "unknown command 'make'" make
}

@test "check-kernel says what is missing, what comes of it, and how to cure it" {
	make_kernel one
	sed -i '/VIRTIO_CONSOLE/d' one/boot/config-6.1-t
	image check-kernel --kernel one/boot/vmlinuz-6.1-t
	check "$status" 1
	[[ $output == *"missing: the channel to the agent: the agent cannot be reached
    set CONFIG_VIRTIO_CONSOLE=y, or CONFIG_VIRTIO_VSOCKETS=y"* ]]
	[[ $output != *"a guest can run it"* ]]
	image check-kernel --format json --kernel one/boot/vmlinuz-6.1-t
	check "$status" 1
	check "$(jq -c '[.usable, .release, .features.virtiofs, .missing[].what, (.advised[] | select(.what == "ext4").cure)]' <<<"$output")" \
		'[false,"6.1-t",true,"the channel to the agent","set CONFIG_EXT4_FS=y"]'
	echo CONFIG_VIRTIO_VSOCKETS=m >>one/boot/config-6.1-t
	image check-kernel --kernel one/boot/vmlinuz-6.1-t
	check "$status" 0
	[[ $output == *"+vsock"*"a guest can run it" ]]
}

@test "a configuration may be packed, and of another place" {
	make_kernel one
	gzip -c one/boot/config-6.1-t >config.gz
	rm one/boot/config-6.1-t
	image check-kernel --kernel one/boot/vmlinuz-6.1-t --kernel-config config.gz
	check "$status" 0
}

@test "the agent needs nothing but itself, and is small" {
	agent=$(readlink -f "$(dirname "$MOAT")/moat-agent")
	run readelf --program-headers --dynamic "$agent"
	[[ $output != *INTERP* && $output != *NEEDED* ]]
	! grep -qaF GCONV_PATH "$agent" || skip "linked with glibc, which makes it larger"
	(($(stat -c %s "$agent") <= 600 * 1024))
}
