"""What the pool's tests make workers do."""

import ctypes
import os
import signal
import sys
import time


def add_one(x):
    return x + 1


def getpid():
    return os.getpid()


def hang():
    while True:
        pass


def hang_in_one_bytecode():
    return 7**30_000_000 % 11 * len(str(7**30_000_000))


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def exit_with(code):
    os._exit(code)


def segfault():
    ctypes.string_at(0)


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(10)


def memory_bomb():
    hoard = []
    while True:
        hoard.append(bytearray(16_000_000))


HELD = []


def hold(size):
    """Keeps that much memory for good, as a cache does; the process."""
    HELD.append(bytearray(size))
    return os.getpid()


def die_when_used(path, cause):
    """Ends a worker that holds something already; a new one answers. Notes its process in the file."""
    with open(path, "a") as file:
        print(os.getpid(), file=file)
    if HELD and cause == "memory":
        raise MemoryError
    if HELD:
        os._exit(1)
    return 42


def note_and(path, name):
    """Notes its process in the file, then does what the function ``name`` of this module does."""
    with open(path, "a") as file:
        print(os.getpid(), file=file)
    return globals()[name]()


def raise_error():
    raise ValueError("not today")


def exit_politely():
    sys.exit(2)


def unpicklable():
    return lambda: 1


def noise():
    print("noise" * 1000)
    print("noise", file=sys.stderr)
    os.write(1, b"noise")
    return os.getpid()


def ignores_interrupt():
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def echo(text):
    return text
