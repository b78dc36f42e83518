"""Kernels as generators: the real source, with every access to memory handed to the explorer.

A kernel's function is parsed from its file and rewritten: a primitive, a plain access to a row
(`avc.next`, `me.count += 1`) and a plain load or store each become a `yield` of a request such as
("load", address), which is answered with the value; a call of another kernel becomes `yield from`.
Nothing else changes, so a model made of these generators cannot drift from the code it proves.
Line numbers stay those of the file.

What a generator has received in the statement it stands in is kept in its local `_t`: with it, its
frames' locals and positions say all that it can do next (model_explorer.py identifies them so).

Seeded bugs are `Edit`s of the source text, which must fit exactly once, as a kernel that has
changed under its test must be a loud failure.
"""

import ast
import copy
import importlib
import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from numaperf.sync import atoms, primitives

#: Primitives and plain accesses without an effect on memory: not even a step.
SILENT = ("touch", "compute", "prefetch", "pause", "sched_yield", "relax")
#: Functions of sync/atoms.py by the primitive that they are.
ATOMS = {
    "load_acquire": "load",
    "load_relaxed": "load",
    "store_release": "store",
    "fetch_add": "add",
    "full_fence": "fence",
}
#: Plain accesses of the object caches: they may go to rows that are free.
FREE_ROWS = {("numaperf.mm.slab", "peek"): "peek_free", ("numaperf.mm.slab", "poke"): "poke_free"}
#: Loops over a page table's 512 entries: models use virtual pages 0 and 1, all others are empty.
ENTRIES, ENTRIES_USED = 512, 2


class Edit(NamedTuple):
    """A seeded bug: `old`, found exactly once in the module's file, becomes `new`."""

    module: str
    old: str
    new: str


class Kernel(NamedTuple):
    """A kernel by its module and name."""

    module: str
    name: str


class Request(NamedTuple):
    """What a call becomes: a yielded request of this name."""

    op: str


def put(value: int, address: int) -> tuple[str, int, int]:
    """A plain store's request; the arguments in the order in which Python evaluates them."""
    return "poke", address, value


class Source:
    """The rewritten kernels of one model.

    verbs: generic functions (lock verbs, hooks) by the kernel that answers them here.
    stubs: kernels or primitives, by name, that the model replaces: by a generator function or,
    where it is a text, by the request of that name.
    constants: module constants, by name, that the model makes smaller.
    """

    def __init__(
        self,
        verbs: dict[Callable, Any] | None = None,
        stubs: dict[str, Callable | str] | None = None,
        constants: dict[str, int] | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        self.verbs = {} if verbs is None else verbs
        self.stubs = {} if stubs is None else stubs
        self.constants = {} if constants is None else constants
        self.edits = edits
        self._made: dict[Any, Callable] = {}
        self._plain = {id(value): name for name, value in vars(atoms).items()}
        self._plain |= {id(value): name for name, value in primitives.PRIMITIVES.items()}

    def kernel(self, function: Any) -> Callable:
        """The generator function of a kernel, a verb or a hook."""
        found = self.meaning(function)
        if not isinstance(found, Kernel):
            raise TypeError(f"{function!r} is no kernel but {found!r}")
        return self.made(found)

    def meaning(self, value: Any) -> Any:
        """What a name's value is to the model: Kernel, Request, generator function or the value."""
        if isinstance(value, Request):
            return value
        if hasattr(value, "py_func"):
            value = value.py_func
            found = Kernel(value.__module__, value.__name__)
            return self._stub(found.name) or found
        if type(value).__name__ in ("_Intrinsic", "ExternalFunction"):
            return self._intrinsic(value)
        if inspect.isfunction(value) and value in self.verbs:
            answer = self.verbs[value]
            return answer if isinstance(answer, Kernel) else self.meaning(answer)
        return int(value) if isinstance(value, np.integer) else value

    def _stub(self, name: str) -> Any:
        stub = self.stubs.get(name)
        return Request(stub) if isinstance(stub, str) else stub

    def _intrinsic(self, value: Any) -> Any:
        name = self._plain.get(id(value), "")
        if name:
            return self._stub(name) or Request(ATOMS.get(name, name))
        inside = inspect.getclosurevars(value._defn).nonlocals
        if "kernel" in inside:  # sync/cold.py
            return self.meaning(inside["kernel"])
        if "row_type" in inside:  # sync/rows.py
            return row_reader(
                tuple(inside["row_type"].fields.items()), inside["offset"], inside["size"]
            )
        raise TypeError(f"{value!r} is unknown to the model")

    def definitions(self, module: str) -> dict[str, Any]:
        """The function definitions of a module after the edits, and its register call."""
        return definitions(module, tuple(edit for edit in self.edits if edit.module == module))

    def made(self, kernel: Kernel) -> Callable:
        """The generator function of a kernel, rewritten once."""
        if kernel not in self._made:
            code, used = self._rewritten(kernel)
            names: dict[str, Any] = {"put": put}
            exec(code, names)
            self._made[kernel] = names[kernel.name]
            for name, value in used.items():
                found = self.meaning(value)
                if isinstance(found, Kernel):
                    names[name] = self.made(found)
                else:
                    names[name] = self.constants.get(name, found)
        return self._made[kernel]

    def _rewritten(self, kernel: Kernel) -> tuple[CodeType, dict[str, Any]]:
        """The code of a kernel, and the values of the global names that it uses."""
        tree = self.definitions(kernel.module)[kernel.name]
        kind = self._kind()
        if (id(tree), kind) not in _REWRITTEN:
            module = importlib.import_module(kernel.module)
            rewriter = Rewriter(self, module, _function(kernel.name, copy.deepcopy(tree)))
            code = ast.fix_missing_locations(ast.Module([rewriter.rewritten()], []))
            compiled = compile(code, module.__file__, "exec")
            _REWRITTEN[id(tree), kind] = compiled, rewriter.used
        return _REWRITTEN[id(tree), kind]

    def _kind(self) -> tuple:
        """All that decides what becomes of a call."""
        stubs = self.stubs.items()
        kinds = ((name, type(one), inspect.isgeneratorfunction(one)) for name, one in stubs)
        return *kinds, *self.constants.items()


_REWRITTEN: dict[Any, tuple[CodeType, dict[str, Any]]] = {}


@cache
def definitions(module: str, edits: tuple[Edit, ...]) -> dict[str, Any]:
    """What a module defines after some edits: function trees, and calls at the top, by name."""
    text = inspect.getsource(importlib.import_module(module))
    for edit in edits:
        count = text.count(edit.old)
        if count != 1:
            raise ValueError(f"{module}: {edit.old!r} is there {count} times, not once")
        text = text.replace(edit.old, edit.new)
    found: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found[ast.unparse(node.value.func)] = node.value
    return found


def _function(name: str, tree: ast.FunctionDef | ast.Lambda) -> ast.FunctionDef:
    """A bare function: no decorators, and a lambda's expression returned."""
    made = tree
    if isinstance(tree, ast.Lambda):
        made = ast.copy_location(ast.parse(f"def {name}(): pass").body[0], tree)
        made.args = tree.args
        made.body = [ast.copy_location(ast.Return(tree.body), tree.body)]
    made.decorator_list = []
    return made


@cache
def row_reader(fields: tuple[tuple[str, int], ...], offset: int, size: int) -> Callable:
    """`at(w, index)`: the row's address as an integer with `at_` attributes."""
    members = {f"at_{name}": property(lambda row, o=o: int(row) + o) for name, o in fields}
    row = type("Row", (int,), members | {"addr": property(int)})
    return lambda w, index: row(offset + index * size)


class Rewriter(ast.NodeTransformer):
    """Rewrites one function of `module`; `used` collects the values of its global names."""

    def __init__(self, source: Source, module: ModuleType, tree: ast.FunctionDef) -> None:
        self.source = source
        self.module = module
        self.tree = tree
        self.used: dict[str, Any] = {}
        stored = (n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_stored(n))
        self.local = {argument.arg for argument in tree.args.args} | set(stored)

    def rewritten(self) -> ast.FunctionDef:
        never = ast.parse("if False:\n    yield").body  # a generator even where nothing is read
        self.tree.body = never + self._statements(self.tree.body)
        return self.tree

    def _statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Each statement begins with nothing received."""
        forget = ast.parse("_t = ()").body[0]
        done: list[ast.stmt] = []
        for statement in body:
            fresh = ast.copy_location(ast.parse("_t = ()").body[0], statement)
            done += [ast.fix_missing_locations(fresh)]
            new = self.visit(statement)
            done += new if isinstance(new, list) else [new]
        return done or [forget]

    def visit_If(self, node: ast.If) -> ast.stmt:
        test = self.visit(node.test)
        orelse = self._statements(node.orelse) if node.orelse else []
        return ast.copy_location(ast.If(test, self._statements(node.body), orelse), node)

    def visit_While(self, node: ast.While) -> ast.stmt:
        """`while True`, left when the test fails, which begins each round with nothing received."""
        if node.orelse:
            raise TypeError(f"{self.module.__name__}: while with else is unknown to the model")
        leave = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
        test = ast.copy_location(ast.fix_missing_locations(ast.copy_location(leave, node)), node)
        return ast.copy_location(
            ast.While(ast.Constant(True), self._statements([test, *node.body]), []), node
        )

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        """What is gone through gets a name: an iterator's end is in no local."""
        name = f"_range_{node.lineno}"
        through = ast.Assign([ast.Name(name, ast.Store())], self.visit(node.iter))
        body = self._statements(node.body)
        loop = ast.For(node.target, ast.Name(name, ast.Load()), body, [])
        return [ast.copy_location(new, node) for new in (through, loop)]

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        if not isinstance(target, ast.Attribute):
            return ast.copy_location(ast.Assign(node.targets, self.visit(node.value)), node)
        value = self.visit(node.value)
        return self._put(value, self._address(target), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        if not isinstance(node.target, ast.Attribute):
            node.value = self.visit(node.value)
            return node
        address = ast.NamedExpr(ast.Name("_a", ast.Store()), self._address(node.target))
        old = self._received(ast.Yield(_tuple("peek", address)))
        value = ast.BinOp(old, node.op, self.visit(node.value))
        forget = ast.copy_location(ast.parse("_a = None").body[0], node)
        return [self._put(value, ast.Name("_a", ast.Load()), node), forget]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id == "w":
            return node
        if isinstance(node.value, ast.Name) and node.value.id not in self.local:
            found = self.source.meaning(self._callee(node))
            return ast.Constant(self.source.constants.get(node.attr, found))
        if node.attr == "addr" or node.attr.startswith("at_"):
            return ast.Attribute(self.visit(node.value), node.attr, ast.Load())
        return self._received(ast.Yield(_tuple("peek", self._address(node))))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """A look at the clock that decides something is another request than one for a figure."""
        for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "now":
                call.func = ast.Name("clock", ast.Load())
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.local and isinstance(node.ctx, ast.Load):
            self.used[node.id] = self._global(node.id)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        value = self._callee(node.func)
        found = self.source.meaning(value)
        if isinstance(found, Request):
            if found.op in SILENT:
                return ast.Constant(None)
            arguments = [self.visit(argument) for argument in node.args if not _is_world(argument)]
            op = FREE_ROWS.get((self.module.__name__, found.op), found.op)
            return self._received(ast.Yield(_tuple(op, *arguments)))
        arguments = [self.visit(argument) for argument in node.args]
        if name == "range" and [ast.unparse(a) for a in node.args] == [str(ENTRIES)]:
            arguments = [ast.Constant(ENTRIES_USED)]
        self.used[name] = value
        call = ast.Call(ast.Name(name, ast.Load()), arguments, [])
        if isinstance(found, Kernel) or inspect.isgeneratorfunction(found):
            return self._received(ast.YieldFrom(call))
        return call

    def _callee(self, function: ast.expr) -> Any:
        if isinstance(function, ast.Name) and function.id == "clock":
            return Request("clock")
        if isinstance(function, ast.Attribute):
            return getattr(self._global(function.value.id), function.attr)
        return self._global(function.id)

    def _global(self, name: str) -> Any:
        if name in vars(self.module):
            return vars(self.module)[name]
        return vars(importlib.import_module("builtins"))[name]

    def _address(self, node: ast.Attribute) -> ast.expr:
        return ast.Attribute(self.visit(node.value), f"at_{node.attr}", ast.Load())

    @staticmethod
    def _received(given: ast.expr) -> ast.expr:
        """`(_t := (*_t, given))[-1]`: the value, remembered until the statement ends."""
        so_far = ast.Starred(ast.Name("_t", ast.Load()), ast.Load())
        kept = ast.NamedExpr(ast.Name("_t", ast.Store()), ast.Tuple([so_far, given], ast.Load()))
        return ast.Subscript(kept, ast.Constant(-1), ast.Load())

    @staticmethod
    def _put(value: ast.expr, address: ast.expr, node: ast.stmt) -> ast.stmt:
        call = ast.Call(ast.Name("put", ast.Load()), [value, address], [])
        return ast.copy_location(ast.Expr(ast.Yield(call)), node)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_world(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "w"


def _tuple(op: str, *arguments: ast.expr) -> ast.Tuple:
    return ast.Tuple([ast.Constant(op), *arguments], ast.Load())
