"""Flags and TOML files: what overrides what, and how mistakes are told."""

import pytest

from numaperf.config import Settings, read
from numaperf.errors import UsageError


def from_file(tmp_path, text, flags=None, options=()) -> Settings:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return read(path, flags or {}, options, 2)


def test_a_file_names_every_axis_it_likes(tmp_path):
    settings = from_file(
        tmp_path,
        """
        threads = "1..4"
        design = ["anon_vma", "cow_context"]
        lock-model = ["default", "coarse"]
        workload = "walk"
        duration = "100ms"
        huge_pages = [false, true]
        vmas = 3
        pages = [16, 32]
        invocations = 6
        seed = 42
        out = "results/x"
        allow_oversubscribed_fifo = true
        [options]
        purpose = ["unmap", "restore"]
        batch = 8
        """,
    )
    assert settings.axes == {
        "workers": (1, 2, 4),
        "design": ("anon_vma", "cow_context"),
        "lock_model": ("default", "coarse"),
        "workload": ("walk",),
        "duration": (0.1,),
        "huge_pages": (False, True),
        "vmas": (3,),
        "pages": (16, 32),
    }
    assert settings.options == {"purpose": ("unmap", "restore"), "batch": ("8",)}
    assert (settings.invocations, settings.seed, settings.out) == (6, 42, "results/x")
    assert settings.allow_oversubscribed_fifo is True
    assert settings.echo() == ["workers: 1, 2, 4"]


def test_flags_override_the_file_axis_by_axis(tmp_path):
    text = """
    workers = 2
    vmas = 3
    workload = "walk"
    seed = 5
    [options]
    purpose = "unmap"
    batch = 8
    """
    flags = {"workers": "1,max", "seed": "7", "vmas": None}
    settings = from_file(tmp_path, text, flags, ["purpose=restore"])
    assert settings.axes["workers"] == (1, 2)
    assert settings.axes["vmas"] == (3,)
    assert settings.seed == 7
    assert settings.options == {"purpose": ("restore",), "batch": ("8",)}


def test_the_effective_config_reads_back_as_the_same_settings(tmp_path):
    import json

    first = from_file(tmp_path, "workers = '1..4'\nworkload = 'walk'\n", {"seed": "9"}, ["batch=4"])
    stored = json.loads(json.dumps(first.to_dict()))
    options = stored.pop("options")
    lines = [f"{key} = {json.dumps(value)}" for key, value in stored.items()]
    lines += ["[options]", *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
    assert from_file(tmp_path, "\n".join(lines)) == first


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path):
    text = """workers = "64..1"
desing = "anon_vma"
design = ["anon_vmo", "cow_context", "nothing"]
vmas = {a = 1}
invocations = 0

[options]
porpoise = 1
"""
    with pytest.raises(UsageError) as caught:
        from_file(tmp_path, text, {"placement": "heap", "lock": "tiket"}, ["bare"])
    said = str(caught.value)
    for words in (
        "sweep.toml line 1: '64..1' runs backwards",
        "sweep.toml line 2: unknown key 'desing', did you mean design?",
        "sweep.toml line 3: unknown design 'anon_vmo', did you mean anon_vma?",
        "unknown design 'nothing'",
        "(known: anon_vma, cow_context)",
        "sweep.toml line 4: ",
        "sweep.toml line 5: '0' is not a whole number from 1 to 1000",
        "sweep.toml line 8: unknown option 'porpoise' of cow_fault",
        "--placement: unknown placement 'heap'",
        "--lock: unknown lock 'tiket', did you mean ticket?",
        "--option: 'bare' is not NAME=VALUE",
    ):
        assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = ", "not TOML"),
        ("workers = 1\nworkers = 2", "not TOML"),
        ("workers = 1\nthreads = 2", "line 2: 'threads' sets workers a second time"),
        ("workers = []", "line 1"),
        ("workers = [[1]]", "line 1"),
        ("workers = true", "'on' is not a number"),
        ("workers = 1.5", "'1.5' is not a number"),
        ("options = 3", "options is a table"),
        ("engine = 'fake'", "unknown engine 'fake'"),
        ("mode = 'fiber'", "unknown mode 'fiber'"),
        ("lock_model = 'tiny'", "unknown lock model 'tiny'"),
        ("duration = 0.2", "write a number and its unit"),
        ("[workers]\nx = 1", "line 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path, text, words):
    with pytest.raises(UsageError) as caught:
        from_file(tmp_path, text)
    assert words in str(caught.value)
    assert "sweep.toml" in str(caught.value)


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "none.toml", {}, [], 2)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        read(tmp_path / "binary.toml", {}, [], 2)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("purpose=guess", "takes referenced or unmap or restore"),
        ("batch=many", "takes a whole number"),
        ("colour=red", r"unknown option 'colour' of walk \(known: purpose, batch\)"),
        ("purpose=", "missing"),
    ],
)
def test_a_workload_option_is_checked(option, words):
    with pytest.raises(UsageError, match=words):
        read(None, {"workload": "walk"}, [option], 2)


def test_an_option_that_one_of_several_workloads_knows_is_taken():
    settings = read(None, {"workload": "cow_fault,walk"}, ["purpose=unmap,restore"], 2)
    assert settings.options == {"purpose": ("unmap", "restore")}
