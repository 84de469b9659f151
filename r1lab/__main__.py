"""python -m r1lab, and the console command r1lab: whatever comes, it ends with a sentence."""

import signal
import sys


def main() -> None:
    """Makes the terminal and the signals ready, then goes through the door, whose imports take a while."""
    # they wait until `stoppable` can answer them
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    from r1lab import manual, processes, terminal

    terminal.prepare()
    with processes.stoppable():
        if manual.wanted(sys.argv[1:]):
            manual.show(sys.argv[1:])
            return
        from r1lab import cli

        cli.main()


if __name__ == "__main__":
    main()
