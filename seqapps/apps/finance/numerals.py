"""Numbers in the cells of a table: the sign before decimals, decided once for a file."""

import re
from collections import Counter
from typing import Literal

import numpy as np
import pandas as pd

from seqapps.apps.finance.tables import FIELDS, Cells
from seqapps.config import UserError

Sign = Literal["point", "comma"]


NULLS = {"", "-", ".", "null", "nan", "na", "none", "n/a", "n/d", "#n/a"}


UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}


NUMBER = re.compile(r"^[$€£]?(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([kmb]?)$", re.I)


GROUPED = {
    "point": re.compile(r"^(\D*)([1-9]\d{0,2}(?:,\d{3})+)(?![,\d])"),
    "comma": re.compile(r"^(\D*)([1-9]\d{0,2}(?:\.\d{3})+)(?![.\d])"),
}


OTHER: dict[Sign, Sign] = {"point": "comma", "comma": "point"}


EXAMPLES = {"point": "1,234.5", "comma": "1.234,5"}


def decimal_sign(series: list[Cells], notes: Counter[str]) -> Sign:
    """The sign before decimals in all numbers of a file.

    Numbers that can be read with one sign alone decide, by majority; a number that then cannot be
    read is refused with its line. Without such numbers points are decimal, except for commas
    between semicolons, and the notes say so.
    """
    columns = [cells.table[c] for cells in series for c in FIELDS if c in cells.table]
    numbers = {cell for column in columns for cell in column.unique()}
    votes: Counter[str] = Counter()
    either = ""
    for cell in sorted(cell for cell in numbers if cell.strip().lower() not in NULLS):
        point, comma = _number(cell, "point"), _number(cell, "comma")
        if point is not None and comma is not None and point != comma:
            either = either or cell
        elif (point is None) != (comma is None):
            votes["comma" if point is None else "point"] += 1
    sign: Sign = "comma" if votes["comma"] > votes["point"] else "point"
    if either and not votes:
        sign = "comma" if "," in either and all(cells.semicolons for cells in series) else "point"
        value, other = _number(either, sign), _number(either, OTHER[sign])
        notes[f"'{either}' read as {value:g}, not {other:g}; DECIMALS decides otherwise"] = 1
    elif sign == "comma":
        notes["numbers have decimal commas"] = 1
    return sign


def _number(cell: str, sign: Sign) -> float | None:
    """The number in a cell, NaN for a missing one, None for what is no number.

    >>> _number("1.234,5", "comma"), _number("1.23M", "point"), _number("0,94", "point")
    (1234.5, 1230000.0, None)
    """
    if cell.strip().lower() in NULLS:
        return np.nan
    mark, group = (".", ",") if sign == "point" else (",", ".")
    word = re.sub(r"(?<=\d)['’](?=\d{3})|[ \u00a0\u202f]", "", cell)
    if grouped := GROUPED[sign].match(word):
        word = word.replace(grouped[2], grouped[2].replace(group, ""), 1)
    match = NUMBER.match(word.replace(mark, ".") if group not in word else "")
    return float(match[1]) * UNITS[match[2].lower()] if match else None


def values(cells: pd.Series, name: str, sign: Sign) -> np.ndarray:
    """The numbers float64 (rows,) in a column of text, NaN for missing ones.

    Raises:
        UserError: a cell is no number with this sign before decimals; its line is named.
    """
    numbers = {cell: _number(cell, sign) for cell in cells.unique()}
    for line, cell in cells.items():
        if numbers[cell] is None:
            raise UserError(
                f"{name} line {line}: {cells.name} is '{cell[:40]}'; the file's numbers have "
                f"decimal {sign}s, so wanted one like {EXAMPLES[sign]} or 1M; DECIMALS=point or "
                "comma decides otherwise"
            )
    return cells.map(numbers).to_numpy(float)
