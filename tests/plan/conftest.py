"""Every test here plans against fake rooms and 64 GiB of available memory."""

import pytest
from plan_rooms import make_rooms

from numaperf import discover, feasible
from numaperf.machine import memory


@pytest.fixture(autouse=True)
def rooms(tmp_path, monkeypatch):
    """The fake package folder."""
    folder = tmp_path / "package"
    make_rooms(folder)
    monkeypatch.setattr(discover, "PACKAGE", folder)
    monkeypatch.setattr(feasible, "frames_bytes", lambda cell: cell.vmas * cell.pages * 4096)
    monkeypatch.setattr(memory, "available_bytes", lambda: 64 * 2**30)
    discover.variants.cache_clear()
    yield folder
    discover.variants.cache_clear()
