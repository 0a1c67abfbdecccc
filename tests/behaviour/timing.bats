# SPDX-License-Identifier: Apache-2.0
# --timing: where the time of a command went.

load helpers

JSON=$BATS_TEST_TMPDIR/timing.json

# points JQ-FILTER: of $JSON, which must be true.
points() {
  jq -e "$1" "$JSON" >/dev/null || {
    jq -c '.points[]' "$JSON" >&2
    return 1
  }
}

@test "run --timing prints a table beside the program's own output, and returns its status" {
  script 'echo mine; exit 7'
  run -7 --separate-stderr foreground --timing --timing-file "$JSON"
  expect "$output" = mine
  expect_match "$stderr" 'what was reached'
  expect_match "$stderr" 'command begins'
  expect_match "$stderr" 'command ends'
  points '.points | .[0].what == "command begins" and .[0].at_us == 0 and .[-1].what == "command ends"'
  points '[.points[].at_us] | . == sort'
}

@test "create --timing leaves the points in the container's directory" {
  script 'exit 0'
  create --timing
  JSON=$ROOT/$ID/timing.json
  points '[.points[].what] | index("command ends") > 0'
  moat delete --force "$ID"
}

@test "without --timing nothing is said and nothing kept" {
  args true
  run -0 --separate-stderr foreground
  expect "$stderr" = ""
  script 'exit 0'
  create
  [ ! -e "$ROOT/$ID/timing.json" ]
  moat delete --force "$ID"
}

@test "the guest's own points are among the host's, in their order" {
  [ "$MOAT_ISOLATION" = vm ] || skip "there is no guest"
  args true
  run -0 foreground --timing-file "$JSON"
  points '[.points[] | select(.where == "guest").what] == ["kernel entered", "agent started", "root mounted",
    "channel opened", "sandbox made", "container made", "program started", "program ended"]'
  points '[.points[].what] | index("kernel entered") > index("shim started") and
    index("first output") == null'
}

@test "a file that cannot be written is an error before anything runs" {
  script 'echo ran'
  run -1 --separate-stderr foreground --timing-file "$BATS_TEST_TMPDIR/none/timing.json"
  expect_match "$stderr" "/none/timing.json': No such file or directory"
  expect "$output" = ""
}
