"""A row counts only if what its workload is named after happened: for every workload found."""

import numpy as np
import pytest
from stress_cells import operations

from numaperf.discover import variants
from numaperf.engine.events import events_of, roles_of, what_did_not_happen
from numaperf.results.schema import OPERATIONS
from numaperf.sync.layout import COUNTERS

WORKLOADS = tuple(variants("workloads"))
ALL_HAPPENED = {f"{name}_count": 3 for name in OPERATIONS} | dict.fromkeys(COUNTERS, 3)


def everybody(workload):
    """Roles of a run in which every role had a worker; None where there are none."""
    kinds = len(getattr(workload, "ROLES", {}))
    return roles_of(workload, np.arange(kinds))


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_row_without_one_of_its_events_fails(name):
    workload = variants("workloads")[name].load()
    roles = everybody(workload)
    assert what_did_not_happen(workload, roles, ALL_HAPPENED) == ""
    for event in events_of(workload, roles):
        for missing in (0, None):
            row = ALL_HAPPENED | {f"{event}_count": missing}
            assert what_did_not_happen(workload, roles, row) == f"no {event} happened in the window"
    for counter in getattr(workload, "COUNTED", ()):
        said = what_did_not_happen(workload, roles, ALL_HAPPENED | {counter: 0})
        assert said == f"{counter} is 0: what it counts did not happen in the window"


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_event_is_an_operation_and_the_first_is_what_the_workload_is_named_after(name):
    workload = variants("workloads")[name].load()
    events = events_of(workload, everybody(workload))
    assert events[0] == workload.OPERATION
    assert set(events) <= set(OPERATIONS)
    assert set(operations(name)) <= set(events)


def test_only_roles_that_some_worker_had_must_have_acted():
    mixed = variants("workloads")["mixed"].load()
    roles = roles_of(mixed, np.array([0, 2, 0]))
    assert roles == {"faulters": 2, "walkers": 0, "forkers": 1, "reclaimers": 0}
    assert events_of(mixed, roles) == ("cow", "fork")
    nothing_else = {f"{name}_count": None for name in OPERATIONS} | {"cow_count": 1}
    assert what_did_not_happen(mixed, roles, nothing_else) == "no fork happened in the window"
    assert roles_of(variants("workloads")["walk"].load(), np.zeros(2)) is None


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_says_its_source_its_events_and_what_it_shows(name):
    facts = variants("workloads")[name]
    assert facts.doc.startswith(f"{name}: ")
    assert facts.constants["SHOWS"] and "\n" not in facts.constants["SHOWS"]
    assert {"OPERATION", "OPTIONS", "DEFAULTS", "MIN_WORKERS"} <= set(facts.constants)
    for words in facts.constants["OPTIONS"].values():
        assert all(isinstance(word, str) for word in words) or (
            len(words) == 1 and isinstance(words[0], int)
        ), "an option has words, or one default number"
