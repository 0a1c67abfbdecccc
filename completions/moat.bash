# SPDX-License-Identifier: Apache-2.0
# Completion for bash. What can stand somewhere is asked of the program itself ("moat __complete"), so that it is
# always that of the installed version, and names are those of containers that are there.

_moat()
{
	local line=${COMP_LINE:0:COMP_POINT} current=${2#=} words=() word candidate
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=("")
	# A variable's assignment, or sudo, may stand in front.
	while ((${#words[@]} > 1)) && [[ ${words[0]} != "$1" ]]; do
		words=("${words[@]:1}")
	done
	word=${words[-1]}
	COMPREPLY=()
	while IFS=$'\t' read -r candidate _; do
		case $candidate in
		:files) COMPREPLY+=($(compgen -f -- "$current")) ;;
		:dirs) COMPREPLY+=($(compgen -d -- "$current")) ;;
		# A word that readline divides, at '=' or ':', is replaced from there on.
		*) COMPREPLY+=("${candidate:${#word}-${#current}}") ;;
		esac
	done < <("$1" __complete "${words[@]:1}" 2>/dev/null)
}

complete -o filenames -F _moat moat moat-native moat-image moat-agentctl
