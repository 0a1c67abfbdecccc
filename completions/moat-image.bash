# SPDX-License-Identifier: Apache-2.0
# Completion for moat-image. Commands and options are asked of the program itself.

_moat_image()
{
	local program=$1 word=$2 previous=$3 command=${COMP_WORDS[1]}
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W "$("$program" --help | awk '/^  [a-z]/ { print $1 }') --help --version" -- "$word"))
		return
	fi
	case $previous in
	--format) COMPREPLY=($(compgen -W 'text json' -- "$word")) ;;
	--modules | --output) COMPREPLY=($(compgen -d -- "$word")) ;;
	--kernel | --kernel-config | --agent) COMPREPLY=($(compgen -f -- "$word")) ;;
	--kernel-version | --module) ;;
	*)
		COMPREPLY=($(compgen -W "$("$program" "$command" --help 2>/dev/null |
			awk '/^  --/ { print $1 }') --help" -- "$word"))
		;;
	esac
}

complete -F _moat_image moat-image
