# SPDX-License-Identifier: Apache-2.0
# The Debian packages on a fresh root of Debian 12: what installing them gives, and that a purge leaves
# nothing. Makes them first (./dev package) where build/package has none.

bats_require_minimum_version 1.5.0

load ../lib/obstacle
load ../lib/rootfs

TOP=$BATS_TEST_DIRNAME/../..
PACKAGES=$TOP/build/package

obstacle() {
  if ((EUID != 0)); then echo "it takes root to make a Debian root"; fi
  missing mmdebstrap dh busybox
}

# The machine's own sources, so that a mirror configured here serves here too.
debian_sources() {
  find /etc/apt -maxdepth 2 \( -name sources.list -o -name debian.sources \) -size +0
}

make_root() {
  local sources
  mapfile -t sources < <(debian_sources)
  nice mmdebstrap --quiet --variant=apt --format=directory \
    --include=podman,man-db,bash-completion,busybox-static,qemu-system-x86 bookworm "$1" "${sources[@]}"
}

setup_file() {
  is_possible || return 0
  export FRESH=${MOAT_TEST_DEBIAN_ROOT:-$BATS_FILE_TMPDIR/root}
  export CGROUP_PARENT=/moat-package-$$
  compgen -G "$PACKAGES/moat_*.deb" >/dev/null || "$TOP/dev" package
  [ -d "$FRESH" ] || make_root "$FRESH"
  list_files >"$BATS_FILE_TMPDIR/before"
  mkdir "$FRESH/packages"
  cp "$PACKAGES"/moat_*.deb "$PACKAGES"/moat-guest_*.deb "$PACKAGES"/moat-doc_*.deb "$FRESH/packages/"
  make_rootfs "$FRESH/packages/rootfs"
  on_root dpkg --install --recursive /packages
}

teardown_file() {
  [ -z "${OBSTACLE-}" ] || return 0
  on_root dpkg --purge moat moat-guest moat-doc || true
  rm -rf "$FRESH/packages"
  find /sys/fs/cgroup -maxdepth 4 -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} +
}

setup() {
  skip_impossible
}

# All but what every installation of any package changes, and what programs remember.
list_files() {
  (cd "$FRESH" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt \
    -o -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./packages \
    -o -path ./var/lib/containers -o -path ./etc/cni -o -path ./root \) -prune -o -print | LC_ALL=C sort)
}

# on_root COMMAND…: there, in namespaces of its own that end with it. Its root is a mount, as a machine's.
on_root() {
  # shellcheck disable=SC2016 # the inner shell expands them
  unshare --mount --pid --fork --kill-child sh -c '
    mount --make-rprivate /
    mount --bind "$1" "$1"
    cd "$1"; shift
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    mount --move . /
    exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
  ' sh "$FRESH" "$@" 3>&-
}

# podman with its own configuration, where the package's drop-in is all that tells it of moat.
run_podman() {
  on_root podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime "$1" run --rm \
    --network none --cgroup-parent "$CGROUP_PARENT" --rootfs /packages/rootfs "${@:2}"
}

@test "lintian finds nothing to say about the packages" {
  command -v lintian >/dev/null || skip "no lintian here"
  run -0 lintian --fail-on error,warning "$PACKAGES"/moat_*.changes
  ! grep -E '^[EW]:' <<<"$output"
}

@test "podman finds moat by its name, and runs a container in a virtual machine" {
  run -0 run_podman moat sh -c 'echo "here is $(uname -r)"'
  [[ $output == *"here is "* ]]
  [[ $output != *"here is $(uname -r)"* ]]
}

@test "and natively by the other name" {
  run -0 run_podman moat-native uname -r
  [[ $output == *"$(uname -r)"* ]]
}

@test "manual pages are found, and commands are completed" {
  for page in moat moat-native moat-image moat-agentctl moat.json; do
    run -0 on_root man --where "$page"
  done
  run -0 on_root bash -c '. /usr/share/bash-completion/bash_completion
    _completion_loader moat; COMP_LINE="moat che" COMP_POINT=8; _moat moat che moat; echo "${COMPREPLY[*]}"'
  [ "$output" = "checkpoint check" ]
}

@test "engines get their drop-ins, and the documentation is there" {
  for file in containers/containers.conf.d/50-moat.conf crio/crio.conf.d/50-moat-handlers.conf \
    containerd/conf.d/50-moat.toml; do
    grep -q /usr/bin/moat "$FRESH/etc/$file"
  done
  grep -q /usr/bin/moat "$FRESH/usr/share/moat/examples/docker-daemon.json"
  compgen -G "$FRESH/usr/share/doc/moat/docs/architecture.md*"
}

@test "moat-image finds the small agent that is in the guest image" {
  (($(stat -c %s "$FRESH/usr/libexec/moat/moat-agent") <= $(stat -c %s "$TOP/build/agent/moat-agent")))
  run -0 on_root /usr/libexec/moat/moat-agent --version
}

@test "a purge leaves nothing" {
  on_root dpkg --purge moat moat-guest moat-doc
  run -1 on_root dpkg-query --show moat moat-guest moat-doc
  list_files >"$BATS_FILE_TMPDIR/after"
  diff "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/after"
}
