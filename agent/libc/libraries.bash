# SPDX-License-Identifier: Apache-2.0
#
# What the builds of the agent's libraries have in common. $out is the directory where they are made, $cc
# and $ar the tools for the agent's processor, $cflags a list of options.
# For scripts that stop at the first error.
# shellcheck shell=bash disable=SC2154,SC2164

readonly SOURCES=(libseccomp libcap2 yajl nanopb)

fail() {
  echo "build: $*" >&2
  exit 1
}

# need PACKAGES TOOL…
need() {
  local tool
  for tool in "${@:2}"; do
    command -v "$tool" >/dev/null || fail "no $tool here (packages $1)"
  done
}

# begin DIRECTORY FILE…: $out is DIRECTORY. Where all was made of these files already, that is all.
begin() {
  out=$(mkdir -p "$1" && cd "$1" && pwd)
  key=$(cat "${@:2}" | sha256sum)
  if [[ -e $out/agent.ini && $(cat "$out/.key" 2>/dev/null) == "$key" ]]; then
    exit 0
  fi
}

# make_all: by functions of the script's own, link_headers, build_libseccomp, build_start and write_machine_file.
make_all() {
  rm -rf "${out:?}"/*
  mkdir -p "$out/lib/pkgconfig" "$out/include"
  fetch
  link_headers
  (build_libseccomp)
  (build_libcap)
  (build_yajl)
  (build_nanopb)
  build_start
  rm -rf "$out/source" "$out/apt"
  write_machine_file
  echo "$key" >"$out/.key"
}

# --- sources --------------------------------------------------------------------------------------

# The machine's own package sources, asked for source packages, with lists of their own: nothing of
# the machine's apt changes.
write_sources() {
  local file
  mkdir -p "$out"/apt/{sources,lists/partial}
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ ! -e $file ]] || sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$out/apt/sources/${file##*/}"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ ! -e $file ]] || sed -nE 's/^deb /deb-src /p' "$file" >"$out/apt/sources/$(basename "$file" .list).list"
  done
}

apt() {
  apt-get -q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$out/apt/sources" \
    -o "Dir::State::Lists=$out/apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}

fetch() {
  write_sources
  apt update
  mkdir -p "$out/source"
  (cd "$out/source" && apt source --download-only "${SOURCES[@]}")
  for description in "$out"/source/*.dsc; do
    name=$(basename "${description%%_*}")
    dpkg-source --no-check -x "$description" "$out/source/$name"
  done
}

# --- libraries ------------------------------------------------------------------------------------

build_libcap() {
  cd "$out/source/libcap2/libcap"
  make CC="$cc" BUILD_CC=gcc AR="$ar" RANLIB="$ar s" COPTS="$cflags" libcap.a
  mkdir -p "$out/include/sys"
  cp libcap.a "$out/lib/"
  cp include/sys/capability.h "$out/include/sys/"
  write_pkg_config libcap cap 2
}

build_yajl() {
  local file version
  cd "$out/source/yajl/src"
  version=$(dpkg-parsechangelog -l ../debian/changelog -S Version)
  mkdir -p "$out/include/yajl"
  cp api/*.h "$out/include/yajl/"
  IFS=. read -r major minor micro <<<"${version%%[-+]*}"
  sed "s/\${YAJL_MAJOR}/$major/; s/\${YAJL_MINOR}/$minor/; s/\${YAJL_MICRO}/$micro/" \
    api/yajl_version.h.cmake >"$out/include/yajl/yajl_version.h"
  # Our parser takes numbers as the text that they are; the one that would be called otherwise is 6 KB.
  sed -i 's/strtod(.*, NULL)/0/' yajl_parser.c
  compile libyajl_s -- ./*.c
  write_pkg_config yajl yajl_s "${version%%[-+]*}"
}

build_nanopb() {
  cd "$out/source/nanopb"
  cp pb{,_common,_decode,_encode}.h "$out/include/"
  compile libprotobuf-nanopb -DPB_ENABLE_MALLOC=1 -- pb_{common,decode,encode}.c
  write_pkg_config nanopb protobuf-nanopb "$(dpkg-parsechangelog -l debian/changelog -S Version)"
}

# compile ARCHIVE OPTION… -- FILE…
compile() {
  local archive=$1 file
  local -a options=()
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  for file in "${@:2}"; do
    # shellcheck disable=SC2086 # a list of options
    $cc $cflags -I"$out/include" "${options[@]}" -c "$file" -o "${file%.c}.o"
  done
  $ar rcs "$out/lib/$archive.a" "${@/%.c/.o}"
}

write_pkg_config() {
  cat >"$out/lib/pkgconfig/$1.pc" <<EOF
libdir=$out/lib
Name: $1
Description: $1 for the agent
Version: $3
Libs: -L$out/lib -l$2
Cflags: -I$out/include
EOF
}
