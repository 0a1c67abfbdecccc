# SPDX-License-Identifier: Apache-2.0
# metrics: Prometheus' text of containers, and of what carries them.

load helpers

METRICS=$BATS_RUN_TMPDIR/metrics.prom

# value_of NAME [LABEL…]: of the one sample in $METRICS with these labels.
value_of() {
  local line=$1 label
  shift
  line=$(grep -E "^$line[{ ]" "$METRICS")
  for label in "$@"; do
    line=$(grep -F "$label" <<<"$line")
  done
  expect "$(wc -l <<<"$line")" = 1 >&2
  echo "${line##* }"
}

three() {
  local id
  for id in "$ID" "$ID-b" "$ID-c"; do
    ID=$id detached_sleep
  done
}

delete_three() {
  moat delete --force "$ID"
  moat delete --force "$ID-b"
  moat delete --force "$ID-c"
}

@test "metrics of three sandboxes are what Prometheus reads, and what the dashboard asks for" {
  local dashboard=()
  config '.linux.resources = {memory: {limit: 67108864}, cpu: {quota: 100000, period: 100000}, pids: {limit: 50}}'
  three
  moat metrics >"$METRICS"
  moat metrics "$ID" >"$METRICS.one"
  delete_three
  if is_vm; then dashboard=("$BATS_TEST_DIRNAME/../../data/metrics/grafana.json"); fi
  "$BATS_TEST_DIRNAME/../lib/check-metrics" "${dashboard[@]}" <"$METRICS"
  "$BATS_TEST_DIRNAME/../lib/check-metrics" <"$METRICS.one"
  expect "$(value_of moat_containers "isolation=\"$MOAT_ISOLATION\"" 'status="running"')" = 3
  expect "$(value_of moat_container_status "\"$ID-b\"" 'status="running"')" = 1
  expect "$(value_of moat_container_memory_limit_bytes "container_id=\"$ID\"")" = 67108864
  expect "$(value_of moat_container_processes "container_id=\"$ID-c\"")" = 1
  [ "$(value_of moat_container_memory_usage_bytes "container_id=\"$ID\"")" -gt 0 ]
  # Of one there is nothing about the others.
  expect "$(grep -c "container_id=\"$ID-b\"" "$METRICS.one")" = 0
  expect "$(grep -c "moat_container_status{container_id=\"$ID\"" "$METRICS.one")" = 1
}

@test "promtool finds nothing to say about them" {
  local promtool
  promtool=$(command -v promtool) || skip "no promtool here (Debian: prometheus)"
  [ -s "$METRICS" ] || skip "the test before this one has made no metrics"
  run -0 "$promtool" check metrics <"$METRICS"
  expect "$output" = ""
}

@test "a virtual machine has its shim, its monitor, its guest and its agent" {
  only_vm "natively there is a cgroup and nothing else"
  local label
  detached_sleep
  moat metrics "$ID" >"$METRICS.vm"
  METRICS=$METRICS.vm
  label="sandbox_id=\"$ID\""
  expect "$(value_of moat_guest_up "$label")" = 1
  [ "$(value_of kata_hypervisor_threads "$label")" -ge 2 ]
  [ "$(value_of kata_hypervisor_total_rss "$label")" -gt 10000000 ]
  expect "$(value_of kata_shim_threads "$label")" = 1
  [ "$(value_of kata_guest_meminfo "$label" 'item="mem_total"')" -gt 10000000 ]
  [ "$(value_of kata_agent_total_rss "$label")" -gt 0 ]
  # What it wrote is read back anew.
  expect "$(value_of moat_agent_scrapes_total "$label")" = 1
  moat metrics "$ID" >"$METRICS"
  expect "$(value_of moat_agent_scrapes_total "$label")" = 2
  moat delete --force "$ID"
}

@test "a virtual machine's monitor tells what its devices did" {
  only_vm "natively there is no monitor"
  local label="sandbox_id=\"$ID\""
  export MOAT_SHARE=none
  detached_sleep
  METRICS=$METRICS.devices
  moat metrics "$ID" >"$METRICS"
  expect "$(value_of moat_vmm_vcpus "$label")" = 1
  [ "$(value_of moat_vmm_memory_bytes "$label")" -gt 100000000 ]
  [ "$(value_of moat_vmm_device_read_bytes_total "$label" 'device="root"')" -gt 4096 ]
  [ "$(value_of moat_vmm_device_reads_total "$label" 'device="root"')" -gt 1 ]
  # From one scrape to the next they grow.
  moat exec "$ID" sh -c 'dd if=/dev/zero of=/file bs=64k count=16 && sync' </dev/null
  cp "$METRICS" "$METRICS.before"
  moat metrics "$ID" >"$METRICS"
  "$BATS_TEST_DIRNAME/../lib/check-metrics" <"$METRICS"
  [ "$(value_of moat_vmm_device_written_bytes_total "$label" 'device="root"')" -gt \
    $(($(METRICS=$METRICS.before value_of moat_vmm_device_written_bytes_total "$label" 'device="root"') + 900000)) ]
  case "$(driver)" in
    qemu | cloud-hypervisor) ! grep -q '^moat_vmm_exits_total' "$METRICS" ;;
    *) [ "$(value_of moat_vmm_exits_total "$label" 'reason="mmio"')" -gt 0 ] ;;
  esac
  moat delete --force "$ID"
}

@test "a guest that does not answer does not keep the others' metrics away" {
  only_vm "natively there is nobody to ask"
  local vmm
  detached_sleep
  ID=$ID-b detached_sleep
  vmm=$(vmm)
  kill -STOP "$vmm"
  moat metrics >"$METRICS.silent"
  METRICS=$METRICS.silent
  expect "$(value_of moat_guest_up "sandbox_id=\"$ID\"")" = 0
  expect "$(grep -c "kata_guest_load{sandbox_id=\"$ID\"" "$METRICS")" = 0
  [ "$(value_of kata_hypervisor_threads "sandbox_id=\"$ID\"")" -ge 2 ]
  expect "$(value_of moat_guest_up "sandbox_id=\"$ID-b\"")" = 1
  kill -CONT "$vmm"
  moat delete --force "$ID"
  moat delete --force "$ID-b"
}

@test "a container that is not there has no metrics, and one that ended its status" {
  run -1 --separate-stderr moat metrics no-such-one
  expect "$stderr" = "moat: metrics: 'no-such-one': container does not exist"
  args true
  detached
  wait_status stopped
  moat metrics "$ID" >"$METRICS.ended"
  METRICS=$METRICS.ended
  expect "$(value_of moat_container_status 'status="stopped"')" = 1
  expect "$(grep -c '^[^#]' "$METRICS")" = 1
  moat delete "$ID"
}

@test "a scrape by HTTP is answered as systemd's socket passes it" {
  printf 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' | moat metrics --http >"$OUT"
  expect "$(head -n 1 "$OUT")" = $'HTTP/1.1 200 OK\r'
  sed '1,/^\r$/d' "$OUT" >"$METRICS.http"
  expect "$(sed -n 's/^Content-Length: \([0-9]*\)\r/\1/p' "$OUT")" = "$(wc -c <"$METRICS.http")"
  "$BATS_TEST_DIRNAME/../lib/check-metrics" <"$METRICS.http"
  printf 'GET /metricsx HTTP/1.0\r\n\r\n' | moat metrics --http >"$OUT"
  expect "$(head -n 1 "$OUT")" = $'HTTP/1.1 404 Not Found\r'
  printf 'POST /metrics HTTP/1.0\r\n\r\n' | moat metrics --http >"$OUT"
  expect "$(head -n 1 "$OUT")" = $'HTTP/1.1 405 Method Not Allowed\r'
  printf 'GET /metrics' >"$BATS_TEST_TMPDIR/half"
  run -1 --separate-stderr moat metrics --http <"$BATS_TEST_TMPDIR/half"
  expect "$stderr" = "moat: metrics: read request: it ends too soon"
  expect "$output" = ""
}
