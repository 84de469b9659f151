"""Plain lines in a pipe, a live bar in a terminal."""

import io
import os
import pty
import subprocess
import sys

from r1lab.records.progress import PRETRAIN_COLUMNS, RL_COLUMNS, track


def test_a_pipe_gets_one_line_every_n_steps_and_the_last(capsys):
    with track(10, "r1zero", RL_COLUMNS, every=4) as progress:
        for step in range(1, 11):
            progress.update(step, reward=step / 10, accuracy=0.345, tokens_per_second=1234.5, unknown=1.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["r1zero 4/10", "r1zero 8/10", "r1zero 10/10"]
    assert "  reward 0.40  accuracy 34%  1,234 tokens/s  0:00 left" in lines[0]
    assert all(character.isprintable() for line in lines for character in line)


def test_numbers_stay_until_newer_ones_come():
    stream = io.StringIO()
    with track(2, "pretrain", PRETRAIN_COLUMNS, stream=stream) as progress:
        progress.update(1, loss=2.5)
        progress.update(2, loss=None, tokens_per_second=10.0)
    first, second = stream.getvalue().splitlines()
    assert "loss 2.500" in first and "tokens/s" not in first
    assert "loss 2.500  10 tokens/s" in second


def test_time_left_counts_the_steps_of_this_start_only():
    with track(100, "r1zero", {}, first=90, stream=io.StringIO()) as progress:
        assert progress.seconds_left is None
        progress._started -= 30.0  # thirty seconds ago
        progress.update(95)
        assert 29 < progress.seconds_left < 32  # 5 steps in 30 s, 5 to go
        progress._started -= 7200.0 * 5
        assert progress.seconds_left > 7200 * 5


def test_the_time_left_counts_from_the_first_step_where_one_says_when_it_began():
    with track(10, "r1zero", {}, stream=io.StringIO()) as progress:
        progress._started -= 3600.0  # an hour of evaluation before training
        progress.begin()
        progress.update(5)
        assert progress.seconds_left < 5


def test_an_aside_stands_with_the_numbers_until_the_next_step(capsys):
    with track(3, "r1zero", RL_COLUMNS, every=1) as progress:
        progress.update(1, reward=1.0)
        progress.aside("evaluating 40/200 questions")
        assert progress.numbers == "reward 1.00  evaluating 40/200 questions"
        progress.update(2)
        assert progress.numbers == "reward 1.00"
    assert "evaluating" not in capsys.readouterr().out


def test_a_long_time_left_is_in_hours():
    stream = io.StringIO()
    with track(2, "r1zero", {}, stream=stream) as progress:
        progress._started -= 3725.0
        progress.update(1)
    assert "1:02:05 left" in stream.getvalue() or "1:02:06 left" in stream.getvalue()


def test_the_other_processes_of_a_run_show_nothing(capsys):
    with track(3, "r1zero", RL_COLUMNS, every=1, quiet=True) as progress:
        progress.update(3, reward=1.0)
    assert capsys.readouterr().out == "" and progress.step == 3


LIVE = """
from r1lab.records.progress import RL_COLUMNS, track
with track(3, "r1zero", RL_COLUMNS) as progress:
    for step in (1, 2, 3):
        progress.update(step, reward=step / 4, kl=0.00125)
        print("a word in between")
"""


def test_a_terminal_gets_a_live_bar_and_words_above_it():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([sys.executable, "-c", LIVE], stdout=theirs, env=environment)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal closes with its last process
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert process.wait() == 0
    text = seen.decode()
    assert "3/3" in text and "reward 0.75  KL 0.0013" in text and text.count("a word in between") == 3
    assert text.count("\x1b[") > 3 and text.count("\x1b[?25h") == 1  # redrawn in place, cursor given back


def test_a_pipe_gets_no_control_characters_even_where_colors_are_forced():
    environment = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}
    result = subprocess.run([sys.executable, "-c", LIVE], capture_output=True, text=True, env=environment)
    assert "r1zero 3/3" in result.stdout and "\x1b" not in result.stdout and "\r" not in result.stdout
