"""Seconds that Numba spends compiling, so that they can be told apart from measuring."""

import time


class Compiling:
    """Counts while it is entered; kernels that come from the cache count nothing."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> "Compiling":
        from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

        from numba.core import event

        self._listener = _listener(self)
        event.register("numba:compile", self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        from numba.core import event

        event.unregister("numba:compile", self._listener)


def _listener(total: Compiling):
    """One of numba.core.event, made here because importing numba is not free."""
    from numba.core.event import Listener

    class Outermost(Listener):
        """Compiling one kernel compiles what it calls: only the outermost counts."""

        def __init__(self) -> None:
            self.depth, self.began = 0, 0.0

        def on_start(self, event):
            if self.depth == 0:
                self.began = time.monotonic()
            self.depth += 1

        def on_end(self, event):
            self.depth -= 1
            if self.depth == 0:
                total.seconds += time.monotonic() - self.began

    return Outermost()
