"""Cells of the kernel engine as tests want them, and workloads that go wrong on purpose."""

import os
import pickle
from types import SimpleNamespace
from typing import NamedTuple

from numba import njit

from numaperf.config import Settings
from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.guard_pages import timed_protect
from numaperf.engine.kernel.workloads.raw import address_of
from numaperf.engine.kernel.workloads.steps import (
    MARK,
    look,
    nothing_to_enter,
    timed_exit,
    timed_fork,
)
from numaperf.machine import topology
from numaperf.matrix import build_plan
from numaperf.ranges import parse_trees
from numaperf.sync.atoms import poke
from numaperf.sync.build import J


def plan_of(workloads, **axes):
    """A plan of the kernel engine with a window of 0.1 s; `axes`: key -> values."""
    given = {
        "workload": tuple(workloads),
        "engine": ("kernel",),
        "duration": (0.1,),
        "warmup": (0.02,),
        "background": (4,),
        **{key: parse_trees(value) if key == "tree" else value for key, value in axes.items()},
    }
    return build_plan(Settings(axes=given, invocations=1), topology.read())


def in_a_child(work):
    """What `work` returns or raises in a forked child: an engine's process has one thread, and
    the tests that ran before may have left others in this one."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = work(), None
        except BaseException as error:
            answer = None, error
        with os.fdopen(write, "wb") as out:
            pickle.dump(answer, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        value, error = pickle.load(answers)
    os.waitpid(child, 0)
    if error is not None:
        raise error
    return value


class Leaky(NamedTuple):
    """Marker of a workload whose parent finds its child's mark."""


class Crashing(NamedTuple):
    """Marker of a workload whose child reads where nothing is."""


class Hanging(NamedTuple):
    """Marker of a workload whose turn does not end."""


class Refused(NamedTuple):
    """Marker of a workload that protects what is not mapped (ENOMEM)."""


@njit(**J)
def _hanging_turn(w, k):
    raw.sleep_for_good()
    return True


@njit(**J)
def _refused_turn(w, k):
    return timed_protect(w, 1, 1, raw.PROT_READ)


@njit(**J)
def _leaky_turn(w, k):
    pid = timed_fork(w)
    if pid == 0:
        raw.leave(0)
    poke(address_of(w, 0) + MARK, 7)  # as if the child's write had come through
    look(w, 0, 0)
    return pid > 0 and timed_exit(w, pid, False)


@njit(**J)
def _crashing_turn(w, k):
    pid = timed_fork(w)
    if pid == 0:
        poke(8, 1)
    return pid > 0 and timed_exit(w, pid, False)


register(Leaky, enter_kernel=nothing_to_enter, turn_kernel=_leaky_turn)
register(Hanging, enter_kernel=nothing_to_enter, turn_kernel=_hanging_turn)
register(Refused, enter_kernel=nothing_to_enter, turn_kernel=_refused_turn)
register(Crashing, enter_kernel=nothing_to_enter, turn_kernel=_crashing_turn)


def variant(marker, tree=False):
    """A file of engine/kernel/workloads with this marker, as discover finds it; `tree`: its
    workers hang below the tree's process at the mapper's position."""
    module = SimpleNamespace(MARKER=marker, TREE=tree, AT_POSITION=tree)
    return SimpleNamespace(load=lambda: module)
