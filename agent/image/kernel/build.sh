#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the minimal guest kernel from the distribution's kernel source and the fragments beside
# this script: about 20 minutes of CPU time. Not needed to use moat: the distribution's own kernel
# runs guests too, and starts them more slowly.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
source_from=
output=build/kernel-minimal
jobs=$(nproc)
with_lsm=false
config_only=false

usage() {
  cat <<'EOF'
usage: build.sh [OPTION]...

  --source PATH   kernel tree, or a tar archive of one
                  (default: the newest /usr/src/linux-source-*.tar.xz)
  --output DIR    where vmlinux-RELEASE.zst and config-RELEASE go (default: build/kernel-minimal)
  --jobs N        parallel compilers (default: one a CPU)
  --with-lsm      SELinux and AppArmor in the guest too
  --config-only   stop behind the configuration
  --help          this text

Needs: gcc make flex bison bc cpio zstd lz4 libelf-dev, and linux-source of the distribution.
EOF
}

fail() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

parse_options() {
  while (($#)); do
    case $1 in
      --source | --output | --jobs)
        (($# > 1)) || fail "option '$1': wants a value"
        case $1 in
          --source) source_from=$2 ;;
          --output) output=$2 ;;
          --jobs) jobs=$2 ;;
        esac
        shift
        ;;
      --with-lsm) with_lsm=true ;;
      --config-only) config_only=true ;;
      --help)
        usage
        exit 0
        ;;
      *) fail "unknown option '$1'" ;;
    esac
    shift
  done
}

# A tree is used where it is, read only: everything is built in the work directory.
find_source() {
  local archive
  if [[ -d $source_from ]]; then
    readlink -f "$source_from"
    return
  fi
  archive=$source_from
  if [[ -z $archive ]]; then
    archive=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' 2>/dev/null | sort -V | tail -n 1)
  fi
  [[ -e $archive ]] || fail "no kernel source: install the package linux-source, or name it with --source"
  if [[ ! -e $work/tree.done ]]; then
    echo "unpacking $archive" >&2
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    tar -C "$work/tree" --strip-components=1 -xf "$archive"
    touch "$work/tree.done"
  fi
  echo "$work/tree"
}

fragments() {
  local name
  for name in base console acpi mm container fs virtio net security; do
    echo "$here/$name.conf"
  done
  if $with_lsm; then
    echo "$here/lsm-optional.conf"
  fi
}

# Later fragments win: what the last of them says of each symbol.
wanted_lines() {
  local files
  mapfile -t files < <(fragments)
  awk '
    match($0, /^CONFIG_[A-Z0-9_]+=/) { wanted[substr($0, 1, RLENGTH - 1)] = $0 }
    /^# CONFIG_[A-Z0-9_]+ is not set$/ { wanted[$2] = $0 }
    END { for (name in wanted) print wanted[name] }
  ' "${files[@]}"
}

is_known() {
  grep -rqsE --include='Kconfig*' "^[[:space:]]*(menu)?config ${1#CONFIG_}\$" "$tree"
}

# A symbol that this version does not know, or whose dependencies are not met, is dropped silently
# by kconfig; that is worth a line. Fragments name some symbols by their old names too.
tell_what_was_dropped() {
  local line dropped=0
  while read -r line; do
    if [[ $line == '# '* ]]; then
      line=${line#\# } line=${line% is not set}
      ! grep -q "^$line=" "$work/out/.config" && continue
      line="$line is set"
    else
      grep -qxF "$line" "$work/out/.config" && continue
    fi
    if ! is_known "${line%%[= ]*}"; then
      echo "unknown to this version: $line" >&2
      continue
    fi
    echo "not as asked: $line" >&2
    dropped=$((dropped + 1))
  done < <(wanted_lines | sort)
  echo "configuration: $(grep -c '=y$' "$work/out/.config") symbols built in, $dropped not as asked" >&2
}

configure() {
  local files
  mapfile -t files < <(fragments)
  mkdir -p "$work/out"
  # -n: start from allnoconfig, so that the fragments say all there is.
  (cd "$tree" && KCONFIG_CONFIG="$work/out/.config" ARCH=x86_64 \
    scripts/kconfig/merge_config.sh -n -O "$work/out" "${files[@]}") >"$work/configure.log" 2>&1 ||
    fail "configuration failed; see $work/configure.log"
  tell_what_was_dropped
}

build() {
  local release
  # A fixed user and time: the same source gives the same kernel.
  make -C "$tree" O="$work/out" ARCH=x86_64 -j"$jobs" KBUILD_BUILD_USER=moat KBUILD_BUILD_HOST=moat \
    KBUILD_BUILD_TIMESTAMP='1970-01-01' vmlinux >"$work/build.log" 2>&1 ||
    fail "build failed; see $work/build.log"
  release=$(<"$work/out/include/config/kernel.release")
  strip --strip-all -o "$work/vmlinux" "$work/out/vmlinux"
  zstd -q -f -10 "$work/vmlinux" -o "$output/vmlinux-$release.zst"
  cp "$work/out/.config" "$output/config-$release"
  echo "built $output/vmlinux-$release.zst" >&2
}

parse_options "$@"
mkdir -p "$output"
output=$(readlink -f "$output")
work=$output/work
mkdir -p "$work"
tree=$(find_source)
configure
$config_only || build
