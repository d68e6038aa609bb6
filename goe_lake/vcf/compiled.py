"""Compiling the loops that touch every byte of a file, and keeping their machine code.

numba compiles a loop the first time that it is called on a machine; its machine code is kept beside the
module. Later runs load that with llvmlite alone, in some milliseconds: importing numba and letting it find
its own cache takes half a second of a processor, as much as converting a hundred megabytes.

A loop may take arrays, whole numbers, truths, and named tuples of these, and return whole numbers, truths or
tuples of them. It must not allocate, and it raises nothing. Importing this module raises ImportError where
there is neither machine code of these loops nor a numba that could make it.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import llvmlite
import llvmlite.binding as llvm
import numpy as np

#: numba's code ends arrays that have owners by it. Arrays come here without owners.
_END_OF_ARRAY: Final = "NRT_MemInfo_call_dtor"
#: What code may name outside itself: nothing that allocates or raises.
_OUTSIDE: Final = frozenset({"memcpy", "memmove", "memset", _END_OF_ARRAY})
_DECLARED: Final = re.compile(r"^declare [^@]*@\"?([^\"(]+)\"?\(", re.MULTILINE)
_RESULTS: Final = {"int64": ctypes.c_int64, "bool": ctypes.c_bool}
_SUFFIX: Final = ".loop"
_lock = threading.RLock()


@dataclass(frozen=True)
class _Code:
    """Machine code: the name of the function in it, and the types of what it returns."""

    symbol: str
    results: tuple[str, ...]
    data: bytes


class Compiled:
    """A loop; called for the first time with arguments of some types, it is loaded or compiled for them.

    While it runs, other threads may run Python: it does not hold the interpreter's lock.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._loaded: dict[Any, Callable[[list[Any]], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """What the loop returns."""
        kinds = tuple(map(_kind, arguments))
        entry = self._loaded.get(kinds)
        if entry is None:
            with _lock:
                entry = self._loaded.setdefault(kinds, self._load(kinds))
        flat: list[Any] = []
        for argument in arguments:
            _flatten(argument, flat)
        return entry(flat)

    def jitted(self) -> Any:
        """The function for other loops to call, as numba knows it."""
        import numba

        jit: Any = numba.njit
        named = self._function.__code__.co_names
        known = {name: value for name, value in self._function.__globals__.items() if name in named}
        inner = {
            name: value.jitted() if isinstance(value, Compiled) else value for name, value in known.items()
        }
        function = types.FunctionType(self._function.__code__, inner, self._function.__name__)
        return jit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)

    def _load(self, kinds: tuple[Any, ...]) -> Callable[[list[Any]], Any]:
        module = self._function.__module__.rpartition(".")[2]
        facts = json.dumps([str(kinds), _machine()])
        name = f"{module}.{self._function.__name__}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}-"
        file = f"{name}{_sources()}{_SUFFIX}"
        found = next((code for folder in _folders() if (code := _read(folder / file))), None)
        if found is None:
            found = _compile(self.jitted(), kinds)
            _keep(file, name, found)
        return _entry(found, kinds)


def compiled(function: Callable[..., Any]) -> Any:
    """*function* as machine code; see Compiled."""
    return Compiled(function)


def _kind(argument: Any) -> Any:
    """The type of an argument, in plain values that compare."""
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError("a loop takes arrays that lie in one piece")
        return argument.dtype.str, argument.ndim
    if isinstance(argument, tuple):
        return type(argument), tuple(map(_kind, argument))
    return "bool" if isinstance(argument, (bool, np.bool_)) else "int64"


def _flatten(argument: Any, flat: list[Any]) -> None:
    """Add *argument* to *flat* as numba passes it: an array as its owner, sizes, place, shape and steps."""
    if isinstance(argument, np.ndarray):
        place = argument.__array_interface__["data"][0]
        flat += (None, None, argument.size, argument.itemsize, place, *argument.shape, *argument.strides)
    elif isinstance(argument, tuple):
        for part in argument:
            _flatten(part, flat)
    else:
        flat.append(argument)


def _flat_types(kind: Any) -> list[Any]:
    """The C types of what `_flatten` makes of an argument."""
    if isinstance(kind, str):
        return [_RESULTS[kind]]
    if isinstance(kind[0], type):
        return [found for part in kind[1] for found in _flat_types(part)]
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    return [pointer, pointer, number, number, pointer, *[number] * (2 * kind[1])]


def _entry(code: _Code, kinds: tuple[Any, ...]) -> Callable[[list[Any]], Any]:
    """The loaded function, for flat arguments."""
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.data))
    engine.finalize_object()
    result = type(
        "Result",
        (ctypes.Structure,),
        {
            "_fields_": [(f"part{place}", _RESULTS[name]) for place, name in enumerate(code.results)]
            or [("none", ctypes.c_void_p)]
        },
    )
    arguments = [found for kind in kinds for found in _flat_types(kind)]
    begin = [ctypes.POINTER(result), ctypes.POINTER(ctypes.c_void_p)]
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *begin, *arguments)(engine.get_function_address(code.symbol))
    parts = len(code.results)

    def call(flat: list[Any]) -> Any:
        found: Any = result()
        status = function(found, ctypes.c_void_p(), *flat)
        if status:
            raise RuntimeError(f"{code.symbol} ended with {status}")
        values = tuple(getattr(found, f"part{place}") for place in range(parts))
        return values if parts > 1 else values[0] if parts else None

    return call


#: Stands for _END_OF_ARRAY, and is never called.
_NOTHING: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _owner: None)


@cache
def _engine() -> Any:
    """What links machine code into this process."""
    if llvm.address_of_symbol(_END_OF_ARRAY) is None:
        llvm.add_symbol(_END_OF_ARRAY, ctypes.cast(_NOTHING, ctypes.c_void_p).value)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _compile(loop: Any, kinds: Sequence[Any]) -> _Code:
    import numba

    numba_types: Any = numba.types
    signature = tuple(map(_numba_type, kinds))
    loop.compile(signature)
    made = loop.overloads[signature]
    outside = set(_DECLARED.findall(made.library.get_llvm_str()))
    strange = {name for name in outside - _OUTSIDE if not name.startswith("llvm.")}
    assert not strange, f"{loop.__name__} calls {sorted(strange)}"
    result: Any = made.signature.return_type
    parts = list(result) if isinstance(result, numba_types.BaseTuple) else [result]
    names = tuple(str(part) for part in parts if part is not numba_types.none)
    return _Code(made.fndesc.llvm_func_name, names, made.library._get_compiled_object())


def _numba_type(kind: Any) -> Any:
    import numba

    numba_types: Any = numba.types
    if kind == "int64":
        return numba_types.int64
    if kind == "bool":
        return numba_types.boolean
    if isinstance(kind[0], str):
        return numba_types.Array(numba.from_dtype(np.dtype(kind[0])), kind[1], "C")
    return numba_types.BaseTuple.from_types([_numba_type(part) for part in kind[1]], kind[0])


def _folders() -> list[Path]:
    """Where machine code is kept: beside the modules, or in the user's cache where that cannot be written."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [Path(__file__).parent / "__pycache__", Path(base) / "goe_lake"]


@cache
def _sources() -> str:
    """A digest of the modules that hold loops, or numbers that stand in them."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted(
        [*here.glob("fast_*.py"), *here.glob("*_text.py"), here / "compiled.py", here / "encode.py"]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _machine() -> list[str]:
    """What the code depends on besides its source: the compiler and the processor."""
    return [llvmlite.__version__, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]


def _read(path: Path) -> _Code | None:
    """The machine code in the file at *path*, None where there is none that is whole."""
    with suppress(OSError, ValueError, KeyError):
        head, data = path.read_bytes().split(b"\n", 1)
        facts = json.loads(head)
        if hashlib.sha256(data).hexdigest() == facts["sha256"]:
            return _Code(facts["symbol"], tuple(facts["results"]), data)
    return None


def _keep(file: str, name: str, code: _Code) -> None:
    """Write *code* where it can be kept, and remove what stands there of other sources."""
    facts = {"symbol": code.symbol, "results": code.results, "sha256": hashlib.sha256(code.data).hexdigest()}
    for folder in _folders():
        beside = folder / f".{file}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(json.dumps(facts).encode() + b"\n" + code.data)
            beside.replace(folder / file)
        except OSError:
            continue
        for old in folder.glob(f"{name}*{_SUFFIX}"):
            if old.name != file:
                old.unlink(missing_ok=True)
        return


if not any(True for folder in _folders() for _ in folder.glob(f"*-{_sources()}{_SUFFIX}")):
    import numba  # noqa: F401
