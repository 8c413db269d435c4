"""What a model.py says about itself, read from its syntax tree: functions, options and request keys it reads, calls."""

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from inf2lab.folder import OPTION, Place

PROPERTY_SOURCES = {"get_properties", "properties"}
BODY_SOURCES = {"get_as_json"}
_READERS = {"get", "pop"}
_ON_THE_HOST = {"djl_python", "numpy", "tokenizers", "torch", "transformers", *sys.stdlib_module_names}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Read:
    """One key that the code takes out of a mapping; `required` if its absence raises KeyError."""

    key: str
    line: int
    required: bool
    default: object = None  # the literal second argument of .get, None where there is none
    has_default: bool = False
    node: ast.expr = field(default_factory=lambda: ast.Constant(None), repr=False, compare=False)


@dataclass(frozen=True)
class Taken:
    """One name that the code takes out of a module, or the module itself; `guarded` stands inside a try."""

    module: str
    name: str | None
    line: int
    guarded: bool


@dataclass(frozen=True)
class Handler:
    """A parsed model.py. With a syntax error `tree` is empty and `error` is (line, message)."""

    file: str
    tree: ast.Module
    error: tuple[int, str] | None = None

    def at(self, line: int) -> Place:
        """A line of it."""
        return Place(self.file, line)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """The whole tree, walked once for all who look for something in it."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[int, ast.AST]:
        """What each node stands in, by the node's id."""
        return {id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions and methods by name; a function of the module wins over a method."""
        found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        for node in [*self.nodes, *self.tree.body]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] = node
        return found

    @cached_property
    def module_names(self) -> set[str]:
        """Names that the module binds at its top level: functions, classes, imports and assigned values."""
        names: set[str] = set()
        for node in self.tree.body:
            whole = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for inner in [node] if whole else ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    names.add(inner.name)
                elif isinstance(inner, ast.Import | ast.ImportFrom):
                    names.update((alias.asname or alias.name).split(".")[0] for alias in inner.names)
                elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    names.add(inner.id)
        return names

    @cached_property
    def taken(self) -> tuple[Taken, ...]:
        """What the code imports, and what it reads from modules that it imported."""
        guarded = {id(inner) for node in self.nodes if isinstance(node, ast.Try) for inner in ast.walk(node)}
        found, modules = [], dict[str, str]()
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found.append(Taken(node.module, alias.name, node.lineno, id(node) in guarded))
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Import):
                found += [Taken(alias.name, None, node.lineno, id(node) in guarded) for alias in node.names]
                modules |= {alias.asname: alias.name for alias in node.names if alias.asname}
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                found.append(Taken(modules[node.value.id], node.attr, node.lineno, id(node) in guarded))
        return tuple(sorted(found, key=lambda one: one.line))

    @cached_property
    def classes(self) -> dict[str, str]:
        """Variables, and the class of which `from_pretrained` or a call made what they hold."""
        made = {}
        for name, value in self.assignments:
            if isinstance(value, ast.Call):
                made[name] = owner(value) if name_called(value) == "from_pretrained" else name_called(value)
        return made

    @cached_property
    def assignments(self) -> tuple[tuple[str, ast.expr], ...]:
        """Every variable and what is assigned to it."""
        found = (node for node in self.nodes if isinstance(node, ast.Assign))
        return tuple((to.id, node.value) for node in found for to in node.targets if isinstance(to, ast.Name))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call, in the order of the file."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return tuple(sorted(found, key=lambda call: (call.lineno, call.col_offset)))

    def calls_of(self, name: str) -> Iterator[ast.Call]:
        """The calls of a function or method called `name`, whatever it belongs to."""
        return (call for call in self.calls if name_called(call) == name)

    @cached_property
    def options(self) -> tuple[tuple[Read, ...], bool]:
        """The options that the code reads, and whether it may read others in a way that cannot be followed."""
        found, others = _Trace(self, PROPERTY_SOURCES, {"properties"}).reads()
        single = [(call, argument(call, "key", 0)) for call in self.calls_of("get_property")]
        named = [(call, key.value) for call, key in single if isinstance(key, ast.Constant)]
        return (*found, *(Read(str(key), call.lineno, False, node=call) for call, key in named)), others

    @cached_property
    def body_keys(self) -> tuple[tuple[Read, ...], bool]:
        """The keys of a request's JSON that the code reads, and whether it may read others."""
        return _Trace(self, BODY_SOURCES, set()).reads()

    @cached_property
    def models(self) -> tuple[tuple[str, int], ...]:
        """Names on the model hub that the code itself hands to from_pretrained, each with its line.

        A tokenizer's name is none where the model's comes from the options.
        """
        literals = dict(self.assignments)
        found: dict[str, int] = {}
        for call in self.calls_of("from_pretrained"):
            if "Tokenizer" in owner(call) and self.reads("model_id"):
                continue
            value = argument(call, "pretrained_model_name_or_path", 0)
            value = literals.get(value.id, value) if isinstance(value, ast.Name) else value
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and _HUB_NAME.fullmatch(value.value):
                found.setdefault(value.value, value.lineno)
        return tuple(found.items())

    @cached_property
    def may_use_cores(self) -> bool:
        """Whether the code may compute on NeuronCores: it imports something that is not known to stay on the host."""
        return any(taken.module.split(".")[0] not in _ON_THE_HOST for taken in self.taken)

    def reads(self, key: str) -> bool:
        """Whether the code reads the option `key`, or might."""
        found, others = self.options
        return others or any(read.key == key for read in found)

    def makes_number(self, key: str) -> bool:
        """Whether the code turns the option `key` into a whole number where it reads it."""
        return any(call.args and self.holds(call.args[0], key) for call in self.calls_of("int"))

    def names_of(self, key: str) -> set[str]:
        """Variables that hold the option `key` as it stands in the file."""
        nodes = {id(read.node) for read in self.options[0] if read.key == key}
        return {name for name, value in self.assignments if id(value) in nodes}

    def holds(self, node: ast.expr, key: str) -> bool:
        """Whether `node` is the option `key` itself, or a variable that holds it."""
        if isinstance(node, ast.Name):
            return node.id in self.names_of(key)
        return any(read.node is node for read in self.options[0] if read.key == key)


def parse_handler(file: str, text: str, python: str) -> Handler:
    """Return what `text` says under Python `python` ("3.8"); never raises."""
    major, minor = (int(part) for part in python.split(".")[:2])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a handler's own invalid escapes are not ours to print
            return Handler(file, ast.parse(text, feature_version=(major, minor)))
    except SyntaxError as error:
        return Handler(file, ast.Module([], []), (error.lineno or 1, error.msg))
    except (ValueError, RecursionError, MemoryError) as error:
        return Handler(file, ast.Module([], []), (1, str(error) or type(error).__name__))


def name_called(call: ast.Call) -> str:
    """The last word of what is called: `from_pretrained` in `OPTForSampling.from_pretrained(...)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def owner(call: ast.Call) -> str:
    """The word before the dot: `OPTForSampling` in `OPTForSampling.from_pretrained(...)`."""
    value = call.func.value if isinstance(call.func, ast.Attribute) else None
    return value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """The argument called `name`, or the one at `position`."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None


class _Trace:
    """Follows a mapping through assignments and calls of the module's own functions, and collects its keys."""

    def __init__(self, handler: Handler, sources: set[str], names: set[str]) -> None:
        self.handler, self.sources = handler, sources
        self.names = set(names)
        self.parents = handler.parents

    def reads(self) -> tuple[tuple[Read, ...], bool]:
        nodes = self.handler.nodes
        for _ in range(4):  # a mapping is handed on through few functions
            before = len(self.names)
            for node in nodes:
                self._bind(node)
            if len(self.names) == before:
                break
        tested = {key for node in nodes for key in self._tested(node)}
        found, others = [], False
        for node in nodes:
            if not (isinstance(node, ast.expr) and self._is_mapping(node)):
                continue
            read, known = self._use(node, tested)
            found += [read] if read else []
            others |= not known
        found.sort(key=lambda read: read.line)
        return tuple(found), others

    def _tested(self, node: ast.AST) -> Iterator[object]:
        """The keys that are there, or were asked for, wherever the code takes them: `in`, `get`, `setdefault`, `=`."""
        held: ast.expr
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            held, keys = node.comparators[0], node.left
            if isinstance(held, ast.Call) and name_called(held) == "keys" and isinstance(held.func, ast.Attribute):
                held = held.func.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            held, keys = node.func.value, node.args[0]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            held, keys = node.value, node.slice
        else:
            return
        if isinstance(keys, ast.Constant) and self._is_mapping(held):
            yield keys.value
        elif isinstance(keys, ast.Dict) and self._is_mapping(held):  # update({...})
            yield from (key.value for key in keys.keys if isinstance(key, ast.Constant))

    def _is_mapping(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return isinstance(node.ctx, ast.Load) and node.id in self.names
        if isinstance(node, ast.Call):
            return name_called(node) in self.sources and isinstance(node.func, ast.Attribute)
        return isinstance(node, ast.Attribute) and node.attr in self.sources - {"get_properties", "get_as_json"}

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign) and self._is_mapping(node.value):
            self.names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        if isinstance(node, ast.Call) and (function := self.handler.functions.get(name_called(node))):
            parameters = [a.arg for a in function.args.args]
            if parameters[:1] in (["self"], ["cls"]):
                parameters = parameters[1:]
            for parameter, value in zip(parameters, node.args, strict=False):
                if self._is_mapping(value):
                    self.names.add(parameter)
            self.names.update(k.arg for k in node.keywords if k.arg and self._is_mapping(k.value))

    def _use(self, node: ast.expr, tested: set[object]) -> tuple[Read | None, bool]:
        """What is done with the mapping at `node`: the key it reads, and whether the use is understood."""
        parent = self.parents.get(id(node))
        guarded = self._guarded(node)
        if isinstance(parent, ast.Subscript) and parent.value is node:
            if isinstance(parent.ctx, ast.Store):
                return None, True
            if isinstance(parent.slice, ast.Constant) and isinstance(parent.slice.value, str):
                key = parent.slice.value
                return Read(_name(key), node.lineno, not guarded and key not in tested, node=parent), True
            return None, False
        if isinstance(parent, ast.Attribute):
            call = self.parents.get(id(parent))
            if isinstance(call, ast.Call) and call.func is parent and parent.attr in _READERS and call.args:
                asked = call.args[0]
                if isinstance(asked, ast.Constant) and isinstance(asked.value, str):
                    given = call.args[1] if len(call.args) > 1 else None
                    literal = given.value if isinstance(given, ast.Constant) else None
                    read = Read(_name(asked.value), node.lineno, False, literal, given is not None, node=call)
                    return read, True
            return None, False
        if isinstance(parent, ast.Compare | ast.Assign | ast.If | ast.BoolOp | ast.UnaryOp):
            return None, True
        if isinstance(parent, ast.keyword):
            parent = self.parents.get(id(parent))
        if isinstance(parent, ast.Call) and name_called(parent) in {*self.handler.functions, "print", "isinstance"}:
            return None, True
        return None, False

    def _guarded(self, node: ast.AST) -> bool:
        parent = self.parents.get(id(node))
        while parent is not None:
            if isinstance(parent, ast.Try):
                return True
            parent = self.parents.get(id(parent))
        return False


def _name(key: str) -> str:
    return key.removeprefix(OPTION)
