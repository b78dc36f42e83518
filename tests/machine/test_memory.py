"""Real segments on this machine: mapped, bound, touched, read back, gone."""

import errno
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numaperf.errors import EnvironmentRefused
from numaperf.machine import memory
from numaperf.machine.memory import HUGE_PAGE, NOT_TOUCHED, UNKNOWN, UNMAPPED, Policy, Segment
from numaperf.machine.topology import read

PAGE = 4096
NODE = read().memory_nodes()[0]
ABSENT = max(node.id for node in read().nodes) + 1


def in_child(work: Callable[[], Any]) -> Any:
    """The answer of `work` run in a forked child, or its exception's text."""
    out, into = os.pipe()
    if not (pid := os.fork()):
        try:
            answer = work()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(into, pickle.dumps(answer))
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        answer = pickle.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer


@pytest.fixture
def segment():
    with Segment.create(8 << 20) as made:
        yield made


@pytest.fixture
def needs_mbind(segment):
    warning = memory.bind(segment.map(), PAGE, (NODE,))
    if warning and "mbind is not allowed" in warning:
        pytest.skip(warning)
    assert warning is None


def test_a_tebibyte_is_mapped_aligned_and_costs_nothing():
    before = memory.available_bytes()
    with Segment.create(1 << 40) as big:
        address = big.map()
        assert address % HUGE_PAGE == 0 and big.size == 1 << 40
        last = memory.view(address + big.size - 8, "int64", 1)
        last[0] = 42
        assert memory.view(address, "int64", 1)[0] == 0 and last[0] == 42
        assert before - memory.available_bytes() < 1 << 30


def test_an_address_that_comes_unaligned_is_aligned(monkeypatch):
    real = Segment._mmap

    def shifted(self, address, length, *rest):
        if address:
            return real(self, address, length, *rest)
        start = real(self, 0, length + PAGE, *rest)
        skip = PAGE if start % HUGE_PAGE == 0 else 0
        memory._libc.munmap(start + (0 if skip else length), PAGE)
        return start + skip

    monkeypatch.setattr(Segment, "_mmap", shifted)
    lines = Path("/proc/self/maps").read_text().count("\n")
    with Segment.create(16 << 20) as made:
        assert made.map() % HUGE_PAGE == 0
        memory.view(made.address, "u1", made.size)[:] = 1
        assert Path("/proc/self/maps").read_text().count("\n") <= lines + 1


def test_size_is_rounded_up_to_whole_huge_pages():
    with Segment.create(1) as small:
        assert small.size == HUGE_PAGE == os.fstat(small.fd).st_size
    with pytest.raises(ValueError, match="at least 1"):
        Segment.create(0)


def test_map_is_one_mapping_and_close_leaves_nothing():
    made = Segment.create(PAGE)
    assert made.map() == made.map()
    assert Path("/proc/self/maps").read_text().count("memfd:numaperf") == 1
    descriptor = made.fd
    made.close()
    made.close()
    assert "memfd:numaperf" not in Path("/proc/self/maps").read_text()
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_no_mapping_is_left_around_the_aligned_one():
    lines = Path("/proc/self/maps").read_text().count("\n")
    with Segment.create(64 << 20) as made:
        made.map()
        assert Path("/proc/self/maps").read_text().count("\n") <= lines + 1


def test_a_forked_worker_maps_anew_at_the_same_address(segment):
    address = segment.map()
    words = memory.view(address, "int64", 512)
    words[0] = 7

    def worker():
        told = segment.map() == address, memory.page_nodes([address])
        seen = int(words[0])
        words[1] = 8
        return *told, seen, memory.page_nodes([address])

    same, before, seen, after = in_child(worker)
    assert same and before == [NOT_TOUCHED] and seen == 7 and after[0] >= 0
    assert words[1] == 8


def test_a_child_that_lets_go_takes_nothing_from_its_parent(segment):
    address = segment.map()
    assert in_child(lambda: segment.close()) is None
    memory.view(address, "int64", 1)[0] = 3
    assert memory.view(segment.map(), "int64", 1)[0] == 3


def test_too_little_address_space_is_refused():
    def worker():
        with Segment.create(1 << 40) as big:
            resource.setrlimit(resource.RLIMIT_AS, (1 << 36, 1 << 36))
            return big.map()

    answer = in_child(worker)
    assert answer.startswith("EnvironmentRefused: cannot map a shared segment of 1,099,511,627,776")


def test_view_is_the_memory_itself(segment):
    import numpy

    row = numpy.dtype([("next", "i8"), ("owner", "i4")], align=True)
    rows = memory.view(segment.map() + PAGE, row, 10)
    rows[3]["owner"] = 5
    again = memory.view(numpy.int64(segment.address + PAGE), "int32", 40)
    assert rows.shape == (10,) and again[3 * 4 + 2] == 5
    assert memory.view(segment.address, "int64", 0).shape == (0,)


def test_pages_are_told_by_the_process_that_touched_them(segment, needs_mbind):
    address = segment.map()
    memory.view(address + PAGE, "u1", PAGE)[:] = 1
    asked = [address, address + PAGE, PAGE]
    assert memory.page_nodes(asked) == [NOT_TOUCHED, NODE, UNMAPPED]
    assert memory.page_nodes(asked) == [NOT_TOUCHED, NODE, UNMAPPED]  # asking touches nothing
    assert in_child(lambda: memory.page_nodes(asked[:2])) == [NOT_TOUCHED, NOT_TOUCHED]
    assert memory.page_nodes([]) == []


def test_bound_memory_reads_back_and_holds_in_other_processes(segment, needs_mbind):
    address = segment.map()
    assert memory.bind(address, HUGE_PAGE, (NODE, NODE)) is None
    assert memory.policy(address) == Policy("bind", (NODE,))
    assert memory.policy(address + HUGE_PAGE) == Policy("default", ())
    told = in_child(lambda: (segment.map(), tuple(memory.policy(address))))
    assert told == (address, ("bind", (NODE,)))


def test_several_nodes_interleave(segment, needs_mbind):
    nodes = read().memory_nodes()
    if len(nodes) < 2:
        pytest.skip("one node with memory")
    assert memory.bind(segment.map(), segment.size, nodes) is None
    assert memory.policy(segment.address) == Policy("interleave", nodes)


@pytest.mark.parametrize(
    "nodes, mode, words", [((0, 1), 3, (0b11, 0)), ((3,), 2, (8, 0)), ((0, 65), 3, (1, 2))]
)
def test_the_kernel_is_asked_for_these_nodes(segment, monkeypatch, nodes, mode, words):
    asked = []

    def kernel(name, *arguments):
        if name == "mbind":
            asked.append(arguments)
            return 0, 0
        return -1, errno.EPERM

    monkeypatch.setattr(memory, "_call", kernel)
    assert "cannot be read back" in memory.bind(segment.map(), PAGE, nodes)
    address, length, flag, mask, most, _ = asked[0]
    assert (address, length, flag, tuple(mask[:2])) == (segment.address, PAGE, mode, words)
    assert most > 1024 and not any(mask[2:])


def test_a_node_that_cannot_be_had_is_refused(segment, needs_mbind):
    with pytest.raises(EnvironmentRefused, match=f"nodes {ABSENT}: Invalid argument"):
        memory.bind(segment.map(), PAGE, (ABSENT,))
    with pytest.raises(EnvironmentRefused, match=f"the kernel kept nodes {NODE}"):
        memory.bind(segment.map(), PAGE, (NODE, ABSENT))  # mbind says yes to this


@pytest.mark.parametrize(
    "nodes, offset, length", [((), 0, 1), ((-1,), 0, 1), ((0,), 8, 1), ((0,), 0, 0)]
)
def test_a_wrong_range_is_a_mistake_of_the_caller(segment, nodes, offset, length):
    with pytest.raises(ValueError, match="cannot bind"):
        memory.bind(segment.map() + offset, length, nodes)


def test_nothing_mapped_is_a_mistake_of_the_caller(segment, needs_mbind):
    address = segment.map()
    segment.unmap()
    with pytest.raises(ValueError, match="nothing is mapped"):
        memory.policy(address)
    with pytest.raises(ValueError, match="Bad address"):
        memory.bind(address, PAGE, (NODE,))


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_where_the_calls_are_forbidden_first_touch_remains(segment, monkeypatch, number):
    monkeypatch.setattr(memory, "_call", lambda name, *rest: (-1, number))
    assert "first touch" in memory.bind(segment.map(), PAGE, (NODE,))
    assert memory.policy(segment.address) == Policy("unknown", ())
    assert memory.page_nodes([segment.address] * 2) == [UNKNOWN] * 2


def test_another_architecture_has_no_numbers(segment, monkeypatch):
    monkeypatch.setattr(memory, "CALLS", {})
    assert "first touch" in memory.bind(segment.map(), PAGE, (NODE,))


def test_collapse_is_believed_only_when_the_kernel_confirms(segment, monkeypatch):
    address = segment.map()
    assert not memory.collapse(address, segment.size)  # nothing touched
    assert not memory.collapse(address + PAGE, HUGE_PAGE)  # no whole huge page within
    memory.view(address, "u1", segment.size)[:] = 1
    assert memory.huge_bytes(address, segment.size) == 0
    if not memory.collapse(address, segment.size):
        pytest.skip("this kernel makes no huge pages now")
    assert memory.huge_bytes(address, segment.size) == segment.size
    assert memory.huge_bytes(address + segment.size, PAGE) == 0
    monkeypatch.setattr(memory, "huge_bytes", lambda *range: 0)
    assert not memory.collapse(address, segment.size)


def test_punch_frees_pages_for_all(segment):
    words = memory.view(segment.map(), "int64", 1024)
    words[:] = 9
    assert os.fstat(segment.fd).st_blocks * 512 >= 2 * PAGE
    memory.punch(segment.address, 2 * PAGE)
    assert os.fstat(segment.fd).st_blocks == 0 and not words.any()
    with pytest.raises(ValueError, match="cannot free"):
        memory.punch(PAGE, PAGE)


def test_available_memory_heeds_the_tightest_group(machine):
    free = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB"}
    assert memory.available_bytes(machine("one_node", **free)) == 8000 << 10
    group = {
        "proc/self/cgroup": "0::/a/b",
        "sys/fs/cgroup/a/memory.max": 5000 << 10,
        "sys/fs/cgroup/a/memory.current": 3000 << 10,
        "sys/fs/cgroup/a/memory.stat": f"anon 1\ninactive_file {500 << 10}",
        "sys/fs/cgroup/a/b/memory.max": "max",
        "sys/fs/cgroup/a/b/memory.current": 1,
    }
    assert memory.available_bytes(machine("two_sockets", **free, **group)) == 2500 << 10
    old = {
        "proc/self/cgroup": "4:memory:/box",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": 1000 << 10,
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": 2000 << 10,
    }
    assert memory.available_bytes(machine("cxl", **free, **old)) == 0
    with pytest.raises(EnvironmentRefused, match="MemAvailable"):
        memory.available_bytes(machine("chiplets"))


def test_the_room_loads_nothing_heavy():
    modules = "memory, process, topology, doctor, runlock, placements"
    code = (
        f"import sys; from numaperf.machine import {modules}; placements.place('pack', "
        "topology.read(), 1); print({'numpy', 'numba', 'pyarrow', 'psutil'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
