"""Read signatures and class attributes from source code without importing the module, so that composition stays free of torch.

`signature` and `attribute` interpret literals, names, attributes, subscripts, ``|`` and calls of a few constructors. Any other source
(decorators, C code, star imports, computed values) raises `Unreadable`, and the caller imports the object instead. No code is run.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import operator
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

#: Arguments of networks that are sized by the shape of the input (``in_``) or of the required output (``out_``).
SUFFIXES = ("shape", "features", "dim", "channels")
INFERRED = tuple(f"{prefix}_{suffix}" for prefix in ("in", "out") for suffix in SUFFIXES)
#: Arguments that are no options; ``options`` is the model that a class declares itself.
_FILLED_IN = (*INFERRED, "condition_dim", "options", "self")
#: Modules that annotations and defaults may refer to; importing them is cheap.
_LIGHT = ("typing", "annotated_types", "pydantic", "collections", "pathlib", "math", "fractions", "decimal", "enum")
#: What annotations and defaults may call: these classes, all classes of these modules, and these classes and functions.
_CONSTRUCTORS = (bool, int, float, str, bytes, tuple, list, dict, set, frozenset)
_CONSTRUCTOR_MODULES = ("annotated_types", "pathlib", "fractions", "decimal")
_OTHER_CONSTRUCTORS = (
    "pydantic.fields:Field",
    "unified.core.components.options:above",
    "unified.core.components.options:RenamedFrom",
)
#: Base classes without declarations.
_ROOTS = ("object", "torch.nn:Module", "abc:ABC", "typing:Protocol", "typing:Generic")
_MISSING = object()


def is_filled_in(name: str) -> bool:
    """Whether an argument is determined by the place of the component, so that users cannot set it."""
    return name in _FILLED_IN


class Unreadable(Exception):
    """The value follows only from running the source."""


@dataclass(frozen=True)
class Signature:
    """The signature of a class or function, as `inspect.signature` and `typing.get_type_hints` return it.

    Args:
        name: Name of the class or function.
        doc: Docstring.
        parameters: Parameters without ``self``. Arguments that users cannot set have no annotation.
        is_function: Whether it is a function.
    """

    name: str
    doc: str
    parameters: tuple[inspect.Parameter, ...]
    is_function: bool = False


def signature(reference: str) -> Signature:
    """The signature of ``"module:Name"``.

    Raises:
        Unreadable: If it can only be found by importing the module.
    """
    module, node = _definition(reference)
    doc = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        _refuse_decorated(node)
        found = next((each for each in _members(module, node, "__init__")), None)
        if found is None:
            return Signature(node.name, doc, ())
        owner, function = found
        if not isinstance(function, ast.FunctionDef):
            raise Unreadable(reference)
        return Signature(node.name, doc, tuple(owner.parameters(function))[1:])
    return Signature(node.name, doc, tuple(module.parameters(node)), is_function=True)


def attribute(reference: str, name: str, default: Any = _MISSING) -> Any:
    """A class attribute of ``"module:Class"``, own or inherited.

    Args:
        reference: Import string of the class.
        name: Name of the attribute.
        default: Value if the class has no such attribute; without a default, that raises.

    Raises:
        Unreadable: If it can only be found by importing the module.
    """
    module, node = _definition(reference)
    if not isinstance(node, ast.ClassDef):
        raise Unreadable(reference)
    for owner, value in _members(module, node, name):
        if not isinstance(value, ast.expr):
            raise Unreadable(f"{reference}.{name}")
        return owner.evaluate(value)
    if default is _MISSING:
        raise Unreadable(f"{reference}.{name}")
    return default


def spec_of(module: str) -> ModuleSpec | None:
    """The import specification of a module; unlike `importlib.util.find_spec`, it imports no parent package."""
    path: Sequence[str] | None = None
    name = ""
    spec: ModuleSpec | None = None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        loaded = sys.modules.get(name)
        spec = getattr(loaded, "__spec__", None)
        if loaded is None or spec is None:
            spec = next((found for finder in sys.meta_path if (found := finder.find_spec(name, path)) is not None), None)
        if spec is None:
            return None
        path = getattr(loaded, "__path__", None) or spec.submodule_search_locations or ()
    return spec


class _Source:
    """The source of a module: its definitions, assignments and imports."""

    def __init__(self, name: str, tree: ast.Module, is_package: bool) -> None:
        self.name = name
        self.package = name if is_package else name.rpartition(".")[0]
        self.definitions: dict[str, ast.ClassDef | ast.FunctionDef] = {}
        self.assignments: dict[str, ast.expr] = {}
        #: Local name -> origin, ``module:Name`` or ``module``.
        self.imports: dict[str, str] = {}
        self._read(tree.body)

    def _read(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.definitions[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.If | ast.Import | ast.ImportFrom):
                self._read_statement(node)

    def _read_statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            self._read(node.body)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self.imports[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            parts = self.package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            place = ".".join(filter(None, [base, node.module]))
            for alias in node.names:
                self.imports[alias.asname or alias.name] = f"{place}:{alias.name}"
        else:
            self.assignments.update(_assigned(node))

    def lookup(self, name: str) -> Any:
        """The value of a global name.

        Raises:
            Unreadable: If it is neither an assignment, an import nor a built-in type.
        """
        if name in self.assignments:
            return self.evaluate(self.assignments[name])
        if name in self.imports:
            return _imported(self.imports[name])
        if name not in self.definitions and isinstance(builtin := getattr(builtins, name, None), type):
            return builtin
        raise Unreadable(name)

    def evaluate(self, node: ast.expr) -> Any:
        """The value of an expression.

        Raises:
            Unreadable: If the expression has other parts than the module's docstring lists.
        """
        with suppress(ValueError):
            return ast.literal_eval(node)
        try:
            return self._interpret(node)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Unreadable(f"{ast.unparse(node)}: {error}") from error

    def _interpret(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name):
                return self.lookup(name)
            case ast.Attribute(value=value, attr=name) if not name.startswith("_"):
                return getattr(self.evaluate(value), name)
            case ast.Subscript(value=value, slice=index):
                return self.evaluate(value)[self.evaluate(index)]
            case ast.Tuple(elts=items):
                return tuple(map(self.evaluate, items))
            case ast.List(elts=items):
                return list(map(self.evaluate, items))
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                return {self.evaluate(key): self.evaluate(value) for key, value in pairs if key is not None}
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return operator.or_(self.evaluate(left), self.evaluate(right))
            case ast.Call(func=function, args=arguments, keywords=keywords) if _is_constructor(made := self.evaluate(function)):
                named = {keyword.arg: self.evaluate(keyword.value) for keyword in keywords if keyword.arg is not None}
                if len(named) == len(keywords):
                    return made(*map(self.evaluate, arguments), **named)
        raise Unreadable(ast.unparse(node))

    def origin(self, node: ast.expr) -> str:
        """Origin of a base class, ``module:Name``."""
        if isinstance(node, ast.Subscript):  # Base[int]
            return self.origin(node.value)
        if isinstance(node, ast.Name):
            if node.id in self.definitions:
                return f"{self.name}:{node.id}"
            return self.imports.get(node.id) or ("object" if node.id == "object" else f"{self.name}:{node.id}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.imports:
            return f"{self.imports[node.value.id].replace(':', '.')}:{node.attr}"
        raise Unreadable(ast.unparse(node))

    def parameters(self, function: ast.FunctionDef) -> Iterator[inspect.Parameter]:
        """The parameters of a function."""
        _refuse_decorated(function)
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
        kinds = inspect.Parameter
        for index, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
            kind = kinds.POSITIONAL_ONLY if index < len(arguments.posonlyargs) else kinds.POSITIONAL_OR_KEYWORD
            yield self._parameter(argument, default, kind)
        if arguments.vararg:
            yield kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            yield self._parameter(argument, default, kinds.KEYWORD_ONLY)
        if arguments.kwarg:
            yield kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD)

    def _parameter(self, argument: ast.arg, default: ast.expr | None, kind: Any) -> inspect.Parameter:
        annotation: Any = inspect.Parameter.empty
        if argument.annotation is not None and not is_filled_in(argument.arg):
            annotation = self.evaluate(argument.annotation)
        value = inspect.Parameter.empty if default is None else self.evaluate(default)
        return inspect.Parameter(argument.arg, kind, default=value, annotation=annotation)


@lru_cache(maxsize=256)
def _source(module: str) -> _Source:
    try:
        spec = spec_of(module)
    except Exception as error:
        raise Unreadable(module) from error
    if spec is None or not spec.has_location or not str(spec.origin).endswith(".py"):
        raise Unreadable(module)
    try:
        tree = ast.parse(Path(str(spec.origin)).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(module) from error
    return _Source(module, tree, spec.submodule_search_locations is not None)


def _definition(reference: str, hops: int = 8) -> tuple[_Source, ast.ClassDef | ast.FunctionDef]:
    """The definition of ``module:Name``, followed through imports."""
    place, _, name = reference.rpartition(":")
    if not place or "." in name or place.endswith(".py") or not hops:
        raise Unreadable(reference)
    module = _source(place)
    if name in module.definitions:
        return module, module.definitions[name]
    if ":" in module.imports.get(name, ""):
        return _definition(module.imports[name], hops - 1)
    raise Unreadable(reference)


def _members(module: _Source, node: ast.ClassDef, name: str) -> Iterator[tuple[_Source, ast.FunctionDef | ast.expr]]:
    """Declarations of a name in a class and its bases, nearest first (depth first, which is the MRO if no base comes twice)."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            yield module, statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and (value := _assigned(statement).get(name)) is not None:
            yield module, value
    for base in node.bases:
        origin = module.origin(base)
        if origin not in _ROOTS:
            owner, definition = _definition(origin)
            if isinstance(definition, ast.ClassDef):
                yield from _members(owner, definition, name)


def _assigned(node: ast.stmt) -> dict[str, ast.expr]:
    """Names that a statement assigns to, with their values: ``a = 1``, ``a: int = 1``, ``a, b = 1, 2``."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return {node.target.id: node.value}
    found: dict[str, ast.expr] = {}
    for target in node.targets if isinstance(node, ast.Assign) else ():
        if isinstance(target, ast.Name):
            found[target.id] = node.value  # type: ignore[attr-defined]
        elif isinstance(target, ast.Tuple) and isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=False)
            found |= {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
    return found


def _imported(origin: str, hops: int = 8) -> Any:
    """The object of an import statement, by importing a cheap module or by reading the source of another one."""
    place, _, name = origin.partition(":")
    if place.partition(".")[0] in _LIGHT:
        from importlib import import_module

        module = import_module(place)
        return getattr(module, name) if name else module
    if name and name in vars(sys.modules.get(place, object())):
        return vars(sys.modules[place])[name]
    if not name or not hops:
        raise Unreadable(origin)
    source = _source(place)
    if name in source.assignments:
        return source.lookup(name)
    if ":" in source.imports.get(name, ""):
        return _imported(source.imports[name], hops - 1)
    raise Unreadable(origin)


def _refuse_decorated(node: ast.ClassDef | ast.FunctionDef) -> None:
    if node.decorator_list:
        raise Unreadable(node.name)


def _is_constructor(value: Any) -> bool:
    if f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}" in _OTHER_CONSTRUCTORS:
        return True
    return isinstance(value, type) and (value in _CONSTRUCTORS or value.__module__.partition(".")[0] in _CONSTRUCTOR_MODULES)
