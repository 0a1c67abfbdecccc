#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the completions of bash, zsh and fish offer, of all programs. They ask the programs, so that most of it is
# tested once, by the question itself.

load helpers

BIN=$(dirname "$MOAT")

# offers WORD… : what the programs say can stand for the last of these, in one line, without descriptions.
offers()
{
	"$BIN/$1" __complete "${@:2}" | cut -f 1 | paste -sd ' '
}

@test "commands, options and words of options are known at their places" {
	check "$(offers moat de)" delete
	check "$(offers moat --log-le)" --log-level
	check "$(offers moat create --no-)" "--no-pivot --no-new-keyring --no-subreaper"
	check "$(offers moat --isolation '')" "vm native"
	check "$(offers moat list --format j)" json
	check "$(offers moat list -f j)" json
	check "$(offers moat list --format=j)" --format=json
	check "$(offers moat list --no-such=j)" ""
	check "$(offers moat mounts r)" remove
	check "$(offers moat create --bundle '')" :dirs
	check "$(offers moat create --bundle x --pid-file '')" :files
	check "$(offers moat kill x US)" "USR1 USR2"
	check "$(offers moat kill x SIGUS)" "SIGUSR1 SIGUSR2"
	check "$(offers moat exec --cap CAP_SYS_T)" "CAP_SYS_TIME CAP_SYS_TTY_CONFIG"
	check "$(offers moat list --quiet --he)" --help
	check "$(offers moat no-such-command '')" "$(offers moat '')"
}

@test "containers are those that are there and that the command can be about" {
	fake_container web
	mkdir "$ROOT/dead"
	jq '.id = "dead" | .pid = 1 | .pidStart = 1' "$ROOT/web/state.json" >"$ROOT/dead/state.json"
	check "$(offers moat --root "$ROOT" kill '')" web
	check "$(offers moat --root="$ROOT" delete '')" "dead web"
	check "$(offers moat --root "$ROOT" delete d)" dead
	check "$(offers moat --root "$ROOT" resume '')" ""
	check "$(offers moat --root "$ROOT" create '')" ""
	# What follows the container belongs to its program.
	check "$(offers moat --root "$ROOT" exec web --)" ""
	check "$(offers moat-agentctl --root "$ROOT" w)" web
	"$MOAT" __complete --root "$ROOT" kill w | grep -qx $'web\trunning'
}

@test "moat-image and moat-agentctl answer too" {
	check "$(offers moat-image ch)" check-kernel
	check "$(offers moat-image build --mod)" "--modules --module"
	check "$(offers moat-image check-kernel --format '')" "text json"
	check "$(offers moat-agentctl hv)" hvsock://
	check "$(offers moat-agentctl --timeout 1s x Resi)" ResizeVolume
	check "$(offers moat-agentctl x ListProcesses '')" :files
	check "$(offers moat-agentctl --ti)" --timeout
}

@test "bash: words, words that readline divides, and files" {
	PATH=$BIN:$PATH
	unset -f moat # of the helpers
	source "$SOURCE_DIR/completions/moat.bash"
	# reply LINE WORD: what bash would put in the place of WORD, which is what readline has of the last one.
	reply()
	{
		local first=${1%% *}
		COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
		_moat "${3-$first}" "$2" ""
		echo "${COMPREPLY[*]}"
	}
	check "$(reply 'moat de' de)" delete
	check "$(reply 'moat list --format ' '')" "table json"
	check "$(reply 'moat list --format=j' j)" json
	check "$(reply 'moat list --format=' =)" "table json"
	check "$(reply 'moat-agentctl hvsock:' :)" ://
	check "$(reply 'A=1 moat feat' feat moat)" features
	mkdir directory
	touch document
	check "$(reply 'moat create --bundle d' d)" directory
	check "$(reply 'moat create --config d' d | tr ' ' '\n' | sort | paste -sd ' ')" "directory document"
	complete -p moat moat-native moat-image moat-agentctl
}

@test "fish: words with what they mean" {
	type -P fish >/dev/null || skip "no fish here (./dev setup --test)"
	reply()
	{
		HOME=$PWD PATH=$BIN:$PATH fish --no-config -c "source '$SOURCE_DIR/completions/moat.fish'; complete -C '$1'"
	}
	mkdir directory
	check "$(reply 'moat list --format=j')" --format=json
	check "$(reply 'moat feat')" $'features\tshow what a config.json may ask for, as JSON'
	check "$(reply 'moat-image ch' | cut -f 1)" check-kernel
	check "$(reply 'moat kill x USR' | paste -sd ' ')" "USR1 USR2"
	[[ $(reply 'moat create --bundle direc') == directory/* ]]
}

@test "zsh: words with what they mean" {
	type -P zsh >/dev/null || skip "no zsh here (./dev setup --test)"
	# Its completion system needs a terminal; what it would be told is enough.
	cat >ask.zsh <<-'END'
		_describe() { print -rl -- "${(@P)@[-1]}" }
		_files() { print files "$@" }
		compset() { }
		words=("$@") CURRENT=$#
		autoload -Uz _moat
		_moat
	END
	reply()
	{
		PATH=$BIN:$PATH FPATH=$SOURCE_DIR/completions zsh -f ask.zsh "$@"
	}
	check "$(reply moat list --format=j)" "--format=json:"
	check "$(reply moat feat)" "features:show what a config.json may ask for, as JSON"
	check "$(reply moat create --bundle '')" "files -/"
	check "$(reply moat-agentctl hv)" "hvsock\\://:a socket that wants CONNECT first"
	check "$(reply moat kill x USR | paste -sd ' ')" "USR1: USR2:"
	check "$(reply moat kill x nosuch)" ""
}
