"""The values that the tests and the program, in a process each, tell each other: plain data, as JSON.

Values arrive as copies, so what a program returns brings no code along, such as an `__eq__` that is always true. An
object of a class of the program stays with the program; the tests only get its number.

The processes that `run` starts import this module without the rest of the package, so it needs no other library than
Python's.
"""

import builtins
from collections.abc import Callable

Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]
"""What JSON can hold."""

_SMALL = 1 << 63
"""Larger integers are written in hexadecimal, which takes linear time."""


def encode(value: object, keep: Callable[[object], Data]) -> Data:
    """Give a value as JSON; `keep` says what stands for an object that is no plain data."""

    def all_of(items: object) -> list[Data]:
        assert isinstance(items, list | tuple | set | frozenset)
        return [encode(item, keep) for item in items]

    if isinstance(value, type) and value in vars(builtins).values():
        return {"type": value.__name__}
    match value:
        case None | bool() | float() | str():
            return value
        case int():
            return int(value) if abs(value) < _SMALL else {"int": hex(value)}
        case complex():
            return {"complex": [value.real, value.imag]}
        case bytes() | bytearray():
            return {"bytes" if isinstance(value, bytes) else "bytearray": value.hex()}
        case list():
            return all_of(value)
        case tuple():
            return {"tuple": all_of(value)}
        case set():
            return {"set": all_of(value)}
        case frozenset():
            return {"frozenset": all_of(value)}
        case dict():
            return {"dict": [[encode(key, keep), encode(item, keep)] for key, item in value.items()]}
        case _:
            return keep(value)


def decode(data: Data, find: Callable[[dict[str, Data]], object]) -> object:
    """Give the value that was encoded; `find` gives the object for what `keep` said.

    Raises:
        TypeError, ValueError: `encode` writes no such data.
    """

    def all_of(items: list[Data]) -> list[object]:
        return [decode(item, find) for item in items]

    match data:
        case list():
            return all_of(data)
        case {"int": str(digits)}:
            return int(digits, 16)
        case {"complex": [float(real), float(imaginary)]}:
            return complex(real, imaginary)
        case {"bytes": str(digits)}:
            return bytes.fromhex(digits)
        case {"bytearray": str(digits)}:
            return bytearray.fromhex(digits)
        case {"tuple": list(items)}:
            return tuple(all_of(items))
        case {"set": list(items)}:
            return set(all_of(items))
        case {"frozenset": list(items)}:
            return frozenset(all_of(items))
        case {"dict": list(items)}:
            return {decode(key, find): decode(item, find) for key, item in _pairs(items)}
        case {"type": str(name)} if isinstance(kind := getattr(builtins, name, None), type):
            return kind
        case dict():
            return find(data)
        case _:
            return data


def _pairs(items: list[Data]) -> list[tuple[Data, Data]]:
    pairs = [tuple(item) for item in items if isinstance(item, list)]
    return [(key, item) for key, item in pairs]
