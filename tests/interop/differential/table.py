"""All rules, by entering them."""

from tests.interop.differential import grouping, rules, steering
from tests.interop.differential.cases import RULES

__all__ = ["RULES", "grouping", "rules", "steering"]
