"""History files: what is a mistake, on which line; what a step means; and that memory is finite."""

from dataclasses import replace

import pytest
from inspect_stories import MODELS, ask, forks

from numaperf.engine import history
from numaperf.errors import UsageError

HEAD = "vma root A 4\ntouch root A 0\nfork root c\n"

MISTAKES = [
    ("frok root d", "'frok' is not a step: did you mean fork?"),
    ("Walk root A 0", "not a step"),
    ("xyzzy", "the steps are vma, touch, write"),
    ("vma root B", "2 words after vma: write `vma P V PAGES`"),
    ("fork root d e", "3 words after fork: write `fork P C`"),
    ("objects now", "1 words after objects: write `objects`"),
    ("exit", "0 words after exit"),
    ("touch nobody A 0", "there is no process 'nobody'"),
    ("touch Root A 0", "there is no process 'Root'"),
    ("fork root c", "the process name 'c' is taken"),
    ("fork c root", "the process name 'root' is taken"),
    ("vma root A 1", "process 'root' has a VMA 'A' already"),
    ("vma c A 1", "process 'c' has a VMA 'A' already"),
    ("touch c B 0", "process 'c' has no VMA 'B'"),
    ("unmap root B", "process 'root' has no VMA 'B'"),
    ("unmap root A\ntouch root A 0", "process 'root' has no VMA 'A'"),
    ("exit c\ntouch c A 0", "process 'c' has exited"),
    ("exit c\nfork root c", "the process name 'c' is taken"),
    ("exit c\nexit c", "process 'c' has exited"),
    ("exit root\nfork root d", "process 'root' has exited"),
    ("touch root A 4", "page 4 lies outside VMA 'A': 0 to 3"),
    ("write c A 999999999999", "lies outside VMA 'A'"),
    ("walk root A 4", "lies outside"),
    ("walk root A 1", "process 'root' has no page 1 in VMA 'A': touch it first"),
    ("touch root A 1\nwalk c A 1", "process 'c' has no page 1"),
    ("touch c A 1\nwalk root A 1", "process 'root' has no page 1"),
    ("touch root A -1", "'-1' is not a whole number"),
    ("touch root A 1.0", "'1.0' is not a whole number"),
    ("touch root A 0x1", "'0x1' is not a whole number"),
    ("touch root A 1_0", "'1_0' is not a whole number"),
    ("touch root A \u0661", "is not a whole number"),
    ("touch root A " + "9" * 5000, "is not a whole number"),
    ("vma root B 0", "0 pages: a VMA has 1 to 268435456"),
    ("vma root B 268435457", "268435457 pages"),
    ("vma root B x", "'x' is not a whole number"),
]


@pytest.mark.parametrize(("bad", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line(bad, says):
    line = 3 + bad.count("\n") + 1
    with pytest.raises(UsageError) as error:
        history.parse(HEAD + bad + "\nobjects\n", "story.txt")
    assert str(error.value).startswith(f"story.txt line {line}: ")
    assert says in str(error.value)


def test_an_address_space_has_an_end():
    lines = "\n".join(f"vma root V{i} {history.MAX_PAGES}" for i in range(256))
    with pytest.raises(UsageError, match="line 256: the VMAs do not fit"):
        history.parse(lines)


def test_comments_blank_lines_and_windows_line_ends_are_nothing():
    text = "# a story\r\n\r\n  vma root A 2   # of two\r\ntouch root A 1#at once\r\n\tobjects\r\n"
    steps = history.parse(text)
    assert [(step.line, step.text) for step in steps] == [
        (3, "vma root A 2"),
        (4, "touch root A 1"),
        (5, "objects"),
    ]
    assert history.parse("") == history.parse("# nothing\n") == ()


def test_vmas_are_never_neighbours():
    steps = history.parse("vma root A 5\nfork root c\nvma c B 1\nvma root B 7\nvma root C 1")
    spans = sorted((step.number, step.pages) for step in steps if step.verb == "vma")
    for (start, pages), (above, _) in zip(spans, spans[1:], strict=False):
        assert above > start + pages


def test_a_name_may_come_back_after_unmap():
    lines = ["vma root A 1", "touch root A 0", "unmap root A", "vma root A 3", "touch root A 2"]
    assert ask("anon_vma", [*lines, "walk root A 2"])[0]["visits"] == 1
    with pytest.raises(UsageError, match="line 6: process 'root' has no page 0"):
        history.parse("\n".join([*lines, "walk root A 0"]))


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_touch_of_a_mapped_page_and_the_questions_change_nothing(design, model):
    lines = ["vma root A 2", "write root A 0", "fork root c", "write c A 0", "fork c d"]
    quiet = [*lines, "walk root A 0", "walk d A 0", "objects"]
    asked = ["touch d A 0", "walk c A 0", "objects", "touch root A 0", "walk d A 0", "walk d A 0"]
    assert ask(design, [*lines, *asked, *quiet[5:]], model)[-3:] == ask(design, quiet, model)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_a_write_of_an_untouched_page_is_a_touch(design, model):
    story = ["vma root A 2", "{} root A 0", "fork root c", "{} c A 1", "walk root A 0",
             "walk c A 1", "objects"]  # fmt: skip
    touched, written = ([line.format(verb) for line in story] for verb in ("touch", "write"))
    assert ask(design, touched, model) == ask(design, written, model)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_only_its_last_mapper_frees_a_page(design, model):
    lines = ["vma root A 1", "touch root A 0", "fork root c", "walk c A 0", "unmap root A",
             "walk c A 0", "exit root", "walk c A 0"]  # fmt: skip
    assert [entry["mappers"] for entry in ask(design, lines, model)] == [2, 1, 1]


@pytest.mark.parametrize("design", ["anon_vma", "cow_context", "single_anon_vma"])
@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("frames", ["vma root A 999", *(f"touch root A {i}" for i in range(900))]),
        ("page_tables", ["vma root A 9", "touch root A 0", *forks("flat", 99)]),
        ("mms", forks("flat", 300)),
        ("vmas", [f"vma root V{i} 1" for i in range(600)]),
        ("vma_nodes", [f"vma root V{i} 1" for i in range(3000)]),
    ],
)
def test_what_does_not_fit_is_said_with_its_line(design, kind, lines):
    limits = replace(history.LIMITS, **{kind: 200})
    steps = history.parse("\n".join(lines))
    with pytest.raises(UsageError, match=r"story line \d+: too much for `\w+ root .*`, no \w+ row"):
        history.run(steps, design, "as-proposed", "story", limits)


def test_limits_shrink_with_the_memory_that_is_free():
    assert history.fitting(1 << 40) == history.LIMITS
    small = history.fitting(history.LIMITS.bytes // 10)
    assert small.bytes < history.LIMITS.bytes / 9 and small.frames == 6553
    assert small.nodes == small.workers == 1


def test_trees_fork_level_by_level():
    assert history.family("binary", 2) == [
        ("root", "c1"), ("root", "c2"), ("c1", "c3"), ("c1", "c4"), ("c2", "c5"), ("c2", "c6"),
    ]  # fmt: skip
    assert history.family("chain", 2) == [("root", "c1"), ("c1", "c2")]
    assert history.family("flat", 2) == [("root", "c1"), ("root", "c2")]
    assert history.family("flat", 0) == history.family("binary", 0) == []
