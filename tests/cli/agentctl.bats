# SPDX-License-Identifier: Apache-2.0
# moat-agentctl against moat-agent as an ordinary process.

load helpers

setup()
{
	[ "$(id -u)" = 0 ] || skip "needs root"
	BIN=$(dirname "$MOAT")
	ADDRESS=unix://$BATS_TEST_TMPDIR/agent.sock
	cd "$BATS_TEST_TMPDIR"
}

teardown()
{
	local pid
	for pid in ${AGENT_PID-} ${FAKE_PID-}; do
		kill "$pid"
		wait "$pid" 2>/dev/null || true
	done
}

start_agent()
{
	local listen=${1:-$ADDRESS}
	"$BIN/moat-agent" --listen "$listen" 3>&- &
	AGENT_PID=$!
	for _ in $(seq 100); do
		[[ ! -S ${listen#*://} ]] || return 0
		sleep 0.05
	done
	return 1
}

agentctl()
{
	run --separate-stderr "$BIN/moat-agentctl" "$@"
}

# answers FILTER WANTED ARGUMENT…: the call succeeds, and what jq finds in its answer is this.
answers()
{
	local filter=$1 wanted=$2
	shift 2
	agentctl "$@"
	check "$stderr" ""
	check "$status" 0
	check "$(jq -c "$filter" <<<"$output")" "$wanted"
}

refuses()
{
	local wanted=$1
	shift
	agentctl "$@"
	check "$status" 1
	check "$stderr" "moat-agentctl: $wanted"
	check "$output" ""
}

make_request()
{
	local script=$1
	mkdir -p rootfs/{bin,dev,proc,sys,tmp}
	cp "$(command -v busybox)" rootfs/bin/
	ln -sf busybox rootfs/bin/sh
	ln -sf busybox rootfs/bin/cat
	"$MOAT" spec --bundle . 2>/dev/null || true
	jq --arg root "$PWD/rootfs" --arg script "$script" --arg group "/moat-test-$BATS_TEST_NUMBER-$$" \
		'.root.path = $root | .process.terminal = false | .process.args = ["/bin/sh", "-c", $script]
		| .linux.cgroupsPath = $group | {container_id: "c", oci_json: .}' config.json >request.json
}

@test "the methods of the protocol are listed, ours and others" {
	agentctl methods
	check "$status" 0
	[[ $output == *CreateContainer*ResizeVolume* ]]
	check "$(wc -l <<<"$output")" "$(grep -c '	rpc ' "$SOURCE_DIR/agent/proto/services.proto")"
}

@test "a method's help names the fields of its messages, nested ones too" {
	agentctl update-routes --help
	check "$status" 0
	[[ $output == *"Request:"*"routes "*"Response:"*"Route:"*"v4|v6"* ]]
	agentctl "$ADDRESS" RemoveContainer --help
	[[ $output == *"timeout "*uint32*seconds* ]]
}

@test "an answer is JSON, and a method may be written in either way" {
	start_agent
	answers .status '"SERVING"' "$ADDRESS" Check
	answers .agent_details.init_daemon false "$ADDRESS" get-guest-details '{"mem_block_size": true}'
	answers . '{}' "$ADDRESS" CreateSandbox '{"sandbox_id": "s"}'
}

@test "a hybrid socket is spoken to with its handshake" {
	start_agent "hvsock://$BATS_TEST_TMPDIR/agent.sock"
	answers .status '"SERVING"' "hvsock://$BATS_TEST_TMPDIR/agent.sock" check
	answers .status '"SERVING"' "hvsock://$BATS_TEST_TMPDIR/agent.sock:1024" check
	refuses "'$BATS_TEST_TMPDIR/agent.sock': connect to port 4: refused" \
		"hvsock://$BATS_TEST_TMPDIR/agent.sock:4" check
}

@test "a container lives and dies by calls" {
	start_agent
	make_request 'cat; echo err >&2; exit 7'
	answers . '{}' "$ADDRESS" CreateContainer request.json
	answers . '{}' "$ADDRESS" StartContainer '{"container_id": "c"}'
	answers .len 5 "$ADDRESS" WriteStdin '{"container_id": "c", "data": "aGVsbG8="}'
	answers . '{}' "$ADDRESS" CloseStdin '{"container_id": "c"}'
	answers .data '"aGVsbG8="' "$ADDRESS" ReadStdout '{"container_id": "c", "len": 100}'
	answers .data '""' "$ADDRESS" ReadStdout '{"container_id": "c", "len": 100}'
	answers .data '"ZXJyCg=="' "$ADDRESS" ReadStderr '{"container_id": "c", "len": 100}'
	answers .status 7 "$ADDRESS" WaitProcess '{"container_id": "c"}'
	"$BIN/moat-agentctl" "$ADDRESS" RemoveContainer - <<<'{"container_id": "c", "timeout": 10}'
}

@test "bytes come from a file and numbers from text" {
	start_agent
	make_request 'cat'
	printf 'from a file' >data
	answers . '{}' "$ADDRESS" CreateContainer request.json
	answers . '{}' "$ADDRESS" StartContainer '{"container_id": "c"}'
	answers .len 11 "$ADDRESS" WriteStdin '{"container_id": "c", "data": "@data"}'
	answers '.data | @base64d' '"from a file"' "$ADDRESS" ReadStdout '{"container_id": "c", "len": "100"}'
	answers '.cgroup_stats | type' '"object"' "$ADDRESS" StatsContainer '{"container_id": "c"}'
	answers . '{}' "$ADDRESS" SignalProcess '{"container_id": "c", "signal": 9}'
	answers .status 137 "$ADDRESS" WaitProcess '{"container_id": "c"}'
	answers . '{}' "$ADDRESS" RemoveContainer '{"container_id": "c"}'
}

@test "a refusal has the name of its status" {
	start_agent
	refuses "agent: SignalProcess: INVALID_ARGUMENT: container 'c' does not exist" \
		"$ADDRESS" SignalProcess '{"container_id": "c"}'
	agentctl "$ADDRESS" ResizeVolume
	check "$status" 1
	[[ $stderr == "moat-agentctl: agent: ResizeVolume: UNIMPLEMENTED: "* ]]
}

@test "an answer that does not come is given up" {
	start_agent
	agentctl --timeout 100ms "$ADDRESS" GetOOMEvent
	check "$status" 1
	echo "got: $stderr"
	# The agent is told of the limit, and may be the first to say so.
	[[ $stderr == "moat-agentctl: agent: GetOOMEvent: "@("no answer in 100 ms"|"DEADLINE_EXCEEDED: the time is over") ]]
}

@test "what is wrong with a request is told with its place" {
	refuses "request:1: StartContainerRequest has no field 'id'" \
		"$ADDRESS" StartContainer '{"id": "c"}'
	printf '{\n"container_id":\n7}' >bad.json
	refuses "bad.json:3: container_id: expected something else than a number" \
		"$ADDRESS" StartContainer bad.json
	refuses "read request 'none.json': No such file or directory" "$ADDRESS" StartContainer none.json
	agentctl "$ADDRESS" StartContainer '{"container_id"'
	check "$status" 1
	[[ $stderr == "moat-agentctl: request:1: parse error: "* ]]
}

@test "what is wrong with the command line is told" {
	refuses "wanted: ADDRESS METHOD [REQUEST]; 'moat-agentctl --help' tells more"
	refuses "unknown method 'Chek'; 'moat-agentctl methods' lists them" "$ADDRESS" Chek
	refuses "unexpected argument 'x'" "$ADDRESS" Check '{}' x
	refuses "connect to 'tcp://1': not an agent's address" tcp://1 Check
	refuses "connect to '$BATS_TEST_TMPDIR/agent.sock': No such file or directory" "$ADDRESS" Check
	refuses "container 'c' does not exist" --root "$BATS_TEST_TMPDIR/root" c Check
}

@test "a native container has no agent" {
	ROOT=$BATS_TEST_TMPDIR/root
	fake_container c
	refuses "container 'c': has no agent: it is native" --root "$ROOT" c Check
}
