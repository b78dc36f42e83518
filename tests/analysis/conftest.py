"""Tests of the analysis share the made-up rows of the tests of the results."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "results"))
