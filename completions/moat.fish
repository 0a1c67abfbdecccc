# SPDX-License-Identifier: Apache-2.0
# Completion for fish. What can stand somewhere is asked of the program itself ("moat __complete"), so that it is
# always that of the installed version, and names are those of containers that are there.

function __moat_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string collect --allow-empty)
    for line in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (string replace -r '^-[^=]*=' '' -- $current)
            case :dirs
                __fish_complete_directories (string replace -r '^-[^=]*=' '' -- $current)
            case '*'
                echo $line
        end
    end
end

for program in moat moat-native moat-image moat-agentctl
    complete -c $program -f -a '(__moat_complete)'
end
