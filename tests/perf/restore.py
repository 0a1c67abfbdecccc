#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""restore.py make|measure DIRECTORY KERNEL INITRD PARAMETERS

The least that going on from a saved machine takes: bare QEMU whose guest (floor-init.c) answers a line
on its console. `make` saves it in DIRECTORY, `measure` goes on from there and prints how many
microseconds passed from QEMU's start to the answer.
"""
import json
import os
import socket
import subprocess
import sys
import time

LISTENS = b"floor: listens"
ANSWERS = b"floor: answers"


def start(directory, kernel, initrd, parameters, is_restored):
    share = "off" if is_restored else "on"
    ours, theirs = socket.socketpair()
    command = [
        "qemu-system-x86_64", "-M", "microvm,acpi=off,memory-backend=memory",
        "-object", f"memory-backend-file,id=memory,size=256M,mem-path={directory}/memory,share={share}",
        "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "256M", "-smp", "1", "-nodefaults",
        "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
        "-initrd", initrd, "-append", f"{parameters} floor=answer",
        "-chardev", f"socket,id=control,fd={theirs.fileno()}", "-mon", "chardev=control,mode=control",
    ] + (["-incoming", "defer"] if is_restored else [])
    vmm = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           pass_fds=[theirs.fileno()])
    theirs.close()
    return vmm, Control(ours)


class Control:
    def __init__(self, sock):
        self.sock = sock
        self.lines = sock.makefile("r")
        self.lines.readline()  # the greeting
        self.tell("qmp_capabilities")

    def tell(self, name, fds=(), **arguments):
        text = json.dumps({"execute": name, "arguments": arguments}).encode()
        socket.send_fds(self.sock, [text], list(fds))
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                sys.exit(f"restore.py: {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def move(self, name, fd):
        self.tell("migrate-set-capabilities",
                  capabilities=[{"capability": "x-ignore-shared", "state": True}])
        self.tell("getfd", [fd], fdname="state")
        self.tell(name, uri="fd:state")


def await_line(vmm, wanted):
    while True:
        line = vmm.stdout.readline()
        if not line:
            sys.exit("restore.py: the guest ended")
        if wanted in line:
            return


def make(*args):
    vmm, control = start(*args, is_restored=False)
    await_line(vmm, LISTENS)
    fd = os.open(f"{args[0]}/state", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    control.move("migrate", fd)
    while control.tell("query-migrate").get("status") != "completed":
        time.sleep(0.01)
    vmm.kill()
    vmm.wait()


def measure(*args):
    begin = time.monotonic_ns()
    vmm, control = start(*args, is_restored=True)
    control.move("migrate-incoming", os.open(f"{args[0]}/state", os.O_RDONLY))
    vmm.stdin.write(b"who is there\n")
    vmm.stdin.flush()
    await_line(vmm, ANSWERS)
    print((time.monotonic_ns() - begin) // 1000)
    vmm.kill()
    vmm.wait()


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] not in ("make", "measure"):
        sys.exit(__doc__)
    {"make": make, "measure": measure}[sys.argv[1]](*sys.argv[2:])
