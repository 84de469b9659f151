"""What a process does to itself before it runs code that nobody has read: limits, Landlock and seccomp, by ctypes.

After ``confine`` the process can compute, start threads, read its standard library and the pipes it was given, and
write to them. It opens no other file (these pipes again, through /proc/self/fd), has no network, starts no process,
signals nobody, raises no limit. The rules are lists of what is allowed, so that whatever they do not name is refused.
They bind all threads, and no exec undoes them - there is no exec either.

The text of this file is sent to an interpreter that may not be able to read the project: no imports from r1lab.
"""

import ctypes
import os
import resource
import signal
import struct

MIN_LANDLOCK = 3
"""Linux 6.2: before it a file that is open for reading only could still be cut to nothing."""

# name -> number on x86_64, on aarch64 (None: does not exist); from the kernel's syscall_64.tbl and unistd.h
_ALLOWED = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226),
    "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "pipe": (22, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216),
    "madvise": (28, 233), "dup": (32, 23), "dup2": (33, None), "pause": (34, None), "nanosleep": (35, 101),
    "getitimer": (36, 102), "alarm": (37, None), "setitimer": (38, 103), "getpid": (39, 172), "exit": (60, 93),
    "uname": (63, 160), "getcwd": (79, 17), "readlink": (89, None), "gettimeofday": (96, 169),
    "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "sigaltstack": (131, 132), "gettid": (186, 178), "futex": (202, 98), "sched_getaffinity": (204, 123),
    "getdents64": (217, 61), "set_tid_address": (218, 96), "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "exit_group": (231, 94),
    "epoll_wait": (232, None), "epoll_ctl": (233, 21), "openat": (257, 56), "newfstatat": (262, 79),
    "readlinkat": (267, 78), "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "epoll_pwait": (281, 22), "eventfd2": (290, 19), "epoll_create1": (291, 20),
    "dup3": (292, 24), "pipe2": (293, 59), "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291),
    "rseq": (334, 293), "faccessat2": (439, 439),
}  # fmt: skip

# name -> numbers, index of the argument, the values it may have
_ALLOWED_IF = {
    # what glibc's and musl's pthread_create ask for, exactly: threads, never processes or namespaces
    "clone": ((56, 220), 0, (0x3D0F00, 0x7D0F00)),
    # DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC; with SETOWN and SETSIG a pipe would signal other processes
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 4, 1030)),
    # TCGETS (isatty), FIOCLEX, FIONCLEX, FIONREAD, FIONBIO
    "ioctl": ((16, 29), 1, (0x5401, 0x5451, 0x5450, 0x541B, 0x5421)),
    # the process itself; its hard limits are where its soft ones are
    "prlimit64": ((302, 261), 0, (0,)),
}
_CLONE3 = 435  # its flags lie in memory, where a filter cannot look; libc falls back to clone
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _REFUSE, _MISSING = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # EPERM, ENOSYS
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 38, 22

_libc = ctypes.CDLL(None, use_errno=True)


def seal() -> None:
    """Give up every way to more rights, and keep others of the same user from looking inside. Errors: OSError."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


def landlock_abi() -> int:
    """Version of Landlock in this kernel, 0 where there is none."""
    return max(0, _libc.syscall(444, None, ctypes.c_size_t(0), 1))


def landlock_ruleset(readable: list[str]) -> int:
    """File descriptor of a ruleset: nothing but reading beneath ``readable``, and /dev/null. Errors: OSError."""
    abi = landlock_abi()
    everything = (1 << (13 + (abi >= 2) + (abi >= 3) + (abi >= 5))) - 1
    # ABI 4 knows TCP, ABI 6 signals and abstract sockets; seccomp refuses them all, this is the second lock
    attributes = struct.pack("=QQQ", everything, 3, 3)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _checked(_libc.syscall(444, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock_create_ruleset")
    read_file, read_dir, write_file, truncate = 1 << 2, 1 << 3, 1 << 1, 1 << 14
    for path in [*readable, "/dev/null"]:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there needs no rule
        access = read_file | (read_dir if os.path.isdir(path) else 0)
        access |= write_file | truncate if path == "/dev/null" else 0
        rule = struct.pack("=Qi", access, fd)
        _checked(_libc.syscall(445, ruleset, 1, rule, 0), f"landlock_add_rule for {path}")
        os.close(fd)
    return ruleset


def confine(ruleset, filter_code: bytes, cpu_seconds: float, memory_bytes: int, num_tasks: int) -> None:
    """Lock this process up for good; ``num_tasks`` bounds all tasks of its user. Errors: OSError, ValueError."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if ruleset is not None:
        _checked(_libc.syscall(446, ruleset, 0), "landlock_restrict_self")
    for name, value in (
        ("CPU", -int(-cpu_seconds // 1)),
        ("AS", memory_bytes),
        ("NPROC", num_tasks),
        ("NOFILE", 64),
        ("FSIZE", 0),
        ("CORE", 0),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
        ("SIGPENDING", 64),
    ):
        _limit(getattr(resource, f"RLIMIT_{name}", 11), value)  # 11: SIGPENDING has no name
    instructions = ctypes.create_string_buffer(filter_code, len(filter_code))
    program = struct.pack("HxxxxxxP", len(filter_code) // 8, ctypes.addressof(instructions))
    _checked(_libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(program), 0, 0), "seccomp")


def seccomp_filter(without=()) -> bytes:
    """The filter in BPF: another architecture dies, what is not named gets EPERM. Errors: OSError.

    ``without``: calls of the tables that are refused all the same, such as "clone" for a process of one thread.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(f"the system calls of {machine} are not listed, only those of {', '.join(_MACHINES)}")
    column, architecture = _MACHINES[machine]
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for name, numbers in _ALLOWED.items():
        if numbers[column] is not None and name not in without:
            code += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ALLOW)]
    code += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _MISSING)]
    for name, (numbers, argument, values) in _ALLOWED_IF.items():
        if name in without:
            continue
        code += [(_EQUAL, 0, 2 + 2 * len(values), numbers[column]), (_LOAD, 0, 0, 16 + 8 * argument)]
        for value in values:
            code += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
        code += [(_RETURN, 0, 0, _REFUSE)]
    code += [(_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _limit(kind: int, value: int) -> None:
    """Set a limit that cannot be raised again. Errors: OSError where less memory is allowed here than was asked for."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY and value > hard:
        if kind == resource.RLIMIT_AS:
            raise OSError(f"{value} bytes of memory are wanted, the starting process may give {hard}: raise its bound")
        value = hard
    resource.setrlimit(kind, (value, value))


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _checked(_libc.prctl(option, *arguments), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
