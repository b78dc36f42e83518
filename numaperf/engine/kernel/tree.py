"""Fork trees of real processes that do what they are told, one step at a time.

A tree's processes wait for orders at a socket each. An order is the name of a method of the
process's `Body`, which every process inherits at fork like the rest of its memory, and its
arguments; the method's value comes back. When the teller dies the sockets end, and so does
every process; children that only wait (`fan`) are tied to their parent.
"""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numaperf.engine.kernel.apart import NotDone, reason, state_of
from numaperf.machine.process import die_with_parent

MESSAGE = 1 << 16
PATIENCE_S = 20.0  # for one order


class Body:
    """What a process of a tree can do. Made in the root; every descendant has a copy by fork."""

    def __init__(self) -> None:
        self.fans: list[int] = []

    def begin(self, number: int) -> None:
        """The first thing that child `number` of a fan does, before it waits for its end."""

    def fan(self, count: int) -> None:
        """Fork `count` children; each begins and then waits until it is killed."""
        parent = os.getpid()
        ready, tell = os.pipe()
        for number in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    die_with_parent(parent)
                    self.begin(number)
                    os.write(tell, b".")
                    while True:
                        signal.pause()
                finally:
                    os._exit(1)
            self.fans.append(pid)
        os.close(tell)
        for _ in range(count):
            if not os.read(ready, 1):
                raise NotDone("a child of a fan died")
        os.close(ready)

    def drop_fan(self) -> None:
        """End the children of all fans."""
        for pid in self.fans:
            os.kill(pid, signal.SIGKILL)
        for pid in self.fans:
            os.waitpid(pid, 0)
        self.fans = []

    def in_child(self, work: Callable[[], Any]) -> Any:
        """The value of `work()` done in a child of this process, which ends with it."""
        parent = os.getpid()
        answer, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(parent)
                os.write(tell, json.dumps(work()).encode())
            finally:
                os._exit(0)
        os.close(tell)
        text = os.read(answer, MESSAGE)
        os.close(answer)
        os.waitpid(pid, 0)
        if not text:
            raise NotDone("a child that measured died")
        return json.loads(text)


class Tree:
    """Processes by name, `root` first; at most `room` of them over the tree's life."""

    def __init__(self, make: Callable[[], Body], room: int = 1) -> None:
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                       for _ in range(room)]  # fmt: skip
        self._used = 0
        self._pids: dict[str, int] = {}
        self._slots = {"root": self._slot()}
        pid = os.fork()
        if pid == 0:
            self._live(make, 0)
        self._pids["root"] = pid
        self.hear("root")

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _slot(self) -> int:
        if self._used == len(self._pairs):
            raise ValueError(f"a tree of {self._used} processes was asked for, not more")
        self._used += 1
        return self._used - 1

    def _live(self, make: Callable[[], Body], slot: int) -> None:
        """The root's life; never returns."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for teller, _ in self._pairs:
                teller.close()
            self._serve(make(), slot)
        finally:
            os._exit(0)

    def _serve(self, body: Body, slot: int) -> None:
        """Say that this process is there, then obey until the end of the socket."""
        mine = self._pairs[slot][1]
        mine.send(json.dumps({"value": os.getpid()}).encode())
        while order := mine.recv(MESSAGE):
            verb, arguments = json.loads(order)
            if verb == "fork":
                slot_of_child = arguments[0]
                if os.fork() == 0:
                    return self._serve(body, slot_of_child)
                answer: dict[str, Any] = {"value": None}
            else:
                answer = _obey(body, verb, arguments)
            mine.send(json.dumps(answer).encode())

    def tell(self, name: str, verb: str, *arguments: Any) -> None:
        """Give an order and do not wait for it; `hear` must follow."""
        self._teller(name).send(json.dumps([verb, arguments]).encode())

    def hear(self, name: str, patience_s: float = PATIENCE_S) -> Any:
        """The value of the last order. Raises NotDone where it failed or the process died."""
        teller = self._teller(name)
        teller.settimeout(patience_s)
        try:
            text = teller.recv(MESSAGE)
        except TimeoutError:
            raise NotDone(f"process {name} did not answer in {patience_s:g} s") from None
        answer = json.loads(text or '{"error": "a process of the fork tree died"}')
        if "error" in answer:
            raise NotDone(answer["error"])
        return answer["value"]

    def do(self, name: str, verb: str, *arguments: Any) -> Any:
        """Give an order and wait for its value."""
        self.tell(name, verb, *arguments)
        return self.hear(name)

    def fork(self, parent: str, child: str) -> None:
        """`parent` forks `child`."""
        slot = self._slots[child] = self._slot()
        self.do(parent, "fork", slot)
        self._pids[child] = self.hear(child)

    def pid(self, name: str) -> int:
        """PID of a process of the tree."""
        return self._pids[name]

    def exit(self, name: str) -> None:
        """A process exits; when this returns its address space is gone (exit_mm)."""
        self.tell(name, "exit")
        pid = self._pids[name]
        until = time.monotonic() + PATIENCE_S
        while state_of(pid)[:1] not in ([], ["Z"], ["X"]):
            if time.monotonic() > until:
                raise NotDone(f"process {name} does not exit")
            time.sleep(0.0005)

    def close(self) -> None:
        """Kill all processes and wait until their address spaces are gone."""
        for pid in self._pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for teller, mine in self._pairs:
            teller.close()
            mine.close()
        for pid in self._pids.values():
            _await_end(pid)
        self._pids = {}

    def _teller(self, name: str) -> socket.socket:
        return self._pairs[self._slots[name]][0]


def _await_end(pid: int) -> None:
    """Reap a killed process: our child, or come to us, its subreaper, from its dead parent."""
    until = time.monotonic() + PATIENCE_S
    while state_of(pid) and time.monotonic() < until:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return
        time.sleep(0.0002)


def _obey(body: Body, verb: str, arguments: list[Any]) -> dict[str, Any]:
    if verb == "exit":
        os._exit(0)
    try:
        return {"value": getattr(body, verb)(*arguments)}
    except Exception as error:
        return {"error": reason(error)}


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """This process, and what it forks meanwhile, on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
