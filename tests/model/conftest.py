"""Counts what the models of this folder explore, and says so at the end."""

import pytest

EXPLORED: list[int] = []


@pytest.fixture
def explored():
    """Note an outcome, and print it for those who look (-rP)."""

    def note(outcome):
        EXPLORED.append(outcome.states)
        print(outcome)
        return outcome

    return note


def pytest_terminal_summary(terminalreporter):
    """One line, and only when models ran."""
    if EXPLORED:
        count, most = len(EXPLORED), max(EXPLORED)
        terminalreporter.write_line(
            f"models: {count} explored, {sum(EXPLORED)} states in all, the largest {most}"
        )
