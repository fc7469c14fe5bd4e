"""
The demo's beat over 30 s, and a count of its ledger's rows that shares no code with the demo's own.

Every tick is an instant k · 1500 ms; a run of a tick is a `start` row with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-beat-") as folder:
        words = ["-m", "onebeat", "demo", "--seconds", "30", "--json", "--ledger", folder]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        print(f"onebeat {' '.join(words[2:-1])} DIR\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
        rows = [json.loads(line) for file in Path(folder).glob("*.jsonl") for line in file.open()]
    begin = min(row["at"] for row in rows if row["row"] == "serving")
    end = min(row["at"] for row in rows if row["row"] == "end")
    runs = Counter(row["tick"] for row in rows if row["row"] == "start" and row["tick"])
    wanted = [k * 1500 for k in range(int(begin) // 1500, int(end) // 1500 + 1) if begin < k * 1500 < end]
    print(f"a separate count: {len(wanted)} ticks between first start and end,", end=" ")
    print(
        f"{sum(tick in runs for tick in wanted)} of them ran, {sum(runs[tick] > 1 for tick in runs)} more than once,",
        end=" ",
    )
    print(f"{len({row['pid'] for row in rows if row['row'] == 'serving'})} servers,", end=" ")
    print(f"steps between ticks {sorted({b - a for a, b in zip(sorted(runs), sorted(runs)[1:], strict=False)})} ms")


if __name__ == "__main__":
    main()
