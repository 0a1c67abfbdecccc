# SPDX-License-Identifier: Apache-2.0
# Completion for moat. Commands and options are asked of the program itself ("moat __options"), so
# that they are always those of the installed version.

_moat_ids()
{
	COMPREPLY=($(compgen -W "$("$1" list --quiet 2>/dev/null)" -- "$2"))
}

# What may follow option $3 of command $4 (or "-"); fails when it takes nothing.
_moat_argument()
{
	local argument
	argument=$("$1" __options | awk -F '\t' -v command="$4" -v option="$3" \
		'$1 == command && ($2 == option || ($3 == option && option != "-")) { print $4 }')
	case $argument in
	'' | -) return 1 ;;
	DIR) COMPREPLY=($(compgen -d -- "$2")) ;;
	FILE | SOCKET) COMPREPLY=($(compgen -f -- "$2")) ;;
	*'|'*) COMPREPLY=($(compgen -W "${argument//|/ }" -- "$2")) ;;
	esac
}

_moat()
{
	local program=$1 word=$2 previous=$3 command=- i options commands
	commands=$("$program" __options 2>/dev/null | awk -F '\t' 'NF == 1')
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ " ${commands//$'\n'/ } " == *" ${COMP_WORDS[i]} "* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	_moat_argument "$program" "$word" "$previous" "$command" && return
	if [[ $word == -* ]]; then
		options=$("$program" __options | awk -F '\t' -v command="$command" \
			'NF > 1 && $1 == command { print $2 }')
		COMPREPLY=($(compgen -W "$options --help" -- "$word"))
	elif [[ $command == - ]]; then
		COMPREPLY=($(compgen -W "$commands help" -- "$word"))
	elif [[ $previous == mounts ]]; then
		COMPREPLY=($(compgen -W "add remove" -- "$word"))
	elif [[ $command != list && $command != spec && $command != features && $command != check &&
		$command != env ]]; then
		_moat_ids "$program" "$word"
	fi
}

complete -F _moat moat
