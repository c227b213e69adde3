"""The pages of folders of other verbs than `run`: their numbers, filters and trees, and what cannot be shown."""

import html
import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
from hashed_model import HashedModel, addition_problems
from learning import FakeTrainer, load
from reported_runs import MIXED, XSS, Page, read_page, texts, write_run
from verb_folders import SIGNS, hostile_folder, spoiled

from critique_graph.cli import run_command
from critique_graph.compare.pool import compare_run
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.eval_critic.score import evaluate_critic
from critique_graph.improve.run import improve_actor
from critique_graph.report.eval_critic_page import OUTCOMES
from critique_graph.report.page import write_report
from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.outcomes import Outcome

for package in ("jinja2", "latex2mathml", "matplotlib"):
    pytest.importorskip(package)

FINDING = {
    "part": "scaling",
    "name": "critic_beats_votes",
    "statement": "Voting with a critic wins (§4).",
    "estimate": "It wins by 4 points.",
    "value": 0.04,
    "low": 0.01,
    "high": 0.07,
    "n": 200,
    "compute": "matched, by calls",
    "holds": "yes",
}


@pytest.fixture(scope="module")
def improved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """A folder of `improve` whose models are fakes, and its summary."""
    out = tmp_path_factory.mktemp("improve") / "out"
    problems = [problem.model_copy(update={"level": 1 + n % 3}) for n, problem in enumerate(addition_problems(60))]
    critic = HashedModel(model="critic")
    return out, improve_actor(
        problems, actor="hf:start", critic=critic, iterations=2, samples=3, out=out, trainer=FakeTrainer(), load=load
    )


def page_of(folder: Path, tmp_path: Path) -> Page:
    write_report([folder], tmp_path / "report.html")
    return read_page(tmp_path / "report.html")


def plots_of(tmp_path: Path) -> dict[str, list[list[str]]]:
    """The numbers beside each plot, by the axis that its last column but one names, row by row."""
    found = {}
    for part in (tmp_path / "report.html").read_text().split("<figure>")[1:]:
        figure = part.split("</figure>")[0]
        columns = [html.unescape(cell) for cell in re.findall(r"<th scope=\"col\">(.*?)</th>", figure)]
        rows = re.findall(r"<tr>(<td>.*?)</tr>", figure)
        found[columns[1]] = [[html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in rows]
    return found


def tables_of(tmp_path: Path) -> dict[str, list[list[str]]]:
    found = {}
    for part in (tmp_path / "report.html").read_text().split('<h2 id="h-table-')[1:]:
        rows = re.findall(r"<tr>(<td>.*?)</tr>", part.split("</table>")[0])
        found[html.unescape(part[part.index(">") + 1 : part.index("</h2>")])] = [
            [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in rows
        ]
    return found


def parts_of(page: Page) -> list[tuple[str, ...]]:
    return [tuple(part) for problem in page.index["problems"] for part in problem["cells"][0]["parts"]]


def same(shown: dict[str, Any], summary: Record, *, but: tuple[str, ...] = ("seconds",)) -> bool:
    printed = json.loads(summary.model_dump_json(by_alias=True))
    return all(shown[name] == value for name, value in printed.items() if name not in (*but, "left_out", "run"))


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_page_has_the_summary_that_the_verb_gave_and_a_tree_of_every_problem(
    made: dict[str, tuple[Path, Record]], tmp_path: Path, verb: str
) -> None:
    folder, summary = made[verb]
    page = page_of(folder, tmp_path)
    assert page.index["verb"] == verb
    assert same(page.index["runs"][0]["summary"], summary, but=("seconds", "dataset"))
    traces = [orjson.loads(row.trace or b"") for row in read_journal(folder / "journal.sqlite")]
    assert [problem["id"] for problem in page.index["problems"]] == [trace["problem"]["id"] for trace in traces]
    assert len(page.trees) == len(traces)
    used = [sum(u["input_tokens"] + u["output_tokens"] for r, u in t["usage"].items() if r != "total") for t in traces]
    assert [problem["cells"][0]["tokens"] for problem in page.index["problems"]] == used
    options = [{value for value, _ in found["options"]} for found in page.index["filters"]]
    assert all(value in allowed for part in parts_of(page) for value, allowed in zip(part, options, strict=True))


def test_funnel_and_trees_of_critique_data(made: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    folder, summary = made["generate"]
    page = page_of(folder, tmp_path)
    strategies = list(summary.kept_by_strategy)
    funnel = [[f"{summary.funnel[stage][of].in_:,}" for of in strategies] for stage in ("paths", "annotate", "filter")]
    funnel.append([f"{summary.kept_by_strategy[of]:,}" for of in strategies])
    shown = plots_of(tmp_path)
    assert [row[1:-1] for row in shown["rg1"]] == funnel
    drops = sum((Counter(p.dropped) for by in summary.funnel.values() for p in by.values()), Counter())
    assert {row[0].replace(" ", "_"): int(row[1]) for row in shown["dropped paths"]} == dict(drops)
    for tree in page.trees:
        for path, worked in zip(tree["trace"]["paths"], tree["responses"], strict=True):
            assert (worked is None) == (path["response"] is None)
    kept = [path for tree in page.trees for path in tree["trace"]["paths"] if path["drop"] is None]
    assert len(kept) == summary.kept
    assert {(path["strategy"], "kept") for path in kept} <= set(parts_of(page))


def test_outcomes_and_trees_of_self_talk(made: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    folder, summary = made["self-talk"]
    page = page_of(folder, tmp_path)
    shown = dict(plots_of(tmp_path)["talks"])
    assert (int(shown["kept, correct at first"]), int(shown["kept, repaired"])) == (summary.right, summary.repaired)
    talks = [talk for tree in page.trees for talk in tree["trace"]["talks"]]
    assert len(talks) == summary.talks
    assert sum(talk["drop"] is None for talk in talks) == summary.kept
    for tree in page.trees:
        for talk, responses in zip(tree["trace"]["talks"], tree["responses"], strict=True):
            refinements = [one for one in talk["chain"]["rounds"] if one["refinement"]]
            assert len(responses) == 1 + len(refinements)


def test_strategies_of_a_comparison(made: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    folder, _ = made["compare"]
    page_of(folder, tmp_path)
    found = compare_run(folder)
    shown = tables_of(tmp_path)["Strategies"]
    assert [(row[0].removesuffix(" *"), row[2]) for row in shown] == [
        (its.label, its.accuracy.percent()) for its in found.strategies.values()
    ]
    plot = plots_of(tmp_path)["tokens per problem (log scale)"]
    expected = [
        (its.label, f"{point.tokens_per_problem:,.6g}", f"{100 * point.accuracy:.1f} %")
        for its in found.strategies.values()
        for point in its.curve
    ]
    assert [(row[0], row[1], row[2].split(" [")[0]) for row in plot] == expected
    assert [row[2] for row in plot if "[" in row[2]] == [its.accuracy.percent() for its in found.strategies.values()]


def test_verdicts_beside_the_labels(made: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    folder, summary = made["eval-critic"]
    page = page_of(folder, tmp_path)
    counts = Counter(part[1] for part in parts_of(page))
    assert counts["found"] + counts["accepted"] == round(summary.exact.value * summary.exact.n)
    assert counts.total() - counts["unlabelled"] == summary.responses
    for tree in page.trees:
        if tree["label"] is not None and tree["label"] == tree["predicted"] >= 0:
            judged = [step for step in tree["critique"]["steps"] if step["verdict"] == "wrong"]
            assert judged[0]["step_index"] == tree["label"]
    assert {name: int(count) for name, count in plots_of(tmp_path)["responses"]} == {
        OUTCOMES[name]: count for name, count in counts.items()
    }


def test_confidence_of_verdicts_is_drawn_beside_how_many_are_correct(tmp_path: Path) -> None:
    summary = evaluate_critic(limit=6, seed=3, critiques=3, critic_temperature=2.0, out=tmp_path / "run")
    page = page_of(tmp_path / "run", tmp_path)
    assert summary.calibration is not None
    assert plots_of(tmp_path)["correct verdicts, 95 % interval"] == [
        [f"{100 * point.confidence:.1f} %", point.correct.percent(), str(point.correct.n)]
        for point in summary.calibration.bins
    ]
    assert {len(tree["others"]) for tree in page.trees} == {2}


def test_iterations_of_an_improvement(improved: tuple[Path, Any], tmp_path: Path) -> None:
    folder, summary = improved
    page = page_of(folder, tmp_path)
    assert same(page.index["runs"][0]["summary"], summary, but=())
    measured = [summary.start, *summary.iterations]
    alone = [row for row in plots_of(tmp_path)["iteration"] if row[0] == "alone"]
    assert alone == [
        ["alone", str(i), found.accuracy.percent(), str(found.accuracy.n)] for i, found in enumerate(measured)
    ]
    assert [row[0] for row in tables_of(tmp_path)["Runs in this folder"]] == [
        f"iteration-{index}/{run}"
        for index in range(3)
        for run in ("explore", "test", "validation")[index == 0 :]
        if (folder / f"iteration-{index}" / run).is_dir()
    ]


def test_critic_that_learns_has_its_verdicts_in_a_plot_and_a_table(tmp_path: Path) -> None:
    critic = {"critic": "hf:critic", "critic_learns": True}
    settings: dict[str, Any] = {"actor": "hf:start", "iterations": 1, "samples": 3, "out": tmp_path / "out", **critic}
    summary = improve_actor(
        addition_problems(60),
        trainer=FakeTrainer(),
        load=lambda spec: HashedModel(model=str(spec)) if str(spec).endswith("critic") else load(spec),
        **settings,
    )
    page_of(tmp_path / "out", tmp_path)
    (turn,) = [found.critic for found in summary.iterations]
    assert turn is not None
    start, last = tables_of(tmp_path)["The critic that learns"]
    assert start[5:] == ["-"] * 4
    assert last[7:] == [f"{turn.rows}", f"{turn.training_tokens}"]
    assert {row[0] for row in plots_of(tmp_path)["iteration of the critic"]} == {
        "on correct responses",
        "on wrong responses",
    }


def test_runs_of_an_improvement_are_linked_once_they_have_a_page(improved: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = improved
    run = folder / "iteration-1" / "explore"
    write_report([run], run / "report.html")
    write_report([folder], folder / "report.html")
    links = [found["href"] for tag, found in read_page(folder / "report.html").tags if tag == "a" and "href" in found]
    assert "iteration-1/explore/report.html" in links
    (run / "report.html").unlink()


def test_loss_of_every_part_of_a_training_is_drawn(improved: tuple[Path, Any], tmp_path: Path) -> None:
    folder, _ = improved
    result = folder / "iteration-1/model/training/result.json"
    result.parent.mkdir()
    result.write_text('{"losses": [2.5, 1.5, 1.25]}')
    page_of(folder, tmp_path)
    assert plots_of(tmp_path)["first"] == [
        ["1", "2.5000", "1.2500", "2.5000, 1.5000, 1.2500"],
        ["2", "1.0000", "1.0000", "1.0000"],
    ]
    result.unlink()


def write_study(folder: Path, parts: Any, **more: Any) -> Path:
    write_run(folder, MIXED[:1], configuration=SIGNS["study"])
    content = {"schema": "critique-graph.study/1", "state": "complete", "problems": 200, "parts": parts, **more}
    (folder / "study.json").write_bytes(orjson.dumps(content))
    return folder


def test_findings_and_tables_of_a_study(tmp_path: Path) -> None:
    unclear = {**FINDING, "name": "other", "low": -0.1, "holds": "unclear"}
    rate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 90}
    part = {
        "part": "scaling",
        "findings": [FINDING, unclear],
        "tables": {"by_k": [{"k": 3, "accuracy": rate, "tokens": 1234.56}, {"k": 5, "is_exact": True}]},
        "left_out": None,
    }
    alone = {"part": "sizes", "findings": [], "tables": {}, "left_out": "one actor alone"}
    page = page_of(write_study(tmp_path / "study", [part, alone]), tmp_path)
    tables = tables_of(tmp_path)
    assert [row[-1] for row in tables["Findings"]] == ["holds", "unclear"]
    assert tables["Findings"][0][:5] == [
        *("scaling", FINDING["statement"], FINDING["estimate"], "+4.0 points [+1.0, +7.0]", "200"),
    ]
    assert tables["scaling: by k"] == [["3", "50.0 % [40.0, 60.0], n = 90", "1235", "-"], ["5", "-", "-", "yes"]]
    assert page.index["runs"][0]["gaps"] == ["sizes: one actor alone"]
    assert [row[1] for row in plots_of(tmp_path)["our estimate in points, 95 % interval"]] == [
        "+4.0 points [+1.0, +7.0]",
        "+4.0 points [-10.0, +7.0]",
    ]


# --- hostile texts -----------------------------------------------------------------------------------------------


def hostile_improvement(folder: Path, source: Path, text: str) -> Path:
    write_run(folder, [], configuration={**SIGNS["improve"], text: text}, state="stopped_early", reason=text)
    for index in range(3):
        (folder / f"iteration-{index}").mkdir()
        record = spoiled(orjson.loads((source / f"iteration-{index}/record.json").read_bytes()), text)
        record["parent"] = record["model"] = text
        (folder / f"iteration-{index}/record.json").write_bytes(orjson.dumps(record))
    write_run(folder / text.replace("/", "_")[:80] / "run", MIXED[:1])
    return folder


def hostile_study(folder: Path, given: list[str]) -> Path:
    parts = [
        {
            "part": text,
            "findings": [{**FINDING, **dict.fromkeys(("part", "name", "statement", "estimate", "compute"), text)}],
            "tables": {text: [{text: text, "list": [text]}]},
            "left_out": text,
        }
        for text in given
    ]
    return write_study(folder, parts, reason=given[0])


def assert_harmless(page: Page, plain: Page) -> None:
    script = "".join(
        (files("critique_graph.report") / f"page/{name}.js").read_text() + "\n" for name in ("trees", "page")
    )
    assert page.texts[""] == plain.texts[""] == script[:-1]
    assert set(page.texts) == {"", "style", "index", *(f"block-{i}" for i in range(len(page.texts) - 3))}
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    assert {name for _, a in page.tags for name in a} == {name for _, a in plain.tags for name in a}
    assert {a["href"] for _, a in page.tags if not str(a.get("href", "#")).startswith("#")} == set()


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_hostile_texts_in_every_field_leave_no_markup(
    made: dict[str, tuple[Path, Record]], tmp_path: Path, verb: str
) -> None:
    source, given = made[verb][0], texts()
    plain = page_of(hostile_folder(tmp_path / "plain", verb, source, ["text"] * len(given)), tmp_path)
    page = page_of(hostile_folder(tmp_path / "<script>alert(1)<", verb, source, given), tmp_path)
    assert_harmless(page, plain)
    assert [(tree.get("trace") or tree)["problem"]["question"] for tree in page.trees] == given


def test_hostile_texts_of_an_improvement_leave_no_markup(improved: tuple[Path, Record], tmp_path: Path) -> None:
    plain = page_of(hostile_improvement(tmp_path / "plain", improved[0], "text"), tmp_path)
    for number, text in enumerate(XSS[::9]):
        page = page_of(hostile_improvement(tmp_path / f"{number}", improved[0], text), tmp_path)
        assert_harmless(page, plain)


def test_hostile_texts_of_a_study_leave_no_markup(tmp_path: Path) -> None:
    plain = page_of(hostile_study(tmp_path / "plain", ["text"] * 3), tmp_path)
    assert_harmless(page_of(hostile_study(tmp_path / "hostile", texts()), tmp_path), plain)


def test_link_to_a_run_is_never_an_address_of_another_kind(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", [{"part": "sizes"}])
    run = write_run(folder / "javascript:alert(1)" / "x", MIXED[:1])
    (run / "report.html").write_text("a page")
    write_report([folder], folder / "report.html")
    links = [found.get("href") for tag, found in read_page(folder / "report.html").tags if tag == "a"]
    assert "javascript%3Aalert%281%29/x/report.html" in links


# --- what cannot be shown, and what is not whole -----------------------------------------------------------------


@pytest.mark.parametrize("state", ["running", "interrupted"])
@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_page_says_that_a_run_has_not_ended(
    made: dict[str, tuple[Path, Record]], tmp_path: Path, verb: str, state: str
) -> None:
    rows = list(read_journal(made[verb][0] / "journal.sqlite"))
    lost = JournalRow("lost", Outcome("quarantined", "RuntimeError: no worker"), None)
    manifest = json.loads((made[verb][0] / "manifest.json").read_text())
    folder = write_run(tmp_path / "run", [*rows, lost], configuration=manifest["configuration"], state=state, total=20)
    page = page_of(folder, tmp_path)
    assert ("has not ended" if state == "running" else "problems were not played") in page.index["runs"][0]["gaps"][0]
    assert page.index["problems"][-1]["cells"][0]["chips"] == [["quarantined", "bad"]]


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_traces_and_manifest_alone_are_enough(made: dict[str, tuple[Path, Record]], tmp_path: Path, verb: str) -> None:
    source = made[verb][0]
    (tmp_path / "run").mkdir()
    for name in ("manifest.json", "traces.jsonl"):
        (tmp_path / "run" / name).write_bytes((source / name).read_bytes())
    page = page_of(tmp_path / "run", tmp_path)
    assert "The journal is missing" in page.index["runs"][0]["gaps"][0]
    assert len(page.trees) == len(page.index["problems"])


def other_trace(folder: Path, verb: str) -> None:
    write_run(folder, MIXED[:1], configuration=SIGNS[verb])


def damaged_trace(folder: Path, verb: str) -> None:
    forms = {
        "generate": ("critique-graph.paths/1", "auto_critique"),
        "self-talk": ("critique-graph.talks/1", "self_talk"),
        "compare": ("critique-graph.trace/1", "pool"),
        "eval-critic": ("critique-graph.trace/1", "judge"),
    }
    schema, graph = forms[verb]
    found = orjson.dumps({"schema": schema, "graph": graph, "problem": {"id": "a", "question": "?"}, "usage": 7})
    write_run(folder, [JournalRow("a", Outcome("done"), found)], configuration=SIGNS[verb])


def nothing_begun(folder: Path, verb: str) -> None:
    write_run(folder, [], configuration=SIGNS[verb])


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (other_trace, "its manifest is that of `critique-graph {verb}`"),
        (damaged_trace, "trace of a"),
        (nothing_begun, "no problem of this run has been begun"),
    ],
)
def test_a_folder_that_cannot_be_shown_is_one_clear_line(tmp_path: Path, verb: str, make: Any, message: str) -> None:
    make(tmp_path / "run", verb)
    with pytest.raises(InputError, match=re.escape(message.format(verb=verb))) as caught:
        page_of(tmp_path / "run", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_improvement_of_which_nothing_is_measured_is_one_clear_line(tmp_path: Path) -> None:
    nothing_begun(tmp_path / "run", "improve")
    with pytest.raises(InputError, match="no actor of this improvement has been measured yet"):
        page_of(tmp_path / "run", tmp_path)
    (tmp_path / "run/iteration-0").mkdir()
    (tmp_path / "run/iteration-0/record.json").write_text("{}")
    with pytest.raises(InputError, match=r"record\.json is no record of an iteration"):
        page_of(tmp_path / "run", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no part of this study has ended"),
        ("{", "is not the result of a study"),
        ('{"parts": 3}', "is not the result of a study"),
        ('{"parts": [{"part": "x", "findings": [{}]}]}', "is not the result of a study"),
        ('{"parts": []}', "no part of this study has ended"),
    ],
)
def test_study_that_cannot_be_shown_is_one_clear_line(tmp_path: Path, content: str | None, message: str) -> None:
    nothing_begun(tmp_path / "run", "study")
    if content is not None:
        (tmp_path / "run/study.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        page_of(tmp_path / "run", tmp_path)
    assert "\n" not in str(caught.value)


def test_folders_of_several_verbs_are_not_shown_together(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", MIXED[:1])
    study = write_study(tmp_path / "study", [{"part": "sizes"}])
    with pytest.raises(InputError, match="study is a folder of `study`, of which a page shows one alone"):
        write_report([first, study], tmp_path / "report.html")


# --- --report of the verbs ---------------------------------------------------------------------------------------


def test_report_is_written_into_the_folder_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    arguments = ["eval-critic", "miniature", "--limit", "2", "--out", str(folder), "--quiet", "--json", "--report"]
    assert run_command(arguments) == 0
    assert read_page(folder / "report.html").index["verb"] == "eval-critic"
    assert json.loads(capsys.readouterr().out)["responses"] <= 2


def test_report_that_cannot_be_written_leaves_the_exit_code_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("no.")

    monkeypatch.setattr("critique_graph.report.command.write_report", refuse)
    arguments = ["run", "miniature", "--limit", "1", "--out", str(tmp_path / "run"), "--quiet", "--report"]
    assert run_command(arguments) == 0
    assert "there is no report: no." in capsys.readouterr().err
