# SPDX-License-Identifier: Apache-2.0
# Virtual machines that go on from a template: as if they had booted, and different where they must be.

load helpers

eval "$(declare -f setup_file | sed '1s/setup_file/setup_rootfs/')"
eval "$(declare -f setup | sed '1s/setup/setup_container/')"

# The built-in VMM saves none that serves files.
[[ $(driver) != builtin ]] || export MOAT_SHARE=none

# Made once, for those that only use it: for `run`, and for `create`, whose machine has spare interfaces.
setup_file() {
  setup_rootfs
  case $(driver) in
    qemu | builtin) is_vm || return 0 ;;
    *) return 0 ;;
  esac
  echo "{\"vm\": {\"template_dir\": \"$BATS_FILE_TMPDIR/store\"}}" >"$BATS_FILE_TMPDIR/moat.json"
  "$MOAT" --root "$BATS_FILE_TMPDIR/root" --config "$BATS_FILE_TMPDIR/moat.json" template create 3>&-
  "$MOAT" --root "$BATS_FILE_TMPDIR/root" --config "$BATS_FILE_TMPDIR/moat.json" template create --nics 2 3>&-
}

setup() {
  setup_container
  only_vm "a process natively is not saved"
  CONFIG=$BATS_FILE_TMPDIR/moat.json
  LOG=$BATS_TEST_TMPDIR/log
}

# --- what is used -------------------------------------------------------------------------------

# A store of the test's own, with what it says of templates in it.
own_store() {
  CONFIG=$BATS_TEST_TMPDIR/moat.json
  STORE=$BATS_TEST_TMPDIR/store
  echo "{\"vm\": {\"template_dir\": \"$STORE\", \"template\": \"${1-auto}\"}}" >"$CONFIG"
}

copied_store() {
  own_store
  cp -a "$BATS_FILE_TMPDIR/store" "$STORE"
}

templated() {
  moat --config "$CONFIG" "$@"
}

run_templated() {
  rm -f "$LOG"
  templated --log "$LOG" --debug run --bundle "$BUNDLE" "$ID" </dev/null 2>"$ERR"
}

is_restored() {
  grep -q "goes on from template" "$LOG"
}

warnings() {
  grep -c 'level=warning' "$LOG" || true
}

template() {
  templated template list --format json | jq -r ".[] | select(.nics == 0) | .$1"
}

# --- as if they had booted ----------------------------------------------------------------------

@test "two machines of a template have seeds, boot ids and the time of their own" {
  not_with cloud-hypervisor firecracker "it has no templates"
  local first second
  script 'cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -x; date +%s; hostname'
  config '.hostname = "one"'
  mapfile -t first < <(run_templated)
  is_restored
  config '.hostname = "other"'
  mapfile -t second < <(run_templated)
  is_restored
  expect "${#first[@]}" = 4
  expect "${first[0]}" != "${second[0]}"
  expect "${first[1]}" != "${second[1]}"
  expect "${first[3]} ${second[3]}" = "one other"
  # However long the template has been there, and the container took.
  expect "${second[2]}" -le "$(date +%s)"
  expect "${second[2]}" -ge "$(($(date +%s) - 60))"
  expect "${second[2]}" -ge "${first[2]}"
}

@test "a container of a template is created, started, entered, killed and deleted; the template stays as it was" {
  not_with cloud-hypervisor firecracker "it has no templates"
  local before
  before=$(cat "$BATS_FILE_TMPDIR"/store/*/* | sha256sum)
  args sleep 1000
  templated --log "$LOG" --debug create --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  is_restored
  moat start "$ID"
  run -0 moat exec "$ID" sh -c 'echo written >/file; ls /sys/class/net'
  expect "$output" = lo # the spare interfaces are gone
  ! shares_files || expect "$(cat "$BUNDLE/rootfs/file")" = written
  run -3 moat exec "$ID" sh -c 'exit 3'
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  expect "$(cat "$BATS_FILE_TMPDIR"/store/*/* | sha256sum)" = "$before"
}

@test "a container of a template is saved, or refused, as one that has booted" {
  not_with cloud-hypervisor firecracker "it has no templates"
  args sleep 1000
  templated --log "$LOG" --debug create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  is_restored
  moat start "$ID"
  moat exec "$ID" sh -c 'echo kept >/kept'
  if shares_files; then
    [ ! -e "$ROOT/$ID/vm/vm.json" ] # what says how one is that can be saved
    run -1 moat checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
    expect_match "$output" "a virtual machine that shares files with the host cannot be saved"
  else
    moat checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
    moat delete --force "$ID"
    moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" </dev/null >"$OUT" 2>"$ERR"
  fi
  expect "$(moat exec "$ID" cat /kept)" = kept
  moat delete --force "$ID"
}

@test "where moat.json says so the first machine makes the template, and interfaces get their links' addresses" {
  not_with cloud-hypervisor firecracker "it has no templates"
  local hw='02:00:5e:10:00:07'
  own_store on
  command -v ip >/dev/null || skip "there is no ip(8): the package iproute2"
  unshare --net ip link add dev0 type veth peer name peer0 || skip "this kernel has no veth devices"
  unshare --net sleep 1000 3>&- &
  local holder=$!
  eventually 20 grep -q sleep "/proc/$holder/comm"
  nsenter --target "$holder" --net sh -c "ip link add web0 type veth peer name peer0 && ip link set web0 address $hw &&
    ip addr add 10.9.1.2/24 dev web0 && ip link set web0 up"
  config --arg path "/proc/$holder/ns/net" '(.linux.namespaces[] | select(.type == "network")).path = $path'
  script 'cat /sys/class/net/web0/address; ip -4 -o addr show dev web0'
  run -0 run_templated
  kill "$holder"
  wait "$holder" || true
  is_restored
  expect "${lines[0]}" = "$hw"
  expect_match "${lines[1]}" 10.9.1.2/24
  expect "$(templated template list --format json | jq -c '[.[] | [.status, .nics]]')" = '[["ready",1]]'
}

# --- as if there were none ------------------------------------------------------------------------

@test "a template of another kernel is stale and not used, and create makes it anew" {
  not_with cloud-hypervisor firecracker "it has no templates"
  own_store
  # An image of the test's own, whose initramfs is then replaced.
  mkdir "$BATS_TEST_TMPDIR/guest"
  local image=${MOAT_GUEST:-$(dirname "$(dirname "$(readlink -f "$MOAT")")")/../guest} name
  cp -rs "$(readlink -f "$image")/." "$BATS_TEST_TMPDIR/guest"
  export MOAT_GUEST=$BATS_TEST_TMPDIR/guest
  name=$(templated template create)
  expect "$(template status)" = ready
  expect "$(templated template create)" = "$name"
  cp --remove-destination "$(readlink -f "$MOAT_GUEST/initramfs")" "$MOAT_GUEST/initramfs"
  expect "$(template status)" = stale
  args echo started
  run -0 run_templated
  expect "$output" = started
  expect "$(warnings)" = 0
  run ! is_restored
  templated template create
  expect "$(template status)" = ready
  expect "$(template name)" = "$name"
}

# The sum that a state has in its description.
sum_of() {
  local sum=-3750763034362895579 i
  for ((i = 0; i < ${#1}; i++)); do
    sum=$(((sum ^ $(printf %d "'${1:i:1}")) * 0x100000001b3))
  done
  printf %016x "$sum"
}

@test "a machine that cannot go on from its template boots, and says why once" {
  not_with cloud-hypervisor firecracker "it has no templates"
  copied_store
  local dir
  dir=$STORE/$(template name)
  args echo started
  # What the hypervisor finds out.
  printf nonsense >"$dir/state"
  (umask 077 && jq --arg sum "$(sum_of nonsense)" '.state_sum = $sum' "$dir/template.json" >"$dir/part")
  mv "$dir/part" "$dir/template.json"
  expect "$(template status)" = ready
  run -0 run_templated
  expect "$output" = started
  expect "$(warnings)" = 1
  expect_match "$(cat "$LOG")" "the virtual machine boots instead"
  # And what we do.
  printf other >"$dir/state"
  expect "$(template status)" = damaged
  run -0 run_templated
  expect "$output" = started
  expect "$(warnings)" = 1
  expect_match "$(cat "$LOG")" "'state' was changed"
  templated template remove --stale
  expect "$(template name)" = ''
}

@test "a store that others may write to is not used" {
  not_with cloud-hypervisor firecracker "it has no templates"
  copied_store
  chmod o+w "$STORE"
  args echo started
  run -0 run_templated
  expect "$output" = started
  run ! is_restored
  expect_match "$(cat "$LOG")" "others may write to it"
}

@test "what only this container has takes a machine of its own" {
  not_with cloud-hypervisor firecracker "it has no templates"
  args echo started
  config '.vm = {kernel: {path: $k, parameters: ["a.word=1"], initrd: $i}}' \
    --arg k "$(template kernel)" --arg i "$(template initrd)"
  run -0 run_templated
  expect "$output" = started
  run ! is_restored
  expect "$(warnings)" = 0
}

# --- the store ------------------------------------------------------------------------------------

@test "templates are listed and removed by name" {
  not_with cloud-hypervisor firecracker "it has no templates"
  copied_store
  run -0 templated template list
  expect_match "${lines[0]}" "NAME"
  expect "${#lines[@]}" = 3
  expect "$(templated template list --quiet | wc -l)" = 2
  expect "$(template memory_mib)" = 256
  templated template remove "$(template name)"
  expect "$(template name)" = ''
  expect "$(templated template list --quiet | wc -l)" = 1
  run -1 templated template remove nothing
  expect_match "$output" "template: remove template 'nothing': No such file or directory"
  run -1 templated template remove ../store
  expect_match "$output" "template '../store': not a name"
  templated template remove --all
  expect "$(ls -A "$STORE")" = ''
}

is_being_made() {
  compgen -G "$STORE/.*.part/vm/qmp.sock" >/dev/null || compgen -G "$STORE/.*.part/vm/builtin.sock" >/dev/null
}

is_undone() {
  ! compgen -G "$STORE/.*.part" >/dev/null
}

@test "whoever is killed while a template is made, none is there, and the next is made" {
  not_with cloud-hypervisor firecracker "it has no templates"
  own_store
  local maker shim
  templated template create >/dev/null 2>&1 &
  maker=$!
  eventually 60 is_being_made
  kill -KILL "$(pgrep -P "$maker" -x moat || echo "$maker")"
  eventually 20 is_undone
  wait "$maker" || true

  templated template create >/dev/null 2>&1 &
  maker=$!
  eventually 60 is_being_made
  shim=$(pgrep -o -f "^[^ ]*moat-shim template --root=$ROOT ")
  kill -KILL "$shim"
  wait "$maker" || true
  run -0 templated template list --quiet
  expect "$output" = ''
  expect "$(ls -A "$STORE")" = ''
  templated template create
  expect "$(template status)" = ready
}
