"""Refills: which question goes to which place, when it ends, and that ranks agree."""

import threading

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.rollouts.refill import collect
from r1lab.rollouts.selection import Informative, KeepAll, Refilled
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout


def group_of(index, name, rewards):
    question = Question(name, f"{name}?", "7")
    completion = Completion(torch.zeros(1), torch.zeros(1), Finish.STOP)
    return Group(
        question,
        tuple(
            Rollout(question, torch.zeros(1), completion, Response("", None, None, False), i, {}, reward)
            for i, reward in enumerate(rewards)
        ),
        index,
    )


class Bench:
    """A mix whose questions are 0, 1, 2, ...; those whose number is in `dull` have equal rewards."""

    def __init__(self, dull):
        self.dull, self.sampled, self.unions = dull, [], 0

    def draw(self, cursor, count):
        start = cursor["at"]
        return [Question(str(start + i), "?", "7") for i in range(count)], {"at": start + count}

    def sample(self, questions):
        self.sampled.append([(index, int(question.id)) for index, question in questions])
        return [group_of(i, q.id, [1.0, 1.0] if int(q.id) in self.dull else [0.0, 1.0]) for i, q in questions]

    def union(self, places):
        self.unions += 1
        return sorted(places)

    def collect(self, places, selection, num_places=4, union=None):
        return collect(places, num_places, {"at": 10}, selection, self.draw, self.sample, union or self.union)


def kept(collected):
    return {place: (group.index, int(group.question.id)) for place, group in collected.kept.items()}


def test_without_refill_nothing_more_is_drawn_and_no_rank_is_asked():
    for selection, left in ((KeepAll(), {0, 1, 2, 3}), (Informative(), {0, 3})):
        bench = Bench(dull={11, 12})
        collected = bench.collect([0, 1, 2, 3], selection)
        assert (set(collected.kept), collected.cursor, bench.unions) == (left, {"at": 14}, 0)
        assert len(collected.groups) == 4


def test_further_questions_go_to_the_empty_places_in_order():
    bench = Bench(dull={11, 12, 14})
    # places 0 to 3 ask 10 to 13; 1 and 2 stay empty and ask 14 and 15; 14 is dull, so place 1 asks 16
    collected = bench.collect([3, 1, 0, 2], Refilled(rounds=5))
    assert bench.sampled == [[(3, 13), (1, 11), (0, 10), (2, 12)], [(5, 14), (6, 15)], [(9, 16)]]
    assert kept(collected) == {0: (0, 10), 1: (9, 16), 2: (6, 15), 3: (3, 13)}
    assert collected.cursor == {"at": 17} and len(collected.groups) == 7
    assert bench.unions == 3  # the third finds nothing empty


def test_rounds_are_bounded_and_places_may_stay_empty():
    bench = Bench(dull=set(range(11, 99)))
    collected = bench.collect([0, 1, 2, 3], Refilled(rounds=2))
    assert kept(collected) == {0: (0, 10)}
    assert [len(asked) for asked in bench.sampled] == [4, 3, 3] and collected.cursor == {"at": 20}
    assert len({group.index for group in collected.groups}) == 10  # each has random streams of its own


@pytest.mark.parametrize("dull", [set(), {11, 12, 14}, {10, 11, 12, 13, 15, 17}, set(range(99))])
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_together_do_what_one_does(dull, ranks):
    alone = Bench(dull)
    expected = alone.collect(range(8), Refilled(3), num_places=8)
    barrier, said, found = threading.Barrier(ranks, timeout=10), {}, {}

    def run(rank):
        bench = Bench(dull)

        def union(places):
            said[rank] = places
            barrier.wait()
            everyone = sorted(place for named in said.values() for place in named)
            barrier.wait()
            bench.unions += 1
            return everyone

        found[rank] = bench, bench.collect(range(8)[rank::ranks], Refilled(3), num_places=8, union=union)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == ranks
    together = {}
    for rank, (bench, collected) in found.items():
        # as many collectives as every other rank, and as many calls of the sampler, which may gather weights
        assert bench.unions == alone.unions and len(bench.sampled) == len(alone.sampled)
        assert collected.cursor == expected.cursor
        assert all(place % ranks == rank for place in collected.kept)
        together |= kept(collected)
    assert together == kept(expected)


def test_refilling_needs_a_round():
    with pytest.raises(ConfigError, match="at least one round"):
        Refilled(0)
