"""Sizes, docstrings, annotations and words: the style of the house, held by a test."""

import ast
import hashlib
import re

import pytest
from house_files import KERNEL_ROOMS, PACKAGE, functions, name, python_files, room_of, text_files

FILE_LINES, FUNCTION_LINES, COLUMNS = 400, 70, 100
CODE = (".py", ".c", ".sh")
#: Notes of unfinished work, as a reader would search for them.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)))
#: Words that have no place here: the first 12 digits of the sha256 of each, in lower case.
FOREIGN = frozenset(
    (
        "c857d09db23e", "c70eca6b0f88", "60965168ce76", "7d3194f79e64", "3ea125d0bff3",
        "5d72436256ad", "57de4cf40144", "fc5a1047f591", "920510199770", "6f7ac1823da8",
        "ebde709e306b", "386ebc0efd04",
    )
)  # fmt: skip


def trees() -> list:
    return [(path, ast.parse(path.read_text())) for path in python_files()]


def too_long(lines: list[str]) -> list[int]:
    return [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS]


def foreign(text: str) -> set[str]:
    words = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", text)}
    return {word for word in words if hashlib.sha256(word.encode()).hexdigest()[:12] in FOREIGN}


def test_no_file_is_longer_than_400_lines():
    sizes = {name(path): len(path.read_text().splitlines()) for path in python_files()}
    assert {file: size for file, size in sizes.items() if size > FILE_LINES} == {}


def test_no_function_is_longer_than_70_lines():
    found = {
        f"{name(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {where: size for where, size in found.items() if size > FUNCTION_LINES} == {}


def test_no_line_is_wider_than_100_columns():
    code = [path for path in text_files() if path.suffix in CODE]
    wide = {name(path): too_long(path.read_text().splitlines()) for path in code}
    assert len(code) > 100
    assert {file: lines for file, lines in wide.items() if lines} == {}


def test_every_module_has_a_docstring():
    bare = [name(p) for p, tree in trees() if tree.body and ast.get_docstring(tree) is None]
    assert bare == []


def test_every_public_function_and_class_of_the_package_has_a_docstring():
    bare = []
    for path in python_files("numaperf"):
        tree = ast.parse(path.read_text())
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for node in (*functions(tree), *classes):
            if not node.name.startswith("_") and ast.get_docstring(node) is None:
                bare.append(f"{name(path)}:{node.lineno} {node.name}")
    assert bare == []


def is_kernel(node: ast.FunctionDef) -> bool:
    return any("njit" in ast.unparse(decorator) for decorator in node.decorator_list)


def unannotated(node: ast.FunctionDef) -> list[str]:
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    bare = [one.arg for one in arguments if one.annotation is None]
    bare = [argument for argument in bare if argument not in ("self", "cls")]
    return bare + (["return"] if node.returns is None and node.name != "__init__" else [])


def test_public_functions_outside_the_kernels_are_annotated():
    found = {
        f"{name(path)}:{node.lineno} {node.name}": unannotated(node)
        for path in python_files("numaperf")
        if room_of(path) not in KERNEL_ROOMS
        for node in functions(ast.parse(path.read_text()))
        if not node.name.startswith("_") and not is_kernel(node)
    }
    assert len(found) > 200
    assert {where: bare for where, bare in found.items() if bare} == {}


def readable() -> list[tuple[str, str]]:
    texts = []
    for path in text_files():
        try:
            texts.append((name(path), path.read_text()))
        except UnicodeDecodeError:
            continue
    return texts


def test_nothing_is_left_for_later():
    assert [file for file, text in readable() if UNFINISHED.search(text)] == []


def test_no_word_that_has_no_place_here():
    assert {file: found for file, text in readable() if (found := foreign(text))} == {}


@pytest.mark.parametrize("line", ["x" * 101, "x = 1  # " + "y" * 100])
def test_the_look_at_columns_bites(line):
    assert too_long(["short", line]) == [2]


def test_the_look_at_words_bites():
    assert UNFINISHED.search("# TO" + "DO: later")
    assert foreign(bytes.fromhex("63686174677074").decode()) != set()


def test_the_package_is_all_there():
    assert (PACKAGE / "errors.py").exists()
    assert {room_of(path) for path in python_files("numaperf")} >= {*KERNEL_ROOMS, "engine"}
