"""The filter, asked from inside: every system call that the table does not name is refused, one by one."""

import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import WAYS

from r1lab.errors import SandboxError
from r1lab.verifiers import confine
from r1lab.verifiers.program import Limits
from r1lab.verifiers.sandbox import LocalSandbox

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=10.0, memory_bytes=1 << 27, output_bytes=1 << 16)
LOCAL = LocalSandbox(())
ASK = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def ask(*arguments):
    ctypes.set_errno(0)
    arguments += (0,) * (7 - len(arguments))
    result = libc.syscall(*(ctypes.c_long(argument) for argument in arguments))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "done"
"""


@pytest.fixture(autouse=True, params=WAYS)
def way(request):
    """Each way to isolate in turn, skipped where it is not to be had."""
    global LOCAL
    LOCAL = LocalSandbox((request.param,))
    try:
        return LOCAL.way
    except SandboxError as error:
        pytest.skip(f"{request.param} is not to be had here: {error}")


def ask(*calls):
    """What the kernel answers to system calls made in the sandbox; arguments that are left out are 0."""
    program = ASK + f"\nfor call in {list(calls)!r}: print(ask(*call))"
    run = LOCAL(program, "", LIMITS)
    assert not run.fault, run
    return run.stdout.split()


def column() -> int:
    return confine._MACHINES[os.uname().machine][0]


def test_what_is_not_named_is_refused():
    named = {numbers[column()] for numbers in confine._ALLOWED.values()}
    named |= {numbers[column()] for numbers, *_ in confine._ALLOWED_IF.values()}
    # uretprobe and uprobe pass every filter since Linux 6.11; but for a debugger's they do nothing or end the caller
    others = [number for number in range(600) if number not in named | {confine._CLONE3, 335, 336}]
    # the other architecture's numbers in the same process: x32 of x86_64
    others += [0x40000000 + number for number in range(0, 600, 7)]
    assert set(ask(*((number,) for number in others))) == {"EPERM"} and len(others) > 500
    assert ask((confine._CLONE3,)) == ["ENOSYS"]


def test_what_is_allowed_with_some_arguments_is_refused_with_others():
    clone, fcntl, ioctl, prlimit = (
        confine._ALLOWED_IF[n][0][column()] for n in ("clone", "fcntl", "ioctl", "prlimit64")
    )
    sigchld, new_user, thread, f_setown, f_setsig, f_setpipe, tiocsti = 17, 0x10000000, 0x10000, 8, 10, 1031, 0x5412
    refused = [
        (clone, sigchld), (clone, new_user | sigchld), (clone, thread), (clone, 0x3D0F00 | new_user), (clone, 0),
        (fcntl, 1, f_setown, 1), (fcntl, 1, f_setsig, 9), (fcntl, 1, f_setpipe, 1 << 20), (fcntl, 1, 5, 0),
        (ioctl, 0, tiocsti, 0), (ioctl, 0, 0x40086602, 0), (prlimit, 1, 7, 0), (prlimit, os.getpid(), 7, 0),
    ]  # fmt: skip
    assert set(ask(*refused)) == {"EPERM"}
    # duplicates, flags, limits that are read: what a plain program needs
    assert ask((fcntl, 1, 1, 0), (fcntl, 1, 3, 0), (prlimit, 0, 7, 0)) == ["done"] * 3


def test_limits_cannot_be_raised():
    program = """
import resource
for name in ("AS", "CPU", "NPROC", "NOFILE", "FSIZE", "CORE"):
    soft, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    assert soft == hard
    try:
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (hard + 1, hard + 1))
        print(name)
    except (ValueError, OSError):
        pass
print("end")
"""
    assert LOCAL(program, "", LIMITS).stdout == "end\n"


def test_the_filter_by_hand():
    """The first instructions: load the architecture, compare, kill; load the number; ALLOW for read."""
    code = confine.seccomp_filter()
    assert len(code) % 8 == 0 and len(code) // 8 < 4096
    words = [
        (int.from_bytes(code[i : i + 2], "little"), code[i + 2], code[i + 3], code[i + 4 : i + 8])
        for i in range(0, 48, 8)
    ]
    architecture = confine._MACHINES[os.uname().machine][1].to_bytes(4, "little")
    read = confine._ALLOWED["read"][column()].to_bytes(4, "little")
    assert words == [
        (0x20, 0, 0, bytes([4, 0, 0, 0])),
        (0x15, 1, 0, architecture),
        (0x06, 0, 0, bytes.fromhex("00000080")),  # SECCOMP_RET_KILL_PROCESS
        (0x20, 0, 0, bytes(4)),
        (0x15, 0, 1, read),
        (0x06, 0, 0, bytes.fromhex("0000ff7f")),  # SECCOMP_RET_ALLOW
    ]
    assert code[-8:] == bytes.fromhex("0600000001000500")  # at the end: EPERM


def test_the_table_names_each_call_once():
    for index in (0, 1):
        numbers = [n[index] for n in confine._ALLOWED.values() if n[index] is not None]
        numbers += [n[index] for n, *_ in confine._ALLOWED_IF.values()]
        assert len(numbers) == len(set(numbers))


HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"no {header} here")
    text = header.read_text()
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    index = confine._MACHINES[machine][0]
    # asm-generic has the 64-bit names of these behind __NR3264_
    spelt = {"newfstatat": "fstatat"} if machine == "aarch64" else {}
    for name, numbers in {**confine._ALLOWED, **{n: v[0] for n, v in confine._ALLOWED_IF.items()}}.items():
        if numbers[index] is not None:
            assert int(known[spelt.get(name, name)]) == numbers[index], name
