"""Make a critique data set from Python: flawed paths, critiques of them, and a filter that keeps what helps.

python examples/generate.py
"""

import json
import tempfile
from pathlib import Path

from critique_graph import generate_data

with tempfile.TemporaryDirectory() as folder:
    summary = generate_data(
        "miniature",  # a file, or a list of `Problem` with reference answers
        actor="miniature:actor",
        annotator="miniature:annotator",  # exact, but only for the miniature; use a model for other problems
        limit=6,
        seed=3,
        samples=4,
        attempts=2,
        refinements=4,
        out=folder,
    )
    rows = [json.loads(line) for line in (Path(folder) / "dataset" / "train.jsonl").read_text().splitlines()]

flawed = next(row for row in rows if not row["is_correct"])
print(flawed["critique"])
print(f"kept {summary.kept} critiques: {dict(summary.kept_by_strategy)}")
print(f"of the one above: {flawed['right_with']} of {flawed['refinements']} refinements with it are correct")
