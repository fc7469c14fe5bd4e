"""
`python -m bench.rules [NUMBER…]`: take each rule out of a copy of the source, and see its test fail.

The tests run first on an untouched copy, where all must pass. Then every entry of `table` gets a copy of its own
with one text replaced, and its test must fail there. Prints a table; status 1 if a test does not notice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.rules.table import RULES, Rule

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
TIMEOUT_S = 40


@dataclass(frozen=True)
class Found:
    rule: Rule
    failed: bool
    why: str


def broken(rule: Rule, folder: Path) -> Path:
    """Make a copy of the source without a rule."""
    copy = folder / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "onebeat" / rule.file
    text = file.read_text()
    if text.count(rule.old) != 1:
        raise SystemExit(
            f"rule {rule.number}, {rule.taken_out}: {rule.file} has {text.count(rule.old)} of {rule.old!r}"
        )
    file.write_text(text.replace(rule.old, rule.new))
    return copy


async def tests(source: Path, *names: str) -> tuple[bool, str]:
    """Run tests on a copy of the source; say whether they passed, and the last line."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--timeout={TIMEOUT_S}", *names]
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    lines = output.decode().splitlines()
    errors = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")]
    return process.returncode == 0, (errors or lines or [""])[0][:90]


async def judge(rule: Rule, turn: asyncio.Semaphore) -> Found:
    async with turn:
        with tempfile.TemporaryDirectory(prefix="onebeat-rule-") as folder:
            passed, why = await tests(broken(rule, Path(folder)), rule.test)
    found = Found(rule, not passed, why)
    print(
        f"{'fails' if found.failed else 'PASSES'}  rule {rule.number:>2}  {rule.taken_out}\n         {why}", flush=True
    )
    return found


async def main(numbers: set[int]) -> int:
    chosen = [rule for rule in RULES if not numbers or rule.number in numbers]
    fine, why = await tests(ROOT / "src", *sorted({rule.test for rule in chosen}))
    if not fine:
        print(f"the tests fail without a change: {why}")
        return 1
    turn = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(judge(rule, turn) for rule in chosen))
    unnoticed = [one for one in found if not one.failed]
    print(f"\n{len(found)} changes, {len(found) - len(unnoticed)} noticed, {len({r.number for r in chosen})} rules")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main({int(word) for word in sys.argv[1:]})))
