"""The fleet file's YAML, and every part of it that does not fit the declared members."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import date
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct

from dagster_pleo_export.fleet_file import FleetError
from tap_pleo_export.singer.schema_errors import nearest
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# In place of the values of a key that is given more than once: YAML would use the last one. No member is of this type.
REPEATED = b"given more than once"
MERGE = "<<"
QUOTE_IT = ": put it in quotes, because YAML reads words like no, on and 012 as other types"


def load(path: Path) -> Any:  # noqa: ANN401 - any YAML
    """Read a YAML file.

    Raises:
        FleetError: It cannot be read, or is not YAML.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_bytes())
        node = loader.get_single_node()
        _mark_repeated_keys(node)
        return loader.construct_document(node) if node else None
    except OSError as error:
        raise FleetError(f"The fleet file {path} cannot be read: {error.strerror}. PLEO_FLEET names it") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FleetError(f"The fleet file {path} is not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    except (ValueError, RecursionError):
        # A date without such a day, a number of thousands of digits, or thousands of brackets.
        raise FleetError(f"The fleet file {path} has a value that YAML cannot represent, such as 2026-02-30") from None


def faults(value: object, expected: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - a type or a union of types
    """Yield a line for each part of a value that does not fit a type; values are never quoted.

    Args:
        value: What YAML has.
        expected: A Struct, or a type of one of its members.
        where: The path of the value.
    """
    options = get_args(expected) if get_origin(expected) is UnionType else (expected,)
    kinds = {get_origin(option) or option: option for option in options}
    struct = next((option for option in kinds if isinstance(option, type) and issubclass(option, Struct)), None)
    if value == REPEATED:
        yield f"It is {value.decode()} - at `{where}`"
    elif isinstance(value, dict) and struct:
        yield from _struct_faults(value, struct, where)
    elif isinstance(value, dict) and kinds.keys() & {dict, Any}:
        yield from (f"Expected `str`, got `{_name(key)}` - at the keys of `{where}`{QUOTE_IT}" for key in _odd(value))
        inner = get_args(kinds[dict])[1] if dict in kinds else Any
        for part in value.values():
            yield from faults(part, inner, f"{where}[...]")
    elif isinstance(value, list) and kinds.keys() & {list, Any}:
        inner = get_args(kinds[list])[0] if list in kinds else Any
        for number, part in enumerate(value):
            yield from faults(part, inner, f"{where}[{number}]")
    else:
        yield from _leaf_faults(value, expected, where, quoted=str in kinds)


def _struct_faults(value: dict[Any, Any], struct: type[Struct], where: str) -> Iterator[str]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for name in value:
        if name not in fields:
            shown = one_line(str(name))
            yield f"Object contains unknown field `{shown}` - at `{where}`{nearest(shown, list(fields))}"
    for name, field in fields.items():
        if name in value:
            yield from faults(value[name], field.type, f"{where}.{name}")
        elif field.required:
            yield f"Object missing required field `{name}` - at `{where}`"


def _leaf_faults(value: object, expected: Any, where: str, *, quoted: bool) -> Iterator[str]:  # noqa: ANN401 - see faults
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        # Not for rows of a table.
        in_file = quoted and where.startswith("$")
        hint = QUOTE_IT if in_file and isinstance(value, (bool, int, float, date)) else ""
        yield f"{error} - at `{where}`{hint}"


def _odd(value: dict[Any, Any]) -> Iterator[object]:
    return (key for key in value if not isinstance(key, str))


def _name(value: object) -> str:
    return type(value).__name__


def _mark_repeated_keys(root: yaml.Node | None) -> None:
    marker = yaml.ScalarNode("tag:yaml.org,2002:binary", base64.b64encode(REPEATED).decode())
    waiting: list[yaml.Node | None] = [root]
    seen = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != MERGE)
        repeated = {key for key, count in keys.items() if count > 1}
        node.value = [
            (key, marker if isinstance(key, yaml.ScalarNode) and key.value in repeated else value)
            for key, value in node.value
        ]
        waiting += [part for pair in node.value for part in pair]
