import base64
import hashlib
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
from fakes import ScriptedModel, critique_text, solution
from hostile_texts import TEXTS, hidden_in
from journal_rows import row
from reported_runs import MIXED, XSS, Page, hostile_rows, read_page, texts, with_text, write_run

from critique_graph.calls.caller import CallKey
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Call, Problem, Reply, Trace, Usage
from critique_graph.metrics.intervals import paired_difference
from critique_graph.report.page import write_report
from critique_graph.runs.folder import open_run
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import Outcome
from critique_graph.solve.run import run_problems
from critique_graph.solve.summary import Summary

for package in ("jinja2", "latex2mathml", "matplotlib"):
    pytest.importorskip(package)

PLAYED = (("a", "8", 1), ("b", "7", 1), ("c", "6", 2))
FLIPS = ("right_to_right", "wrong_to_right", "right_to_wrong", "wrong_to_wrong")


def played(folder: Path) -> Summary:
    """A run of three problems, whose every first answer is 7, called wrong, and refined to 8."""

    def solve_or_refine(messages: Any) -> str:
        return solution(8 if len(messages) > 1 else 7)

    return run_problems(
        [Problem(id=name, question=f"{name}?", answer=answer, level=level) for name, answer, level in PLAYED],
        actor=ScriptedModel(answer=solve_or_refine),
        critic=ScriptedModel(answer=lambda messages: critique_text("Wrong")),
        out=folder,
    )


def reported(tmp_path: Path, *folders: Path) -> Page:
    write_report(folders, tmp_path / "report.html")
    return read_page(tmp_path / "report.html")


def test_data_of_the_page_has_the_summary_that_the_run_printed(tmp_path: Path):
    summary = played(tmp_path / "run")
    page = reported(tmp_path, tmp_path / "run")
    run = page.index["runs"][0]
    seconds = run["summary"].pop("seconds")  # the manifest is written a moment after the summary
    assert run["summary"] == summary.model_dump(mode="json", exclude={"seconds"})
    assert seconds == pytest.approx(summary.seconds, abs=1)
    assert {name: count for name, count in run["summary"]["flips"].items() if count} == dict.fromkeys(
        ("wrong_to_right", "right_to_wrong", "wrong_to_wrong"), 1
    )
    tokens = dict.fromkeys(("actor", "critic"), 0)
    for cost in run["costs"]:
        tokens[cost["role"]] += cost["usage"]["input_tokens"] + cost["usage"]["output_tokens"]
    assert tokens == {"actor": summary.tokens.actor, "critic": summary.tokens.critic}


def test_rows_add_up_to_the_figures_of_the_summary(tmp_path: Path):
    page = reported(tmp_path, write_run(tmp_path / "run", MIXED))
    cells = [problem["cells"][0] for problem in page.index["problems"]]
    summary = page.index["runs"][0]["summary"]
    assert Counter(cell["change"] for cell in cells if cell["change"]) == summary["flips"]
    assert Counter(cell["status"] for cell in cells) == {
        name: summary[name] for name in ("done", "failed", "quarantined")
    }
    assert [cell["flags"] for cell in cells[:5]] == [
        ["unreadable"],
        ["disagreement", "unreadable", "called_wrong"],
        ["unreadable", "called_wrong"],
        ["unreadable"],
        ["disagreement", "unreadable", "truncated"],
    ]
    assert cells[7] == {
        **dict.fromkeys(("change", "answer", "tokens", "seconds", "place")),
        "status": "quarantined",
        "reason": "RuntimeError: no worker",
        "flags": [],
    }


def test_tree_has_the_whole_trace(tmp_path: Path):
    page = reported(tmp_path, write_run(tmp_path / "run", MIXED))
    assert [tree["trace"]["problem"]["id"] for tree in page.trees] == list("abcdefg")
    whole = Trace.model_validate_json(MIXED[0].trace or b"").model_dump(mode="json", by_alias=True)
    assert page.trees[0]["trace"] == whole
    assert page.trees[4]["responses"][0][1]["is_truncated"]


def test_tree_has_all_critiques_of_a_response_and_their_cost(tmp_path: Path):
    run_problems(
        [Problem(id="a", question="What is 3 + 4?", answer="7")],
        actor=ScriptedModel(replies=[solution(8), solution(7)]),
        critic=ScriptedModel(replies=[critique_text("Correct"), critique_text("Wrong"), "It is $x^2$."]),
        out=tmp_path / "run",
        critiques=3,
        critic_temperature=1,
    )
    page = reported(tmp_path, tmp_path / "run")
    (tree,) = page.trees
    (turn,) = tree["trace"]["chains"][0]["rounds"]
    assert [given["critique"]["final"] for given in (turn, *turn["others"])] == ["wrong", "correct", None]
    assert page.index["problems"][0]["cells"][0]["flags"] == ["unreadable", "called_wrong", "changed"]
    calls = {(cost["role"], cost["round"]): cost["usage"]["calls"] for cost in page.index["runs"][0]["costs"]}
    assert calls["critic", 1] == 3


def test_long_texts_are_whole(tmp_path: Path):
    long = "\n".join(f"Step {i}: it goes on, {i} times {i}." for i in range(20_000))
    page = reported(tmp_path, write_run(tmp_path / "run", [with_text(row("a", "wrong", "right"), long), *MIXED[1:2]]))
    assert page.trees[0]["trace"]["chains"][0]["response"]["text"] == long
    assert page.trees[0]["responses"][0][0]["steps"][-1].endswith(long[-40:])


def test_runs_stand_side_by_side_and_share_the_problems_that_are_the_same(tmp_path: Path):
    first = write_run(tmp_path / "first", MIXED[:3])
    second = write_run(tmp_path / "second", [row("b", "right", "right"), row("z", "right", "right")])
    page = reported(tmp_path, first, second)
    assert [run["name"] for run in page.index["runs"]] == ["first", "second"]
    assert page.index["runs"][0]["against_first"] is None
    assert page.index["runs"][1]["against_first"] == paired_difference([False], [True]).model_dump()
    changes = {
        problem["id"]: [cell and cell["change"] for cell in problem["cells"]] for problem in page.index["problems"]
    }
    assert changes == {
        "a": ["right_to_right", None],
        "b": ["right_to_wrong", "right_to_right"],
        "c": ["wrong_to_right", None],
        "z": [None, "right_to_right"],
    }


def test_numbers_beside_a_plot_are_those_of_the_summary(tmp_path: Path):
    summary = played(tmp_path / "run")
    write_report([tmp_path / "run"], tmp_path / "r.html")
    plots = [part.split("</figure>")[0] for part in (tmp_path / "r.html").read_text().split("<figure>")[1:]]
    accuracy, flips, levels, cost, latency = (re.findall(r"<td>(.*?)</td>", plot) for plot in plots)
    first, final = summary.accuracy_first, summary.accuracy_final
    assert accuracy == [
        *("run", "first responses alone", "15", first.percent(), str(first.n)),
        *("run", "final", str(summary.tokens.total // 3), final.percent(), str(final.n)),
    ]
    assert flips == ["run", *(str(getattr(summary.flips, name)) for name in FLIPS)]
    assert levels == [
        cell
        for level, both in summary.by_level.items()
        for cell in ("run", str(level), both.first.percent(), both.final.percent(), str(both.first.n))
    ]
    assert sum(int(tokens) for tokens in cost[4::5]) == summary.tokens.total
    assert latency[-1] == "3"


def test_policy_permits_the_one_script_and_the_one_style(tmp_path: Path):
    page = reported(tmp_path, write_run(tmp_path / "run", MIXED))
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src '{hash_of(page.texts[''])}'" in policy
    assert f"style-src '{hash_of(page.texts['style'])}'" in policy
    assert "unsafe" not in policy
    assert not [tag for tag, attributes in page.tags if "style" in attributes or "src" in attributes]


def test_hostile_texts_in_every_field_leave_no_markup(tmp_path: Path):
    plain_page = reported(tmp_path, write_run(tmp_path / "plain", hostile_rows(["text"] * len(texts()))))
    page = reported(
        tmp_path,
        write_run(
            tmp_path / "<script>alert(1)<",
            hostile_rows(texts()),
            configuration={"actor": XSS[3], XSS[1]: XSS[2], "gate": "".join(TEXTS.values())},
            state="stopped_early",
            reason=XSS[0],
            total=1000,
        ),
    )
    script = "\n".join((files("critique_graph.report") / f"page/{name}.js").read_text() for name in ("trees", "page"))
    assert page.texts[""] == plain_page.texts[""] == script
    assert set(page.texts) == {"", "style", "index", *(f"block-{i}" for i in range(len(page.texts) - 3))}
    assert {a.get("type") for tag, a in page.tags if tag == "script" and a.get("id")} == {"application/json"}
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain_page.tags}
    assert {name for _, a in page.tags for name in a} == {name for _, a in plain_page.tags for name in a}
    assert {a["href"] for _, a in page.tags if not str(a.get("href", "#")).startswith("#")} == set()
    assert [tree["trace"]["problem"]["question"] for tree in page.trees[:-1]] == texts()


def test_hidden_characters_are_written_out_where_the_page_is_not_data(tmp_path: Path):
    hidden = "".join(TEXTS.values())
    write_run(tmp_path / "run", MIXED, configuration={"actor": hidden, "gate": "when_wrong"}, state="interrupted")
    write_report([tmp_path / "run"], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text().split('<script type="application/json"')[0]
    assert "\\u202e" in page
    assert hidden_in(page) == []


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_page_says_that_a_run_has_not_ended(tmp_path: Path, state: str):
    page = reported(tmp_path, write_run(tmp_path / "run", MIXED, state=state, total=20))
    run = page.index["runs"][0]
    assert run["summary"]["pending"] == 12
    assert ("has not ended" if state == "running" else "12 problems were not played") in run["gaps"][0]


def test_calls_of_a_problem_that_was_cut_off_count(tmp_path: Path):
    folder = write_run(tmp_path / "run", MIXED)
    before = reported(tmp_path, folder).index["runs"][0]["summary"]["tokens"]
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    call = Call(model="m", usage=Usage(calls=1, input_tokens=5, output_tokens=2))
    with (
        open_run(folder, manifest["configuration"], prompts="abc") as run,
        run.journal.problem(Problem(id="cut off", question="?"), len(MIXED)),
    ):
        run.journal.record(CallKey("cut off", "actor", 0, 0), Reply(text="3 + 4", call=call))
    after = reported(tmp_path, folder).index["runs"][0]["summary"]["tokens"]
    assert (after["actor"] - before["actor"], after["total"] - before["total"]) == (7, 7)


def test_page_says_that_there_are_no_references(tmp_path: Path):
    page = reported(tmp_path, write_run(tmp_path / "run", [row("a", None, None), row("b", None, None)]))
    assert "No answer could be graded" in page.index["runs"][0]["gaps"][0]


def test_traces_and_manifest_alone_are_enough(tmp_path: Path):
    folder = write_run(tmp_path / "run", MIXED)
    (folder / "journal.sqlite").unlink()
    page = reported(tmp_path, folder)
    run = page.index["runs"][0]
    assert [run["summary"][name] for name in ("done", "failed", "quarantined")] == [7, 0, 0]  # no failure on a chain
    assert "The journal is missing" in run["gaps"][0]


def no_folder(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def no_traces(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()
    (folder / "traces.jsonl").unlink()


def corrupted_line(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()
    traces = folder / "traces.jsonl"
    traces.write_bytes(traces.read_bytes().replace(b'"chains":[', b'"chains":[?', 1))


def other_version(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()
    traces = folder / "traces.jsonl"
    traces.write_bytes(traces.read_bytes().replace(b"trace/1", b"trace/9"))


def damaged_manifest(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"complete"', b'"complet"'))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_folder, "there is no such folder"),
        (no_manifest, "there is no manifest.json"),
        (no_traces, "there is neither journal.sqlite nor traces.jsonl"),
        (corrupted_line, "traces.jsonl, line 1 is not a trace"),
        (other_version, "traces.jsonl, line 1 is not a trace: schema"),
        (damaged_manifest, "is damaged"),
    ],
)
def test_a_folder_that_cannot_be_shown_is_one_clear_line(tmp_path: Path, spoil: Any, message: str):
    folder = write_run(tmp_path / "run", MIXED)
    spoil(folder)
    with pytest.raises((InputError, RunError), match=re.escape(message)) as caught:
        reported(tmp_path, folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_traces_of_another_verb_are_refused(tmp_path: Path):
    trace = Trace.model_validate_json(MIXED[0].trace or b"").model_copy(update={"graph": "comparison_pool"})
    rows = [JournalRow("a", Outcome("done"), trace.model_dump_json(by_alias=True).encode())]
    with pytest.raises(InputError, match="made by comparison_pool; its manifest is that of `critique-graph run`"):
        reported(tmp_path, write_run(tmp_path / "run", rows))


@pytest.mark.parametrize("name", ["traces.jsonl", "nowhere/report.html"])
def test_a_name_that_is_no_report_is_refused_before_anything_is_read(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="--out"):
        write_report([tmp_path / "run"], tmp_path / name)


def hash_of(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
