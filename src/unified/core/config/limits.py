"""Limits of what is read, so that a bad text is refused within a second. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Bytes of a file; YAML is read 30 times more slowly than JSON.
BYTES, BYTES_YAML = 1 << 20, 1 << 15
#: Levels of nesting, and values after all aliases are replaced.
DEEPEST, VALUES = 64, 20_000
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def check(tree: Any, depth: int = 0) -> int:
    """The number of values of a tree.

    Raises:
        ValueError: If it is too deep or too large, or a text has a NUL, which no file name may have.
    """
    if isinstance(tree, str) and "\0" in tree:
        raise ValueError(f"{tree!r} has the character NUL")
    if depth > DEEPEST:
        raise ValueError(TOO_DEEP)
    items = [(item, 0) for item in tree] if isinstance(tree, list | tuple | set) else []
    for key in tree if isinstance(tree, dict) else ():  # dots in a key are levels too
        items += [(key, 0), (tree[key], str(key).count("."))]
    count = 1
    for item, dots in items:
        count += check(item, depth + 1 + dots)
        _refuse_many(count)
    return count


def read_yaml(text: str, look: Callable[[Any], None] = lambda node: None) -> Any:
    """The value of a text in YAML.

    Args:
        text: The text.
        look: Called with the node of the document.

    Raises:
        ValueError: If it is no YAML, with the place, or exceeds the limits.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def fetch_flow_collection_start(self, kind: Any) -> None:  # each token looks at all levels, so thousands take seconds
            if self.flow_level > DEEPEST:
                raise ValueError(TOO_DEEP)
            super().fetch_flow_collection_start(kind)

    if len(text) > BYTES_YAML:
        raise ValueError(f"it is larger than {BYTES_YAML:,} bytes")
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            _expanded(node, {})
            look(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        at_end = "<stream end>" in (error.problem or "")
        mark = error.context_mark if at_end and error.context_mark else error.problem_mark
        message = (error.problem or "").replace("'<stream end>'", "the end of the file")
        raise ValueError((f"line {mark.line + 1}, column {mark.column + 1}: " if mark else "") + message) from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _expanded(node: Any, known: dict[int, int]) -> int:
    """The number of values below a node after its aliases are replaced, at the cost of its length in the file.

    Raises:
        ValueError: If it is too large.
    """
    if id(node) not in known:
        known[id(node)] = 1  # a node that contains itself is refused later
        children = node.value if isinstance(getattr(node, "value", None), list) else ()
        known[id(node)] += sum(_expanded(each, known) for child in children for each in (child if isinstance(child, tuple) else (child,)))
        _refuse_many(known[id(node)])
    return known[id(node)]


def _refuse_many(count: int) -> None:
    if count > VALUES:
        raise ValueError(f"it has more than {VALUES:,} values (each alias counts as all that it repeats)")
