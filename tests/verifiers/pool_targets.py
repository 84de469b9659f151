"""What the pool's tests make workers do."""

import ctypes
import os
import signal
import sys
import time


def add_one(x):
    return x + 1


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
