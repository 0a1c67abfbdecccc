# SPDX-License-Identifier: Apache-2.0
# The same podman commands with runc and with moat: what they print and return is the same.

load helpers

obstacle() {
  [ "$MOAT_ISOLATION" = native ] || echo "native only: runc shares the host's kernel, a guest has its own"
  missing podman runc
}

setup_file() {
  is_possible || return 0
  setup_podman
  provide_ids
}

# --- saying the same ----------------------------------------------------------------------------

# What differs between two runs of one runtime: identifiers, times, process numbers, volumes' names.
# An error's text is the runtime's own, its kind and its status are not.
normalised() {
  sed -E -e 's/\b[0-9a-f]{64}\b/ID/g; s/\b[0-9a-f]{12}\b/ID/g' \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+( ?[-+][0-9:]+| ?Z)?( [A-Z]+)?/TIME/g' \
    -e 's/^(Error:).*(OCI runtime [a-z ]+|executable file .*|permission denied).*/\1 \2/' \
    -e 's/\b(runc|moat)\b/RUNTIME/g; s/pipe:\[[0-9]+\]/pipe:[N]/g' -e 's/\r$//'
}

# show COMMAND…: its output, what it wrote to standard error, and its status. Both streams come by
# ways of their own, so they are not mixed.
show() {
  local status=0
  echo "\$ $*"
  "$@" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
  cat "$BATS_TEST_TMPDIR/stderr"
  echo "=> $status"
}

# same <<<SCRIPT: the script's output is the same with both.
same() {
  local script
  script=$(cat)
  for RUNTIME in runc moat; do
    (
      set +e
      # conmon leaves a file "oom" where it was started.
      cd "$BATS_TEST_TMPDIR"
      eval "$script"
    ) </dev/null 2>&1 | normalised >"$BATS_TEST_TMPDIR/$RUNTIME"
    remove_all
  done
  RUNTIME=moat
  if [ ! -s "$BATS_TEST_TMPDIR/runc" ]; then
    echo "the comparison is empty"
    return 1
  fi
  if ! diff -U 4 "$BATS_TEST_TMPDIR/runc" "$BATS_TEST_TMPDIR/moat"; then
    echo "runc's is marked by -, moat's by +"
    return 1
  fi
  # With --verbose-run or --show-output-of-passing-tests: what both of them said.
  cat "$BATS_TEST_TMPDIR/moat"
}

# For a test that compares errors: the first of the two must have succeeded or failed so.
both_said() {
  expect_match "$(cat "$BATS_TEST_TMPDIR/runc")" "$1"
}

once_logged() {
  eventually 10 logs_contain "$@"
}

once_status() {
  eventually 10 has_podman_status "$@"
}

has_podman_status() {
  [ "$(podman inspect --format '{{.State.Status}}' "$1")" = "$2" ]
}

# --- run ----------------------------------------------------------------------------------------

@test "run: output, exit codes, standard input" {
  same <<'END'
show pod_run --rm busybox echo hello
show pod_run --rm busybox sh -c 'echo out; echo err >&2; exit 42'
show pod_run --rm busybox sh -c 'kill -TERM $$'
show pod_run --rm busybox sh -c 'kill -KILL $$'
echo typed | podman run $(run_options) --interactive --rm busybox cat
END
  both_said '=> 42'
}

@test "run: programs that are missing or cannot be run" {
  same <<'END'
show pod_run --rm busybox nosuchprogram
show pod_run --rm busybox /no/such/program
show pod_run --rm busybox /etc
show pod_run --rm busybox /etc/passwd
show pod_run --rm --workdir /no/such/directory busybox pwd
show pod_run --rm --user nobodyhere busybox id
END
  both_said '=> 127'
}

@test "run -it: a terminal of the asked size" {
  same <<'END'
show tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' -- $(podman_words) run $(run_options) \
  --rm --interactive --tty busybox sh -c 'tty; stty size; ls -l /dev/console | cut -c 1-10; echo up; read line; echo "got $line"; exit 5'
END
  both_said '31 97'
}

@test "run: what the process finds itself to be" {
  same <<'END'
show pod_run --rm busybox sh -c 'id; pwd; umask; echo $0 $$; env | sort'
show pod_run --rm busybox grep -E '^(Uid|Gid|Groups|Cap[A-Z][a-z]+|NoNewPrivs|Seccomp|Sig[A-Z][a-z]+|Cpus_allowed|Mems_allowed):' /proc/self/status
show pod_run --rm busybox cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup
show pod_run --rm busybox sh -c 'cd /proc/self/fd; ls; for fd in 0 1 2; do readlink $fd; done'
show pod_run --rm --env COLOUR=blue --env EMPTY= --workdir /var/tmp/new --user 1000:2000 --group-add 3000 busybox sh -c 'id; pwd; env | sort'
END
}

@test "run: mounts, devices, hidden and read-only paths" {
  same <<'END'
# Without what hides something, which has flags of each runtime's own, and the cgroups: runc shows those of v1 only.
show pod_run --rm busybox sh -c "sed -E 's/(master|shared):[0-9]+ /\1 /; s/^([^ ]+ ){4}(.*) - ([^ ]+) .*/\2 \3/' /proc/self/mountinfo | grep -vE '^/proc/(acpi|keys|timer_list|scsi)|^/sys/(firmware|dev/block|fs/cgroup)' | sort"
show pod_run --rm busybox sh -c 'ls -l /dev | cut -c 1-10,20-45,58-; cd /proc/acpi; ls; cd /sys/firmware; ls; cat /proc/timer_list /proc/keys'
show pod_run --rm busybox sh -c 'touch /sys/firmware/x /proc/acpi/x /sys/fs/cgroup/memory/x; echo x >/proc/keys; echo $?'
show pod_run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/panic; echo b >/proc/sysrq-trigger; echo 1 >/proc/irq/default_smp_affinity'
END
}

@test "run: names and identities" {
  same <<'END'
show pod_run --rm --hostname box busybox sh -c 'hostname; cat /proc/sys/kernel/hostname'
show pod_run --rm busybox sh -c 'ls /proc/self/ns; ip link; cat /proc/net/dev | wc -l'
show pod_run --rm --pid host --ipc host --uts host busybox sh -c 'for space in pid ipc uts; do readlink /proc/self/ns/$space; done'
show pod_run --rm --cgroupns host busybox sh -c 'grep -c . /proc/self/cgroup'
END
}

# --- options ------------------------------------------------------------------------------------

@test "--read-only, with and without its tmpfs" {
  same <<'END'
show pod_run --rm --read-only busybox sh -c 'touch /file; touch /tmp/file && echo tmp; touch /run/file && echo run; touch /dev/file && echo dev; touch /dev/shm/file && echo shm'
show pod_run --rm --read-only --read-only-tmpfs=false busybox sh -c 'touch /file; touch /tmp/file; touch /run/file'
END
  both_said 'Read-only file system'
}

@test "--user, --cap-drop, --cap-add, --privileged" {
  same <<'END'
show pod_run --rm --user 1000 busybox sh -c 'id; grep Cap /proc/self/status; touch /file'
show pod_run --rm --cap-drop all busybox sh -c 'grep Cap /proc/self/status; chown 1 /tmp'
show pod_run --rm --cap-drop chown busybox sh -c 'grep Cap /proc/self/status; chown 1 /tmp'
show pod_run --rm --cap-add net_admin --user 1000 busybox grep Cap /proc/self/status
END
}

@test "--memory, --pids-limit, --cpus and other resources" {
  same <<'END'
cat >"$BATS_TEST_TMPDIR/show" <<'EOS'
for file in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.swappiness \
  memory.max memory.low memory.swap.max pids/pids.max pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu.max cpu.weight \
  cpuset/cpuset.cpus cpuset.cpus devices/devices.list; do
  if [ -e "/sys/fs/cgroup/$file" ]; then echo "$file: $(sort "/sys/fs/cgroup/$file" | xargs)"; fi
done
EOS
volume=$BATS_TEST_TMPDIR/show:/show:ro
show pod_run --rm --cgroupns private --volume "$volume" busybox sh /show
show pod_run --rm --cgroupns private --volume "$volume" --memory 96m --memory-reservation 64m --pids-limit 50 --cpu-shares 512 busybox sh /show
show pod_run --rm --cgroupns private --volume "$volume" --memory 64m --memory-swap 96m --cpus 0.5 --cpuset-cpus 0 busybox sh /show
show pod_run --rm --cgroupns private --volume "$volume" --pids-limit -1 busybox sh /show
show pod_run --rm --memory 32m busybox sh -c 'tail /dev/zero 2>/dev/null; echo killed $?'
END
}

@test "--volume and --tmpfs with their options" {
  mkdir -p "$WORK/volume"
  echo outside >"$WORK/volume/file"
  same <<'END'
show pod_run --rm --volume "$WORK/volume:/data" busybox sh -c 'cat /data/file; touch /data/new; ls /data'
show pod_run --rm --volume "$WORK/volume:/data:ro" busybox sh -c 'touch /data/other; grep -c " /data ro" /proc/self/mountinfo'
show pod_run --rm --volume "$WORK/volume/file:/data/file:ro,noexec" busybox sh -c 'cat /data/file; grep " /data/file " /proc/self/mountinfo | cut -d " " -f 5,6'
show pod_run --rm --volume "$WORK/volume:/data:rslave" --volume "$WORK/volume:/shared:rshared" busybox sh -c 'grep -E " /(data|shared) " /proc/self/mountinfo | sed -E "s/(master|shared):[0-9]+/\1/" | cut -d " " -f 5-8 | sort'
show pod_run --rm --tmpfs /scratch:size=1m,mode=1770,noexec busybox sh -c 'grep " /scratch " /proc/self/mountinfo | cut -d " " -f 5- ; ls -ld /scratch | cut -c 1-10; cp /bin/busybox /scratch/'
show pod_run --rm --tmpfs /etc --tmpfs /tmp --tmpfs /new busybox sh -c 'ls /etc; ls -ld /etc /tmp /new | cut -c 1-10'
show pod_run --rm --mount type=bind,src=$WORK/volume,dst=/deep/er/data,ro busybox cat /deep/er/data/file
show pod_run --rm --volume "$WORK/nothing/here:/data" busybox true
END
}

@test "--init reaps, and passes signals" {
  command -v catatonit >/dev/null || skip "no catatonit here (./dev setup --test)"
  same <<'END'
show pod_run --rm --init busybox sh -c 'cat /proc/1/comm; exit 3'
pod_run --detach --init --name box busybox sh -c 'trap "echo asked; exit 9" TERM; echo up; while :; do sleep 0.1; done'
once_logged box up
show podman stop --time 10 box
show podman inspect --format '{{.State.ExitCode}}' box
show podman logs box
END
}

@test "--security-opt: no-new-privileges, seccomp profiles, masks" {
  cat >"$BATS_FILE_TMPDIR/no-mkdir.json" <<'END'
{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
  {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
  {"names": ["chroot"], "action": "SCMP_ACT_KILL"}]}
END
  same <<'END'
show pod_run --rm --security-opt no-new-privileges busybox grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
show pod_run --rm --security-opt seccomp=unconfined busybox grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
show pod_run --rm --security-opt seccomp=$BATS_FILE_TMPDIR/no-mkdir.json busybox mkdir /new
show pod_run --rm --security-opt seccomp=$BATS_FILE_TMPDIR/no-mkdir.json busybox chroot / true
show pod_run --rm --security-opt unmask=ALL busybox sh -c 'ls /sys/firmware | wc -l'
show pod_run --rm --security-opt mask=/etc/passwd:/var busybox sh -c 'cat /etc/passwd; ls -A /var; wc -c </etc/passwd'
END
}

@test "--sysctl, --ulimit, --oom-score-adj, --umask, --shm-size" {
  same <<'END'
show pod_run --rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=65536 busybox cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax
show pod_run --rm --ulimit nofile=100:200 --ulimit nproc=32768:32768 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
show pod_run --rm --oom-score-adj 500 --umask 0077 busybox sh -c 'cat /proc/self/oom_score_adj; umask'
show pod_run --rm --shm-size 2m busybox sh -c 'df /dev/shm | tail -n 1'
show pod_run --rm --device /dev/full:/dev/brimming:r busybox sh -c 'ls -l /dev/brimming | cut -c 1-10; echo >/dev/brimming'
show pod_run --rm --sysctl kernel.nosuchthing=1 busybox true
END
  both_said 200
}

@test "--userns: auto, nomap, keep-id and mappings of one's own" {
  local mode
  for mode in auto auto:size=4096 host keep-id nomap; do
    MODE=$mode same <<'END'
show pod_run --rm --userns $MODE busybox sh -c 'id -u; id -g; cat /proc/self/uid_map; touch /file && ls -ln /file | cut -c 1-30'
END
  done
  same <<'END'
show pod_run --rm --uidmap 0:100000:5000 --gidmap 0:200000:5000 busybox sh -c 'id -u; cat /proc/self/uid_map /proc/self/gid_map; ls -ldn / /etc/passwd /dev/null | cut -c 1-40; mkdir /new; chown 7:8 /new; ls -ldn /new | cut -c 1-40'
show pod_run --rm --uidmap 0:100000:5000 --tmpfs /scratch --user 5:6 busybox sh -c 'id; touch /scratch/x /tmp/x; ls -ln /tmp/x | cut -c 1-30; hostname box'
END
  both_said '100000'
}

# --- the life of a container --------------------------------------------------------------------

@test "exec: output, codes, users, variables, terminals" {
  same <<'END'
pod_run --detach --name box --env FROM=run busybox sleep 1000
show podman exec box sh -c 'echo out; echo err >&2; exit 42'
show podman exec box nosuchprogram
show podman exec box /etc
show podman exec --user 1000:2000 --workdir /tmp --env COLOUR=blue box sh -c 'id; pwd; env | sort; umask'
show podman exec box grep -E '^(Cap[A-Z][a-z]+|NoNewPrivs|Seccomp|Sig[A-Z][a-z]+):' /proc/self/status
show podman exec box cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj
show podman exec --user 1000 box grep Cap /proc/self/status
show podman exec --privileged box grep -E '^(Cap[A-Z][a-z]+|NoNewPrivs)' /proc/self/status
show tty --size 20x70 expect=up 'send=typed\n' 'expect=got typed' -- $(podman_words) exec -it box sh -c 'tty; stty size; echo up; read line; echo "got $line"; exit 5'
show podman exec --detach box touch /tmp/file
eventually 10 podman exec box test -e /tmp/file
show podman kill box
show podman exec box true
END
  both_said '=> 42'
}

@test "logs, stop, kill, wait, start, restart, rm" {
  same <<'END'
pod_run --detach --name box busybox sh -c 'echo out; echo err >&2; trap "echo asked; exit 7" TERM; echo up; while :; do sleep 0.1; done'
once_logged box up
podman logs box | sort
show podman stop --time 20 box
podman logs box 2>/dev/null
show podman inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Running}}' box
show podman start box
once_status box running
show podman restart --time 5 box
show podman kill --signal TERM box
show podman wait box
show podman kill box
show podman rm box
show podman rm box
show podman ps --all --quiet
END
  both_said 'asked'
}

@test "rm of a running container, and stop of one that does not listen" {
  same <<'END'
pod_run --detach --name box busybox sleep 1000
show podman rm box
show podman stop --time 1 box
show podman inspect --format '{{.State.ExitCode}}' box
show podman start box
show podman rm --force --time 0 box
show podman inspect box
END
}

@test "pause and unpause" {
  same <<'END'
pod_run --detach --name box busybox sleep 1000
show podman pause box
show podman ps --all --format '{{.Names}} {{.Status}}' --filter status=paused
show podman inspect --format '{{.State.Status}} {{.State.Paused}}' box
show podman exec box true
show podman pause box
show podman unpause box
show podman unpause box
show podman inspect --format '{{.State.Status}}' box
show podman exec box echo alive
podman pause box
show podman kill box
show podman wait box
END
  both_said 'paused true'
}

@test "inspect, top, port, diff" {
  same <<'END'
pod_run --detach --name box --hostname box --user 1000 --memory 64m busybox sleep 1000
show podman inspect --format '{{.State.Status}} {{.Config.Hostname}} {{.Config.User}} {{.HostConfig.Memory}} {{.EffectiveCaps}} {{.Path}} {{.Args}}' box
show podman inspect --format '{{if gt .State.Pid 1}}has a pid{{end}} {{if gt .State.ConmonPid 1}}has a conmon{{end}}' box
show podman top box pid ppid user args
show podman top box capeff seccomp label
podman exec --user 0 box touch /file
podman diff box | sort
END
}

@test "stats, update and commands on what runs" {
  same <<'END'
pod_run --detach --name box --memory 64m --pids-limit 20 busybox sleep 1000
show podman stats --no-stream --format '{{.Name}} {{.PIDs}}' box
podman stats --no-stream --format '{{.MemUsage}}' box | sed 's#.* / #limit #'
END
}

@test "cp to and from a container" {
  echo content >"$WORK/file"
  same <<'END'
pod_run --detach --name box --tmpfs /scratch busybox sleep 1000
show podman cp $WORK/file box:/tmp/copy
show podman exec box cat /tmp/copy
show podman cp $WORK/file box:/scratch/copy
show podman exec box cat /scratch/copy
podman exec box sh -c 'echo inside >/scratch/inside'
show podman cp box:/scratch/inside $BATS_TEST_TMPDIR/outside
cat $BATS_TEST_TMPDIR/outside
show podman cp box:/no/such/file $BATS_TEST_TMPDIR/outside
END
}

@test "healthchecks" {
  same <<'END'
pod_run --detach --name box --health-cmd 'test -e /tmp/healthy' --health-interval disable --health-retries 1 busybox sleep 1000
show podman healthcheck run box
podman exec box touch /tmp/healthy
show podman healthcheck run box
show podman inspect --format '{{.State.Health.Status}}' box
END
}

@test "create, start --attach, attach" {
  same <<'END'
show podman create $(run_options) --name box busybox sh -c 'echo hello; exit 4'
show podman inspect --format '{{.State.Status}}' box
show podman start --attach box
podman init box
show podman inspect --format '{{.State.Status}}' box
show podman start --attach box
END
  both_said 'initialized'
}

@test "containers that share namespaces" {
  same <<'END'
pod_run --detach --name one --hostname first --ipc shareable busybox sleep 1000
show podman run --cgroup-parent $CGROUP_PARENT --rm --network container:one --pid container:one --ipc container:one --uts container:one busybox sh -c 'hostname; cat /proc/1/comm; ls /proc | grep -c "^1$"'
show podman run --cgroup-parent $CGROUP_PARENT --rm --pid container:one busybox sh -c 'hostname | grep -c first; cat /proc/1/comm'
END
  both_said 'first'
}

@test "--pod: an infra container and others in its namespaces" {
  same <<'END'
show podman pod create --name pod --hostname podded --network none --share net,uts,ipc --infra-image localhost/busybox --infra-command 'sleep 1000' --cgroup-parent $CGROUP_PARENT
show podman run --detach --pod pod --name one busybox sleep 1000
show podman run --rm --pod pod busybox sh -c 'hostname; ls /dev/mqueue; exit 6'
spaces='for space in net uts ipc; do readlink /proc/self/ns/$space || exit; done'
one=$(podman exec one sh -c "$spaces") && test "$one" = "$(podman run --rm --pod pod busybox sh -c "$spaces")" && echo shared
show podman pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'
show podman pod pause pod
show podman pod ps --format '{{.Status}}'
show podman pod unpause pod
show podman pod stop --time 0 pod
show podman pod ps --format '{{.Status}}'
show podman pod start pod
show podman pod rm --force --time 0 pod
show podman ps --all --quiet
END
  both_said 'shared'
}

@test "generate kube and play kube" {
  same <<'END'
pod_run --detach --name box --env COLOUR=blue busybox sh -c 'echo $COLOUR; sleep 1000'
podman generate kube box >$BATS_TEST_TMPDIR/pod.yaml && echo generated
podman rm --force --time 0 box
cat >$BATS_TEST_TMPDIR/containers.conf <<EOS
$(cat $CONTAINERS_CONF)
infra_image = "localhost/busybox"
EOS
grep -E '^ *(name|value|image):' $BATS_TEST_TMPDIR/pod.yaml
END
  both_said 'generated'
}
