"""What rwsem_bravo adds to the contract: who enters by a slot, and what a writer does about it."""

import sync_crew
from test_lock_contract import call, compile_for, marker_of

import pytest  # isort: skip

from sync_kernels import LOCK_READ, LOCK_WRITE, TRY_READ, TRY_WRITE, UNLOCK_READ, UNLOCK_WRITE

from numaperf.machine import memory
from numaperf.sync.layout import PARK
from numaperf.sync.locks import rwsem_bravo

RWSEM, BIAS, UNTIL = 0, rwsem_bravo.BIAS // 8, rwsem_bravo.UNTIL // 8
NEVER = 1 << 62


class Lock:
    """A fresh lock, its words, and its verbs by worker."""

    def __init__(self, base: int, lines, biased: bool = True) -> None:
        self.base, self.a = base, lines.take()
        self.words = sync_crew.words(self.a, 8)
        compile_for(base, marker_of("rwsem_bravo"), self.a)
        if biased:
            self(0, LOCK_READ)
            self(0, UNLOCK_READ)

    def __call__(self, cpu: int, verb: int, base: int = 0) -> int:
        """A verb by worker `cpu`, through the segment as mapped at `base`."""
        base = base or self.base
        return call(base, cpu, marker_of("rwsem_bravo"), base + self.a - self.base, verb)


def test_the_first_reader_takes_the_rwsem_and_those_after_it_do_not(base, lines):
    lock = Lock(base, lines, biased=False)
    lock(0, LOCK_READ)
    first = lock.words[RWSEM]
    assert first != 0 and lock.words[BIAS] == 1
    assert [lock(1, LOCK_READ), lock(2, TRY_READ)] == [0, 1]
    assert lock.words[RWSEM] == first
    for cpu in (0, 1, 2):
        assert lock(3, TRY_WRITE) == 0 and lock.words[BIAS] == 1
        lock(cpu, UNLOCK_READ)
    assert lock(3, TRY_WRITE) == 1 and lock.words[BIAS] == 0


@pytest.mark.parametrize("left_first", [0, 1])
def test_a_second_lock_of_the_class_is_read_by_its_rwsem(base, lines, left_first):
    pair = Lock(base, lines), Lock(base, lines)
    assert [one(0, LOCK_READ) for one in pair] == [0, 0]
    assert pair[0].words[RWSEM] == 0 and pair[1].words[RWSEM] != 0
    for number in (left_first, 1 - left_first):
        assert pair[number](1, TRY_WRITE) == 0
        pair[number](0, UNLOCK_READ)
        assert pair[number](1, TRY_WRITE) == 1


def test_a_lock_that_is_read_twice_is_left_twice(base, lines):
    lock = Lock(base, lines)
    assert [lock(0, LOCK_READ), lock(0, TRY_READ)] == [0, 1]
    for _ in range(2):
        assert lock(1, TRY_WRITE) == 0
        lock(0, UNLOCK_READ)
    assert lock(1, TRY_WRITE) == 1


def test_a_slot_names_the_lock_wherever_the_segment_is_mapped(base, lines, segment):
    lock, second = Lock(base, lines), memory.Segment(segment.fd, segment.size)
    elsewhere = second.map()
    assert elsewhere != base
    assert lock(1, LOCK_READ, elsewhere) == 0 and lock.words[RWSEM] == 0
    assert lock(0, TRY_WRITE) == 0
    lock(1, UNLOCK_READ, elsewhere)
    assert lock(0, TRY_WRITE) == 1
    second.unmap()


def test_a_revocation_keeps_the_bias_away_for_a_while(base, lines):
    lock = Lock(base, lines)
    lock(0, LOCK_WRITE)
    lock(0, UNLOCK_WRITE)
    assert lock.words[BIAS] == 0 and lock.words[UNTIL] > 0
    for until, bias in ((NEVER, 0), (0, 1)):
        lock.words[UNTIL] = until
        lock(1, LOCK_READ)
        lock(1, UNLOCK_READ)
        assert lock.words[BIAS] == bias


def test_a_writer_sleeps_until_a_slot_is_left(base, lines):
    lock = Lock(base, lines)
    sync_crew.header(base, "wait")[0] = PARK
    lock(0, LOCK_READ)
    crew = sync_crew.Crew([lambda: lock(1, LOCK_WRITE)])
    assert sync_crew.asleep(crew.pids[0]) and lock.words[BIAS] == 0
    assert lock(2, TRY_READ) == 0
    lock(0, UNLOCK_READ)
    assert crew.results()[0] > 0
    assert sync_crew.header(base, "parked").sum() == 0
