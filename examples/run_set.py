"""Run the loop over a problem set from Python, and see how much the critic helped.

python examples/run_set.py
"""

import tempfile

from critique_graph import Problem, load_problems, read_traces, run_problems

own = Problem(
    id="coins",
    question="Tom has 18 coins. Tom finds 13 more coins. Ann has 9 fewer than Tom. How many coins does Ann have?",
    answer="22",
)
problems = [own, *load_problems("miniature", limit=11, seed=4)]  # or a file: run_problems("problems.jsonl", ...)

with tempfile.TemporaryDirectory() as folder:
    summary = run_problems(problems, actor="miniature:actor", critic="miniature:critic", samples=2, out=folder)
    traces = {trace.problem.id: trace for trace in read_traces(folder)}

print(f"{summary.done} of {summary.problems} problems done, {summary.tokens.total:,} tokens")
print(f"accuracy {summary.accuracy_first.percent()} first, {summary.accuracy_final.percent()} final")
print(f"coins: {traces['coins'].answer}, which is {'correct' if traces['coins'].correct else 'wrong'}")
