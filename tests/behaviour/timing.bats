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

# holds FILTER FILE: what the filter says of the file is true.
holds() {
  jq -e "$1" "$2" >/dev/null || {
    echo "not so: $1" >&2
    jq . "$2" >&2
    return 1
  }
}

@test "no two points of a process have the same name" {
  args true
  run -0 foreground --timing-file "$JSON"
  points '[.points[] | [.where, .what]] | length == (unique | length)'
}

# The rules of opentelemetry-proto: trace.proto, and of its JSON docs/specification.md.
@test "a trace for OpenTelemetry obeys its schema, and continues the caller's" {
  local trace=4bf92f3577b34da6a3ce929d0e0e4736 parent=00f067aa0ba902b7 otlp=$BATS_TEST_TMPDIR/otlp.json
  local spans='[.resourceSpans[].scopeSpans[].spans[]]'
  args true
  TRACEPARENT=00-$trace-$parent-01 run -0 foreground --timing-file "$otlp" --timing-format otlp
  expect "$(wc -l <"$otlp")" = 1
  holds 'keys == ["resourceSpans"]' "$otlp"
  holds 'all(.resourceSpans[]; keys == ["resource", "scopeSpans"])' "$otlp"
  holds 'all(.resourceSpans[].resource.attributes[]; keys == ["key", "value"] and (.value.stringValue | type) == "string")' \
    "$otlp"
  holds "[.resourceSpans[].resource.attributes[] | select(.key == \"container.id\").value.stringValue] | unique == [\"$ID\"]" \
    "$otlp"
  holds "all($spans[]; (keys - [\"parentSpanId\"]) ==
    [\"endTimeUnixNano\", \"kind\", \"name\", \"spanId\", \"startTimeUnixNano\", \"traceId\"])" "$otlp"
  holds "all($spans[]; .traceId == \"$trace\" and .kind == 1 and .name != \"\")" "$otlp"
  holds "all($spans[]; .spanId | type == \"string\" and test(\"^[0-9a-f]{16}\$\") and . != \"0000000000000000\")" "$otlp"
  holds "$spans | length == ([.[].spanId] | unique | length)" "$otlp"
  holds "all($spans[]; .startTimeUnixNano, .endTimeUnixNano | type == \"string\" and test(\"^[1-9][0-9]{18}\$\"))" "$otlp"
  holds "all($spans[]; .startTimeUnixNano <= .endTimeUnixNano)" "$otlp"
  # One span is the caller's child, and each other one's parent is here.
  holds "[$spans[] | select(.parentSpanId == \"$parent\").name] == [\"moat run\"]" "$otlp"
  holds "$spans | [.[].spanId] as \$ids | all(.[]; .name == \"moat run\" or (.parentSpanId | IN(\$ids[])))" "$otlp"
}

@test "a trace for Chrome obeys its format, and a command that failed leaves one too" {
  local chrome=$BATS_TEST_TMPDIR/chrome.json otlp=$BATS_TEST_TMPDIR/otlp.json
  run -1 moat run --bundle "$BATS_TEST_TMPDIR/none" --timing-file "$chrome" --timing-format chrome "$ID"
  holds '.displayTimeUnit == "ms" and (.traceEvents | length) > 1' "$chrome"
  holds 'all(.traceEvents[]; (.name | type) == "string" and (.pid | type) == "number" and (.tid | type) == "number")' "$chrome"
  holds 'all(.traceEvents[] | select(.ph == "X"); .ts >= 0 and .dur >= 0)' "$chrome"
  holds '[.traceEvents[].ph] | unique == ["M", "X"]' "$chrome"
  run -1 moat run --bundle "$BATS_TEST_TMPDIR/none" --timing-file "$otlp" --timing-format otlp "$ID"
  holds '[.resourceSpans[].scopeSpans[].spans[] | select(.name == "moat run").status |
    .code == 2 and (.message | contains("none"))] == [true]' "$otlp"
}

@test "a file that cannot be written is an error before anything runs" {
  script 'echo ran'
  run -1 --separate-stderr foreground --timing-file "$BATS_TEST_TMPDIR/none/timing.json"
  expect_match "$stderr" "/none/timing.json': No such file or directory"
  expect "$output" = ""
}
