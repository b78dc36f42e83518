"""Operations with their timing, for the workloads that share them."""

from numba import njit

from numaperf.mm.fork import fork
from numaperf.mm.teardown import exit_mm
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import EXIT, FORK


@njit(**J)
def timed_fork(w, parent):
    """Fork a child; its address space, 0: out of rows."""
    began = begin(w, FORK)
    child = fork(w, parent)
    if child != 0:
        end(w, FORK, began)
    return child


@njit(**J)
def timed_exit(w, mm):
    """The process of `mm` exits."""
    began = begin(w, EXIT)
    exit_mm(w, mm)
    end(w, EXIT, began)


@njit(**J)
def fork_and_exit(w, parent):
    """One child's life; False: out of rows."""
    child = timed_fork(w, parent)
    if child == 0:
        return False
    timed_exit(w, child)
    return True
