"""The conditions of claims: intervals of the real line, as a page writes them."""

import math
import re
from dataclasses import dataclass

from stagewise.settings import SettingsError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ONE_SIDED = re.compile(rf"(<=|>=|<|>)\s*({_NUMBER})")
_RANGE = re.compile(rf"in\s*\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]")


@dataclass(frozen=True)
class Condition:
    """The set of values that a claim allows: an interval of the real line."""

    low: float
    high: float
    open: bool

    def holds(self, value: float) -> bool:
        """Whether the value lies in the set; never for a value that is not a number."""
        if self.open:
            return self.low < value < self.high
        return self.low <= value <= self.high


def parse_condition(text: str) -> Condition:
    """'<= 0.1', '> 0', 'in [0.95, 1.05]' as a Condition; SettingsError for anything else."""
    if match := _ONE_SIDED.fullmatch(text.strip()):
        sign, end = match[1], float(match[2])
        below = sign.startswith("<")
        return Condition(-math.inf if below else end, end if below else math.inf, len(sign) == 1)
    if match := _RANGE.fullmatch(text.strip()):
        low, high = float(match[1]), float(match[2])
        if low < high:
            return Condition(low, high, open=False)
    raise SettingsError(
        f"condition {text!r} cannot be read: expected '<= x', '>= x', '< x', '> x' "
        f"or 'in [low, high]'"
    )
