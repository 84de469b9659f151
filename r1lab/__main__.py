"""python -m r1lab, and the console command r1lab: whatever comes, it ends with a sentence."""

import signal


def main() -> None:
    """Makes the terminal and the signals ready, then goes through the door, whose imports take a while."""
    # they wait until `stoppable` can answer them
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    from r1lab import processes, terminal

    terminal.prepare()
    with processes.stoppable():
        from r1lab import cli

        cli.main()


if __name__ == "__main__":
    main()
