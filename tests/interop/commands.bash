# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The rows of the table of podman commands, and the notes on what differs; see tests/interop/table.

# --- notes ----------------------------------------------------------------------------------------

note 'out of memory' moat \
  'On cgroup v1 conmon ends before it looks for the cause, whatever the runtime; of a virtual machine the shim tells it.'
note 'without cgroups' runc 'podman knows that runc has no option for this.'
note 'open descriptors' moat 'Refused: what the host has open means nothing in the guest.'
note "the host's network" moat 'Refused: a virtual machine has a network of its own.'
note "the host's processes, ipc and names" moat 'Those of the guest: the kernel is another.'
note 'checkpoint' 'runc crun moat-native moat' 'podman asks for CRIU first, which this machine lacks; where there is one, checkpoint.bats compares runc and moat.'
note 'processes' moat \
  "podman reads /proc in the container's mount namespace, where a virtual machine has nothing. With options of ps, as in the next row, it runs that in the container."
note 'processes of a pod' moat "podman reads /proc in the containers' mount namespaces, where a virtual machine has nothing."
note 'use of resources' moat "podman reads the host's cgroup, which counts the threads of QEMU."
note 'a network joined and left' moat \
  'podman tells no runtime of it: a virtual machine has the links that were there when it was made or started.'
note 'in and out of a tmpfs' moat "Is in the guest's memory, where the host cannot write."

# --- run ------------------------------------------------------------------------------------------

row 'output, standard error apart' 'podman run IMAGE sh -c …' <<'END'
box --rm busybox sh -c 'echo out; echo err >&2' 2>err
cat err
is "$(cat err)" err
END

row 'exit codes' 'podman run IMAGE sh -c "exit N"' <<'END'
for code in 0 1 42 255; do ends $code box --rm busybox sh -c "exit $code"; done
END

row 'death by signal' 'podman run IMAGE sh -c "kill …"' <<'END'
box --name box busybox sh -c 'kill -TERM $$; sleep 100 & kill -KILL $!; wait $!; exit $?' || echo $?
END

row 'standard input' 'podman run --interactive' <<'END'
head -c 300000 /dev/zero | box --rm --interactive busybox wc -c
END

row 'terminal of the asked size' 'podman run -it' <<'END'
tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' -- $(podman_words) run $(run_options) \
  --rm -it busybox sh -c 'test -t 0 && stty size; echo up; read line; echo "got $line"'
END

row 'detached, then waited for' 'podman run --detach; wait' <<'END'
box --detach --name box busybox sh -c 'exit 7' >id
is "$(podman wait box)" 7
END

row 'removed when it ends' 'podman run --rm' <<'END'
box --rm --name box busybox true
ends 1 podman container exists box
END

row 'missing program: 127' 'podman run IMAGE nosuchprogram' <<'END'
ends 127 box --rm busybox nosuchprogram
ends 127 box --rm busybox /no/such/program
END

row 'no permission: 126' 'podman run IMAGE /etc' <<'END'
ends 126 box --rm busybox /etc
ends 126 box --rm busybox /etc/passwd
END

row 'another program' 'podman run --entrypoint' <<'END'
is "$(box --rm --entrypoint '["echo","entry"]' busybox point)" 'entry point'
END

row 'variables and directory' 'podman run --env --env-file --workdir' <<'END'
echo SHAPE=round >file
box --rm --env COLOUR=blue --env-file file --workdir /tmp busybox sh -c 'pwd; env | grep -E "COLOUR|SHAPE|HOME|PATH|TERM" | sort'
END

row 'user and groups' 'podman run --user --group-add' <<'END'
box --rm --user 1000:2000 --group-add 3000 busybox id
ends 1 box --rm --user 1000 busybox touch /file
END

row 'names' 'podman run --hostname' <<'END'
box --rm --hostname named busybox sh -c 'hostname; grep -c named /etc/hosts; cat /etc/hostname'
END

row 'hosts and resolver' 'podman run --add-host --dns' <<'END'
netbox --rm --add-host other:192.0.2.7 --dns 192.0.2.53 --dns-search example.org busybox \
  sh -c 'grep other /etc/hosts; grep -E "^(nameserver|search)" /etc/resolv.conf'
END

row 'labels, annotations, files with its name' 'podman run --label --annotation --cidfile' <<'END'
box --rm --label COLOUR=blue --annotation key=value --cidfile id --pidfile "$PWD/pid" busybox true
test -s id
box --detach --name box --label COLOUR=blue --annotation key=value busybox sleep 100 >id
podman inspect --format '{{.Config.Labels}} {{index .Config.Annotations "key"}}' box
END

# --- files ----------------------------------------------------------------------------------------

row 'read-only root, with tmpfs' 'podman run --read-only' <<'END'
box --rm --read-only busybox sh -c 'touch /file || echo refused; touch /tmp/file /run/file && echo written'
box --rm --read-only --read-only-tmpfs=false busybox sh -c 'touch /tmp/file || echo refused'
END

row 'tmpfs with options' 'podman run --tmpfs' <<'END'
box --rm --tmpfs /scratch:size=1m,mode=1770 busybox sh -c 'df -k /scratch | tail -n 1; ls -ld /scratch | cut -c 1-10; echo in >/scratch/file'
box --rm --tmpfs /etc busybox cat /etc/group
END

row 'directory of the host' 'podman run --volume DIR:DIR' <<'END'
mkdir volume && echo outside >volume/file
box --rm --volume "$PWD/volume:/data" busybox sh -c 'cat /data/file; echo inside >/data/new; mkdir /data/dir; mv /data/new /data/dir/'
cat volume/dir/new
END

row 'read-only directory of the host' 'podman run --volume DIR:DIR:ro' <<'END'
mkdir volume && echo outside >volume/file
box --rm --volume "$PWD/volume:/data:ro" busybox sh -c 'cat /data/file; touch /data/new || echo refused'
ends 125 box --rm --volume "$PWD/nothing:/data" busybox true
END

row 'file of the host' 'podman run --volume FILE:FILE' <<'END'
echo outside >file
box --rm --volume "$PWD/file:/etc/motd" busybox sh -c 'cat /etc/motd; echo inside >/etc/motd'
is "$(cat file)" inside
END

row 'volume with a name' 'podman volume create; run --volume NAME:DIR' <<'END'
podman volume create box-volume
box --rm --volume box-volume:/etc busybox sh -c 'echo kept >/etc/kept'
box --rm --volume box-volume:/data busybox sh -c 'cat /data/kept; ls /data'
podman volume rm box-volume
END

row 'volumes of another container' 'podman run --volumes-from' <<'END'
box --name box --volume /data busybox sh -c 'echo shared >/data/file'
is "$(box --rm --volumes-from box busybox cat /data/file)" shared
podman rm --volumes box | wc -l
END

row 'mounts in long form' 'podman run --mount' <<'END'
mkdir -p volume && echo outside >volume/file
box --rm --mount "type=bind,src=$PWD/volume,dst=/deep/er,ro" --mount type=tmpfs,dst=/scratch,tmpfs-size=65536 \
  busybox sh -c 'cat /deep/er/file; df -k /scratch | tail -n 1'
END

row 'files of an image' 'podman run --mount type=image' <<'END'
box --rm --mount type=image,src=localhost/busybox,dst=/image busybox cat /image/etc/group
END

row 'secrets' 'podman secret create; run --secret' <<'END'
printf hidden | podman secret create box-secret - >id
is "$(box --rm --secret box-secret busybox cat /run/secrets/box-secret)" hidden
is "$(box --rm --secret box-secret,type=env,target=WORD busybox sh -c 'echo $WORD')" hidden
podman secret rm box-secret | wc -l
END

row 'size of shared memory' 'podman run --shm-size' <<'END'
box --rm --shm-size 2m busybox sh -c 'df -k /dev/shm | tail -n 1; echo in >/dev/shm/file'
END

row 'devices' 'podman run --device' <<'END'
box --rm --device /dev/full:/dev/brimming busybox sh -c 'ls -l /dev/brimming | cut -c 1-10; echo >/dev/brimming || echo full'
END

# --- limits and rights ----------------------------------------------------------------------------

row 'memory' 'podman run --memory --memory-reservation' <<'END'
box --rm --cgroupns private --memory 96m --memory-reservation 64m busybox sh -c '
  cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes
  cat memory.low 2>/dev/null || cat memory/memory.soft_limit_in_bytes'
END

row 'out of memory' 'podman run --memory 64m; inspect OOMKilled' <<'END'
ends 137 box --name box --memory 64m busybox sh -c 'exec tail /dev/zero'
podman inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' box
END

row 'processors' 'podman run --cpus --cpu-shares' <<'END'
box --rm --cgroupns private --cpus 0.5 busybox sh -c '
  cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us)'
END

row 'number of processes' 'podman run --pids-limit' <<'END'
box --rm --cgroupns private --pids-limit 50 busybox sh -c 'cd /sys/fs/cgroup; cat pids.max 2>/dev/null || cat pids/pids.max'
box --rm --pids-limit 10 busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11; do sleep 5 & done' 2>&1 | grep -c "can't fork" || true
END

row 'changed limits' 'podman update' <<'END'
box --detach --name box --cgroupns private --memory 96m busybox sleep 100 >id
podman update --memory 64m --cpus 0.5 box | wc -l
podman exec box sh -c 'cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes'
END

row 'ulimits' 'podman run --ulimit' <<'END'
box --rm --ulimit nofile=100:200 --ulimit nproc=32768:32768 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
END

row 'kernel parameters' 'podman run --sysctl' <<'END'
box --rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=65536 busybox cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax
ends 127 box --rm --sysctl net.ipv4.nosuchthing=1 busybox true 2>/dev/null
END

row 'umask, time zone, order among the dying' 'podman run --umask --tz --oom-score-adj' <<'END'
box --rm --umask 0077 --oom-score-adj 500 --tz UTC busybox sh -c 'umask; cat /proc/self/oom_score_adj; date +%Z'
END

row 'capabilities' 'podman run --cap-drop --cap-add' <<'END'
box --rm --cap-drop all --cap-add chown busybox grep -E 'Cap(Eff|Bnd)' /proc/self/status
box --rm --cap-drop all busybox chown 1 /tmp || echo refused
END

row 'every right' 'podman run --privileged' <<'END'
box --rm --privileged busybox sh -c 'grep -E "CapEff|Seccomp:" /proc/self/status; mount -t tmpfs none /tmp && echo mounted'
END

row 'no new privileges' 'podman run --security-opt no-new-privileges' <<'END'
box --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
END

row 'system calls that are refused' 'podman run --security-opt seccomp=FILE' <<'END'
echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >profile
box --rm --security-opt "seccomp=$PWD/profile" busybox mkdir /new || echo refused
box --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
END

row 'hidden paths' 'podman run --security-opt mask=… unmask=…' <<'END'
box --rm --security-opt mask=/etc/passwd:/var busybox sh -c 'cat /etc/passwd; ls -A /var'
box --rm busybox sh -c 'ls /sys/firmware; echo 1 2>/dev/null >/proc/sys/kernel/panic || echo refused'
END

row 'user namespace with mappings' 'podman run --uidmap --gidmap' <<'END'
box --rm --uidmap 0:100000:5000 --gidmap 0:200000:5000 busybox sh -c 'id -u; cat /proc/self/uid_map; touch /file && ls -ln /file | cut -c 1-30'
END

row 'user namespace of podman'"'"'s choice' 'podman run --userns auto' <<'END'
box --rm --userns auto:size=4096 busybox sh -c 'id -u; cut -c 22- /proc/self/uid_map; touch /file && echo written'
END

row 'without cgroups' 'podman run --cgroups disabled' <<'END'
podman run --network none --cgroups disabled --rm busybox echo alive
END

row 'open descriptors' 'podman run --preserve-fds' <<'END'
echo passed >file
# Not by podman(), whose descriptor 3 is closed.
is "$(command $(podman_words) run $(run_options) --rm --preserve-fds 1 busybox cat /proc/self/fd/3 3<file)" passed
END

row 'a first process that reaps' 'podman run --init' <<'END'
box --rm --init busybox cat /proc/1/comm
box --detach --init --name box busybox sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done' >id
eventually 30 logs_contain box up
podman stop --time 30 box
is "$(code_of box)" 9
END

# --- namespaces and network -----------------------------------------------------------------------

row 'no network' 'podman run --network none' <<'END'
box --rm busybox sh -c 'ip -o link | wc -l; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo loopback'
END

row 'the default bridge' 'podman run' <<'END'
netbox --rm --mac-address 02:00:00:00:00:42 busybox sh -c 'ip -o -4 addr show dev eth0 | grep -o "inet 10[.]88[.]"; cat /sys/class/net/eth0/address; ip route | grep -o "^default via 10[.]88[.]0[.]1"'
END

row 'a port of the host' 'podman run --publish' <<'END'
netbox --detach --name web --publish 127.0.0.1:8080:80 busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www' >id
podman port web
eventually 30 fetch http://127.0.0.1:8080/
END

row 'another container by its name' 'podman network create; run --network NAME' <<'END'
podman network create box-network
netbox --detach --name web --network box-network busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www' >id
netbox --detach --name other --network box-network busybox sleep 1000 >id
# Not by wget alone: what is linked statically looks up no names.
served() { podman exec other sh -c 'wget -q -O - http://$(nslookup web | awk "/^Address/ { found = \$NF } END { print found }")/'; }
eventually 30 served 2>/dev/null
END

row 'a network joined and left' 'podman network connect; disconnect' <<'END'
podman network create box-network
netbox --detach --name box --network podman busybox sleep 1000 >id
podman network connect box-network box
podman exec box sh -c 'ls /sys/class/net | grep -c eth'
podman network disconnect box-network box
podman exec box sh -c 'ls /sys/class/net | grep -c eth'
END

row 'the host'"'"'s network' 'podman run --network host' <<'END'
netbox --rm --network host busybox sh -c 'ls /sys/class/net | grep -c "^lo$"'
END

row 'network of another container' 'podman run --network container:NAME' <<'END'
netbox --detach --name web busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www' >id
netbox --rm --network container:web busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1/ && exit; sleep 0.5; done'
END

row 'processes, ipc and names of another container' 'podman run --pid --ipc --uts container:NAME' <<'END'
box --detach --name box --hostname first --ipc shareable busybox sleep 1000 >id
box --rm --pid container:box --ipc container:box --uts container:box busybox sh -c 'hostname; cat /proc/1/comm'
END

row 'the host'"'"'s processes, ipc and names' 'podman run --pid host --ipc host --uts host' <<'END'
for space in pid ipc uts; do
  box --rm --$space host busybox readlink /proc/self/ns/$space | grep -cxF "$(readlink /proc/self/ns/$space)"
done
END

# --- the life of a container ----------------------------------------------------------------------

row 'created, started' 'podman create; start --attach' <<'END'
create --name box busybox sh -c 'echo hello; exit 4' >id
status_of box
ends 4 podman start --attach box
END

row 'made ready, started' 'podman init; start' <<'END'
create --name box busybox sh -c 'exit 4' >id
podman init box
status_of box
podman start box
is "$(podman wait box)" 4
END

row 'started again' 'podman start' <<'END'
box --detach --name box busybox sh -c 'echo turn; exit 3' >id
podman wait box
podman start box
podman wait box
is "$(podman logs box | grep -c turn)" 2
END

row 'stopped, with an answer' 'podman stop' <<'END'
box --detach --name box busybox sh -c 'trap "echo asked; exit 5" TERM; echo up; while :; do sleep 0.1; done' >id
eventually 30 logs_contain box up
podman stop --time 30 box
code_of box
status_of box
logs_contain box asked
END

row 'stopped, without one' 'podman stop --time 1' <<'END'
box --detach --name box busybox sleep 1000 >id
podman stop --time 1 box 2>/dev/null
is "$(code_of box)" 137
END

row 'a signal of its own for stop' 'podman run --stop-signal' <<'END'
box --detach --stop-signal USR1 --name box busybox sh -c 'trap "exit 6" USR1; echo up; while :; do sleep 0.1; done' >id
eventually 30 logs_contain box up
podman stop --time 30 box
is "$(code_of box)" 6
END

row 'signals' 'podman kill --signal' <<'END'
box --detach --name box busybox sh -c 'trap "echo asked" HUP; trap "exit 8" INT; echo up; while :; do sleep 0.1; done' >id
eventually 30 logs_contain box up
podman kill --signal HUP box
eventually 30 logs_contain box asked
podman kill --signal INT box
is "$(podman wait box)" 8
ends 125 podman kill box
END

row 'restarted' 'podman restart' <<'END'
box --detach --name box busybox sh -c 'echo turn; exec sleep 1000' >id
turns() { [ "$(podman logs box | grep -c turn)" = "$1" ]; }
eventually 30 turns 1
podman restart --time 0 box
eventually 30 turns 2
status_of box
END

row 'restarted by itself' 'podman run --restart on-failure:2' <<'END'
box --detach --restart on-failure:2 --name box busybox sh -c 'echo turn; exit 3' >id
turns() { [ "$(podman logs box | grep -c turn)" = 3 ]; }
eventually 60 turns
eventually 30 is_status box exited
podman inspect --format '{{.RestartCount}}' box
END

row 'stops after a while' 'podman run --timeout' <<'END'
box --name box --timeout 4 busybox sleep 1000 || code_of box
END

row 'paused' 'podman pause; unpause' <<'END'
box --detach --name box busybox sleep 1000 >id
podman pause box
status_of box
ends 255 podman exec box true
podman unpause box
podman exec box echo alive
END

row 'removed while it runs' 'podman rm --force' <<'END'
box --detach --name box busybox sleep 1000 >id
ends 2 podman rm box
podman rm --force --time 0 box
ends 1 podman container exists box
END

row 'renamed' 'podman rename' <<'END'
box --detach --name box busybox sleep 1000 >id
podman rename box other
podman exec other echo alive
END

row 'attached to' 'podman attach' <<'END'
box --detach --interactive --name box busybox sh -c 'read line; echo "got $line"; exit 3' >id
echo typed | podman attach box
END

row 'what has ended goes' 'podman container prune' <<'END'
box --name box busybox true
podman container prune --force | wc -l
ends 1 podman container exists box
END

row 'checkpoint' 'podman container checkpoint' <<'END'
box --detach --name box busybox sleep 1000 >id
podman container checkpoint box
END

# --- exec -----------------------------------------------------------------------------------------

row 'output and exit codes' 'podman exec' <<'END'
box --detach --name box busybox sleep 1000 >id
ends 7 podman exec box sh -c 'cat /proc/1/comm; echo err >&2; exit 7'
END

row 'missing program, no permission' 'podman exec NAME nosuchprogram' <<'END'
box --detach --name box busybox sleep 1000 >id
ends 127 podman exec box nosuchprogram
ends 126 podman exec box /etc
END

row 'standard input' 'podman exec --interactive' <<'END'
box --detach --name box busybox sleep 1000 >id
head -c 300000 /dev/zero | podman exec --interactive box wc -c
END

row 'terminal' 'podman exec -it' <<'END'
box --detach --name box busybox sleep 1000 >id
tty --size 20x70 expect=up 'send=typed\n' 'expect=got typed' -- $(podman_words) exec -it box \
  sh -c 'until stty size | grep "20 70"; do sleep 0.1; done; echo up; read line; echo "got $line"'
END

row 'user, variables, directory' 'podman exec --user --env --workdir' <<'END'
box --detach --name box busybox sleep 1000 >id
podman exec --user 1000:2000 --workdir /tmp --env COLOUR=blue box sh -c 'id; pwd; echo $COLOUR'
END

row 'every right' 'podman exec --privileged' <<'END'
box --detach --name box busybox sleep 1000 >id
podman exec box grep CapEff /proc/self/status
podman exec --privileged box grep CapEff /proc/self/status
END

row 'in the background' 'podman exec --detach' <<'END'
box --detach --name box busybox sleep 1000 >id
podman exec --detach box touch /tmp/file | wc -l
eventually 10 podman exec box test -e /tmp/file
END

row 'many at once' 'podman exec, ten times' <<'END'
box --detach --name box busybox sleep 1000 >id
for i in 1 2 3 4 5 6 7 8 9 10; do podman exec box sh -c "echo $i >/tmp/$i" & done
wait
podman exec box sh -c 'ls /tmp | wc -l'
END

# --- looking --------------------------------------------------------------------------------------

row 'list' 'podman ps' <<'END'
box --detach --name box busybox sleep 1000 >id
podman ps --filter status=running --format '{{.Names}} {{.Image}} {{.Command}}'
END

row 'details' 'podman inspect' <<'END'
box --detach --name box --hostname named --memory 64m busybox sleep 1000 >id
podman inspect --format '{{.State.Status}} {{.Config.Hostname}} {{.HostConfig.Memory}} {{.Path}} {{.Args}} {{gt .State.Pid 1}}' box
kill -0 "$(podman inspect --format '{{.State.Pid}}' box)"
END

row 'logs' 'podman logs --timestamps --tail' <<'END'
box --name box busybox sh -c 'echo one; echo two; echo three >&2'
podman logs box 2>&1 | sort
podman logs --timestamps box 2>/dev/null | wc -l
END

row 'logs as they come' 'podman logs --follow' <<'END'
box --detach --name box busybox sh -c 'for i in 1 2 3; do echo line $i; sleep 0.2; done' >id
podman logs --follow box
END

row 'processes' 'podman top' <<'END'
box --detach --name box --user 1000 busybox sleep 1000 >id
podman top box pid user args | tail -n 1 | xargs
END

row 'processes, by the host'"'"'s ps' 'podman top -eo' <<'END'
box --detach --name box busybox sleep 1000 >id
podman top box -eo args | grep -c 'sleep 1000'
END

row 'use of resources' 'podman stats' <<'END'
box --detach --name box --memory 128m busybox sleep 1000 >id
podman stats --no-stream --format '{{.Name}} {{.PIDs}}' box
END

row 'changed files' 'podman diff' <<'END'
box --detach --name box busybox sh -c 'touch /file; rm /etc/group; sleep 1000' >id
eventually 30 sh -c "$(podman_words) diff box | grep -q group"
podman diff box | sort
END

row 'health' 'podman healthcheck run' <<'END'
box --detach --name box --health-cmd 'test -e /tmp/healthy' --health-interval disable --health-retries 1 busybox sleep 1000 >id
ends 1 podman healthcheck run box
podman exec box touch /tmp/healthy
podman healthcheck run box
podman inspect --format '{{.State.Health.Status}}' box
END

row 'events' 'podman events' <<'END'
name=box$RANDOM$RANDOM # events are kept, those of other containers too
box --name $name busybox true
podman events --stream=false --filter container=$name --format '{{.Status}}' | sort
END

# --- files in and out -----------------------------------------------------------------------------

row 'in and out' 'podman cp' <<'END'
echo outside >file
box --detach --name box busybox sleep 1000 >id
podman cp file box:/tmp/copy
podman exec box sh -c 'cat /tmp/copy; echo inside >/tmp/copy'
podman cp box:/tmp/copy file
cat file
END

row 'in and out of a volume' 'podman cp NAME:VOLUME' <<'END'
echo outside >file
box --detach --name box --volume /data busybox sleep 1000 >id
podman cp file box:/data/copy
podman exec box sh -c 'cat /data/copy; echo inside >/data/copy'
podman cp box:/data/copy - | tar -xO
END

row 'in and out of a tmpfs' 'podman cp NAME:TMPFS' <<'END'
echo outside >file
box --detach --name box --tmpfs /scratch busybox sleep 1000 >id
podman cp file box:/scratch/copy
podman exec box cat /scratch/copy
END

row 'the whole root' 'podman export' <<'END'
box --name box busybox sh -c 'echo made >/made'
podman export box | tar -xO made
END

row 'an image of it' 'podman commit' <<'END'
box --detach --name box busybox sh -c 'echo made >/made; sleep 1000' >id
eventually 30 podman exec box test -s /made
podman commit --quiet box localhost/made >id
box --rm localhost/made cat /made
podman rmi --force localhost/made | wc -l
END

row 'an image from a file' 'podman build' <<'END'
printf 'FROM localhost/busybox\nRUN echo built >/built && test -d /proc/self\nUSER 1000\nRUN id -u >/tmp/id\nCMD cat /built /tmp/id\n' >Containerfile
podman build --quiet --network none --tag localhost/built . >id
box --rm localhost/built
podman rmi --force localhost/built | wc -l
END

row 'its root, mounted' 'podman mount; unmount' <<'END'
box --detach --name box busybox sh -c 'echo made >/made; sleep 1000' >id
eventually 30 podman exec box test -s /made
cat "$(podman mount box)/made"
podman unmount box
END

# --- pods -----------------------------------------------------------------------------------------

row 'names and ipc in common' 'podman pod create; run --pod' <<'END'
pod_create --name pod --hostname podded --share net,uts,ipc >id
podman run --detach --pod pod --name one busybox sleep 1000 >id
podman run --rm --pod pod busybox sh -c 'hostname; readlink /proc/self/ns/ipc >/dev/null; exit 6' || echo $?
is "$(podman exec one readlink /proc/self/ns/ipc)" "$(podman run --rm --pod pod busybox readlink /proc/self/ns/ipc)"
END

row 'processes in common' 'podman pod create --share pid' <<'END'
pod_create --name pod --share net,pid >id
podman run --detach --pod pod --name one busybox sleep 1001 >id
podman run --rm --pod pod busybox sh -c 'ps | grep -c "sleep 100[01]"'
END

row 'one kernel for all' 'podman run --pod' <<'END'
pod_create --name pod >id
for name in one two; do podman run --detach --pod pod --name $name busybox sleep 1000 >id; done
is "$(podman exec one cat /proc/sys/kernel/random/boot_id)" "$(podman exec two cat /proc/sys/kernel/random/boot_id)"
END

row 'localhost in common, one port of the host' 'podman pod create --publish' <<'END'
podman pod create --cgroup-parent "$CGROUP_PARENT" --name pod --publish 127.0.0.1:8081:80 >id
podman run --detach --pod pod --name web busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www' >id
podman run --rm --pod pod busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1/ && exit; sleep 0.5; done'
eventually 30 fetch http://127.0.0.1:8081/
END

row 'list, details, use' 'podman pod ps; inspect; stats' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one busybox sleep 1000 >id
podman pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'
podman pod inspect --format '{{.Name}} {{.State}}' pod
podman pod stats --no-stream --format '{{.Name}}' pod | grep -c '^one$'
END

row 'processes of a pod' 'podman pod top' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one busybox sleep 1000 >id
podman pod top pod args | grep -c 'sleep 1000'
END

row 'paused, stopped, started, restarted' 'podman pod pause; stop; start; restart' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one busybox sleep 1000 >id
state() { podman pod ps --format '{{.Status}}'; }
podman pod pause pod >id; state
podman pod unpause pod >id; state
podman pod stop --time 0 pod >id; state
podman pod start pod >id; state
podman exec one echo alive
podman pod restart pod >id; state
podman exec one echo alive
END

row 'killed, removed' 'podman pod kill; rm' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one busybox sleep 1000 >id
podman pod kill pod | wc -l
is "$(podman wait one)" 137
podman pod rm --force --time 0 pod | wc -l
podman ps --all --quiet
END

row 'a member that ends leaves the others' 'podman wait; start of a member' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one busybox sh -c 'exit 3' >id
podman run --detach --pod pod --name two busybox sleep 1000 >id
podman wait one
podman start one
podman wait one
podman exec two echo alive
END

row 'from a manifest of Kubernetes' 'podman generate kube; play kube' <<'END'
pod_create --name pod >id
podman run --detach --pod pod --name one --env COLOUR=blue busybox sh -c 'echo $COLOUR; sleep 1000' >id
podman generate kube pod >pod.yaml
podman pod rm --force --time 0 pod >id
podman play kube --network none pod.yaml >id
podman exec pod-one sh -c 'echo $COLOUR'
podman play kube --down pod.yaml | grep -c '^[0-9a-f]\{64\}$'
END

row 'a unit of systemd' 'podman generate systemd --new' <<'END'
create --name box busybox sleep 1000 >id
podman generate systemd --new --name box | grep -E '^(Type|NotifyAccess|KillMode)='
END
