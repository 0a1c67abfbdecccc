# SPDX-License-Identifier: Apache-2.0
# Completion for moat-agentctl. Methods are asked of the program itself.

_moat_agentctl()
{
	local program=$1 word=$2 previous=$3 methods i words=0
	methods=$("$program" methods 2>/dev/null | awk '{ print $1 }')
	case $previous in
	--root) COMPREPLY=($(compgen -d -- "$word")); return ;;
	--timeout) return ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root | --timeout) ((i++)) ;;
		-*) ;;
		*) ((++words)) ;;
		esac
	done
	if [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W '--root --timeout --help --version' -- "$word"))
	elif ((words == 0)); then
		COMPREPLY=($(compgen -W "methods vsock:// hvsock:// unix:// $(moat list --quiet 2>/dev/null)" -- "$word"))
	elif ((words == 1)); then
		COMPREPLY=($(compgen -W "$methods" -- "$word"))
	else
		COMPREPLY=($(compgen -f -- "$word"))
	fi
}

complete -F _moat_agentctl moat-agentctl
