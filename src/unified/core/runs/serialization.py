"""Exact conversion of trees of tensors and plain values to JSON and safetensors and back, in formats that cannot run code.

JSON holds the tree. Values that JSON cannot represent become objects with the key ``$``:

| value | JSON |
|---|---|
| tensor, array, NumPy scalar, bytes | ``{"$": "tensor" | "array" | "scalar" | "bytes", "key": its name among the tensors, …}`` |
| tuple | ``{"$": "tuple", "items": […]}`` |
| dict with keys that are not strings | ``{"$": "dict", "items": [[key, value], …]}`` |
| nan, ±inf; integers beyond 64 bits; text that is not UTF-8 | ``{"$": "float" | "int" | "str", "value": …}`` |

Subclasses of dict are restored as dict, parameters as tensors, all tensors on the CPU; tensors that shared memory no longer do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: Name of a type in torch -> its name in safetensors. Any other type is stored as raw bytes.
_NATIVE = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def pack(tree: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """Split a tree into a JSON tree and tensors.

    Args:
        tree: Any nesting of dict, list and tuple with str, int, float, bool, None, bytes, tensors, NumPy arrays and scalars.

    Returns:
        The JSON tree, and contiguous CPU tensors by name; the name is the place in the tree.

    Raises:
        TypeError: If the tree contains another type, with its place.
    """
    packer = _Packer()
    return packer.pack(tree, ""), packer.tensors


def unpack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Rebuild the tree from the result of `pack`.

    Raises:
        ValueError: If it is no packed tree, or a tensor is missing.
    """
    if isinstance(tree, list):
        return [unpack(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "$" not in tree:
        return {key: unpack(value, tensors) for key, value in tree.items()}
    try:
        return _unpack_tagged(tree, tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"not a packed tree: {tree!r:.200}: {error}") from error


def safetensors_buffers(tensors: dict[str, torch.Tensor]) -> Iterator[Any]:
    """The safetensors file of `tensors` (contiguous, as `pack` returns them) as a sequence of buffers, without copying.

    Format: 8 bytes with the length of the header, the header (JSON), the data without gaps.
    """
    import torch

    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))  # wide types first, so that all are aligned
    header: dict[str, Any] = {}
    offset = 0
    for name, tensor in ordered:
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NATIVE[_name(tensor.dtype)], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, tensor in ordered:
        if tensor.numel():
            yield tensor.reshape(-1).view(torch.uint8).numpy().data


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}

    def pack(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else {"$": "int", "value": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$": "float", "value": repr(value)}
        if kind is str:
            return _pack_text(value)
        if kind is list:
            return [self.pack(item, f"{path}.{index}") for index, item in enumerate(value)]
        if kind is tuple:
            return {"$": "tuple", "items": [self.pack(item, f"{path}.{index}") for index, item in enumerate(value)]}
        if isinstance(value, dict):
            return self._pack_dict(value, path)
        return self._pack_data(value, path)

    def _pack_dict(self, value: dict[Any, Any], path: str) -> Any:
        if all(type(key) is str and key != "$" and _pack_text(key) is key for key in value):
            return {key: self.pack(item, f"{path}.{key}") for key, item in value.items()}
        items = [[self.pack(key, f"{path}.key"), self.pack(item, f"{path}.{key}")] for key, item in value.items()]
        return {"$": "dict", "items": items}

    def _pack_data(self, value: Any, path: str) -> Any:
        import numpy as np
        import torch

        if isinstance(value, torch.Tensor):
            return self._pack_tensor(value, path)
        if type(value) is bytes:
            raw = torch.frombuffer(bytearray(value), dtype=torch.uint8) if value else torch.empty(0, dtype=torch.uint8)
            return {"$": "bytes", "key": self._keep(raw, path)}
        if type(value) is np.ndarray or isinstance(value, np.generic):
            array = np.asarray(value)
            if array.dtype.kind not in "biufcSUMm":
                raise TypeError(f"cannot store an array of {array.dtype} at {path.lstrip('.') or 'the top'}")
            flat = np.ascontiguousarray(array).reshape(-1)
            if array.dtype.name not in _NATIVE or not array.dtype.isnative:
                flat = flat.view(np.uint8)
            tensor = torch.from_numpy(flat.copy()) if flat.size else torch.empty(0, dtype=torch.uint8)
            tag = "array" if type(value) is np.ndarray else "scalar"
            return {"$": tag, "key": self._keep(tensor, path), "dtype": array.dtype.str, "shape": list(array.shape)}
        where = path.lstrip(".") or "the top"
        raise TypeError(
            f"cannot store {type(value).__module__}.{type(value).__qualname__} at {where}: only plain values, tensors and arrays"
        )

    def _pack_tensor(self, value: torch.Tensor, path: str) -> Any:
        import torch

        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise TypeError(f"cannot store a sparse, quantised or meta tensor at {path.lstrip('.') or 'the top'}")
        tensor = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        name = _name(tensor.dtype)
        if name in _NATIVE:
            return {"$": "tensor", "key": self._keep(tensor, path)}
        raw = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)
        return {"$": "tensor", "key": self._keep(raw, path), "dtype": name, "shape": list(tensor.shape)}

    def _keep(self, tensor: torch.Tensor, path: str) -> str:
        key = path.lstrip(".").encode("utf-8", "backslashreplace").decode() or "value"
        while key in self.tensors or key == "__metadata__":
            key += "'"
        self.tensors[key] = tensor
        return key


def _pack_text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:  # surrogates, as in the names of files
        return {"$": "str", "value": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _unpack_tagged(tree: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    import numpy as np
    import torch

    tag = tree["$"]
    if tag == "tensor":
        tensor = tensors[tree["key"]]
        if "dtype" not in tree:
            return tensor
        dtype = getattr(torch, tree["dtype"])
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"{tree['dtype']} is not a type of tensors")
        return (tensor.view(dtype) if tensor.numel() else torch.empty(0, dtype=dtype)).reshape(tree["shape"])
    if tag in ("array", "scalar"):
        flat, dtype = tensors[tree["key"]].numpy(), np.dtype(tree["dtype"])
        array = (flat if flat.dtype == dtype else flat.view(dtype) if flat.size else np.zeros(0, dtype)).reshape(tree["shape"])
        return array if tag == "array" else array[()]
    if tag == "bytes":
        return tensors[tree["key"]].numpy().tobytes()
    if tag == "tuple":
        return tuple(unpack(item, tensors) for item in tree["items"])
    if tag == "dict":
        return {unpack(key, tensors): unpack(value, tensors) for key, value in tree["items"]}
    if tag == "float":
        return float(tree["value"])
    if tag == "int":
        return int(tree["value"], 16)
    if tag == "str":
        return bytes.fromhex(tree["value"]).decode("utf-8", "surrogatepass")
    raise ValueError(f"not a packed tree: unknown tag {tag!r}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
