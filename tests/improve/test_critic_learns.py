"""Self-improvement in which the critic learns, too: turns, rows, figures, and how it goes on after an error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from improving import Improving
from learning import PROBLEMS, START, FakeTrainer, load

from critique_graph.cli import run_command
from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import InputError, RunError
from critique_graph.improve.graph import create_self_improve
from critique_graph.improve.plot import verdicts_figure
from critique_graph.improve.run import improve_actor, summarise_improvement
from critique_graph.improve.table import improvement_table
from critique_graph.runs.folder import read_manifest
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.train_process import Trained, TrainingOrder

CRITIC = "hf:critic"
SETTINGS: dict[str, Any] = {"iterations": 2, "samples": 4, "refinements": 3}


class Loads:
    """Gives the actor or the critic of a model string; a trained critic judges better."""

    def __init__(self, judgement: int = 140) -> None:
        self.judgement = judgement
        self.critics: list[Improving] = []

    def __call__(self, spec: Any) -> Any:
        if not spec.endswith("critic"):  # the folder has the name of the test in it
            return load(spec)
        self.critics.append(Improving(model=spec, judgement=self.judgement if spec == CRITIC else 220))
        return self.critics[-1]


def improved(
    out: Path, trainer: Any = None, *, load: Callable[[Any], Any] | None = None, critic: Any = CRITIC, **settings: Any
) -> dict[str, Any]:
    graph = create_self_improve(
        START,
        critic,
        problems=PROBLEMS,
        trainer=trainer or FakeTrainer(),
        load=load or Loads(),
        **{"critic_learns": True, **SETTINGS, **settings},
    ).compile()
    return dict(graph.invoke({"out": str(out)}))


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if "seconds" not in key}
    return [timeless(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FakeTrainer, dict[str, Any]]:
    """A folder of two iterations, its trainer and its result."""
    out, trainer = tmp_path_factory.mktemp("co") / "out", FakeTrainer()
    return out, trainer, improved(out, trainer)


def critic_rows(trainer: FakeTrainer) -> list[list[Any]]:
    return [rows for order, rows in zip(trainer.orders, trainer.learned, strict=True) if order.task == "critic"]


def judged_critics(run: Path) -> set[str]:
    return {turn.call.model for trace in read_traces(run) for chain in trace.chains for turn in chain.rounds}


def test_actor_and_critic_take_turns_and_each_is_trained_from_its_start(whole: Any) -> None:
    out, trainer, result = whole
    critics = [f"hf:{out}/iteration-{index}/critic" for index in (1, 2)]
    assert [(order.task, order.start) for order in trainer.orders] == [("actor", START), ("critic", CRITIC)] * 2
    assert [found["critic"]["critic"] for found in result["iterations"]] == [CRITIC, critics[0]]
    assert [found["critic"]["model"] for found in result["iterations"]] == critics
    for run in ("explore", "practice"):
        assert [judged_critics(out / f"iteration-{index}" / run) for index in (1, 2)] == [{CRITIC}, {critics[0]}]
    for run in ("test", "exam"):
        assert judged_critics(out / "iteration-2" / run) == {critics[1]}


def test_critic_learns_true_verdicts_on_as_many_correct_as_wrong_responses(whole: Any) -> None:
    _, trainer, result = whole
    first, second = critic_rows(trainer)
    learned = [result["iterations"][0]["critic"]["kept"], result["iterations"][1]["critic"]["kept"]]
    assert [len(first), len(second)] == [learned[0], sum(learned)]
    assert second[: len(first)] == first
    for rows in (first, second):
        verdicts = [parse_critique(row["completion"][0]["content"], "3 + 4 = 7.").final for row in rows]
        assert verdicts.count("correct") == verdicts.count("wrong") > 0


def test_only_critiques_whose_refinement_is_correct_are_learned_of_wrong_responses(whole: Any) -> None:
    out, trainer, _ = whole
    good = {
        chain.rounds[0].critique.text
        for trace in read_traces(out / "iteration-1" / "practice")
        for chain in trace.chains
        if (refinement := chain.rounds[0].refinement) is not None and refinement.is_correct
    }
    texts = [row["completion"][0]["content"] for row in critic_rows(trainer)[0]]
    assert {text for text in texts if parse_critique(text, "3 + 4 = 7.").final == "wrong"} <= good


def test_rows_of_the_actor_are_those_of_the_exploration_alone(whole: Any) -> None:
    _, trainer, result = whole
    assert len(trainer.learned[0]) == result["iterations"][0]["kept_direct"] + result["iterations"][0]["kept_refined"]


def test_exam_has_the_same_responses_in_every_iteration(whole: Any) -> None:
    _, _, result = whole
    measured = [result["start"], *result["iterations"]]
    sizes = {(found["exam_on_correct"]["n"], found["exam_on_wrong"]["n"]) for found in measured}
    assert len(sizes) == 1
    assert sum(sizes.pop()) == len(PROBLEMS.test)
    assert [sum(found["flips"].values()) for found in measured] == [len(PROBLEMS.test)] * 3
    assert result["best"]["critic"] == measured[result["best"]["index"]]["critic_model"]


def test_costs_of_both_are_counted(whole: Any) -> None:
    out, _, result = whole
    for found in result["iterations"]:
        traces = list(read_traces(out / f"iteration-{found['index']}" / "practice"))
        calls = {role: sum(trace.usage[role].calls for trace in traces) for role in ("actor", "critic")}
        assert found["critic"]["practice_calls"] == calls
        assert min(*calls.values(), *found["exploration_calls"].values()) > 0
    summary = summarise_improvement(result, run="")
    counted = [found.evaluation_tokens for found in (summary.start, *summary.iterations) if found is not None]
    for found in summary.iterations:
        assert found.critic is not None
        counted += [found.exploration_tokens["total"], found.critic.practice_tokens["total"], 100, 100]
    assert summary.tokens == sum(counted)


def test_table_and_figure_show_the_critic(whole: Any) -> None:
    _, _, result = whole
    summary = summarise_improvement(result, run="")
    lines = {line[:24].strip(): line[24:].split() for line in improvement_table(summary).splitlines()}
    assert lines["critic's rows"][1:] == [str(found["critic"]["rows"]) for found in result["iterations"]]
    assert summary.start is not None
    assert summary.start.exam_on_wrong is not None
    assert summary.start.exam_on_wrong.percent() in improvement_table(summary)
    assert [(point.line, point.x) for point in verdicts_figure(summary).points] == [
        (line, x) for line in ("on correct responses", "on wrong responses") for x in (0, 1, 2)
    ]


def test_critic_that_is_never_worth_learning_from_stays_as_it_is(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    result = improved(tmp_path, trainer, load=Loads(judgement=0))
    assert [order.task for order in trainer.orders] == ["actor", "actor"]
    turns = [found["critic"] for found in result["iterations"]]
    assert [(turn["model"], turn["rows"], turn["training_tokens"]) for turn in turns] == [(CRITIC, 0, 0)] * 2


def test_test_critic_that_is_named_does_not_change(tmp_path: Path) -> None:
    result = improved(tmp_path, test_critic="hf:other-critic", iterations=1)
    assert judged_critics(tmp_path / "iteration-1" / "test") == {"hf:other-critic"}
    assert result["iterations"][0]["critic_model"] == f"hf:{tmp_path}/iteration-1/critic"


class Dies:
    """A trainer that fails at the critic of the second iteration."""

    def __init__(self) -> None:
        self.train = FakeTrainer()

    def __call__(self, order: TrainingOrder) -> Trained:
        if order.task == "critic" and "iteration-2" in str(order.out):
            raise RunError("the power went out")
        return self.train(order)


class Mortal(Improving):
    """A critic that ends its run after a number of calls."""

    calls: int = 0
    last: int = 0

    def _generate(self, *arguments: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls > self.last:
            raise InputError("the power went out")
        return super()._generate(*arguments, **kwargs)


class MortalLoads(Loads):
    """Gives a critic that ends the practice (2) or the exam (4) of the critic of the first iteration."""

    def __init__(self, run: int) -> None:
        super().__init__()
        self.run, self.loaded = run, 0

    def __call__(self, spec: Any) -> Any:
        self.loaded += str(spec).endswith("iteration-1/critic")
        if str(spec).endswith("iteration-1/critic") and self.loaded == self.run:
            return Mortal(model=spec, judgement=220, last=5)
        return super().__call__(spec)


@pytest.mark.parametrize(
    "fault",
    [{"trainer": Dies()}, {"load": MortalLoads(2)}, {"load": MortalLoads(4)}],
    ids=["training", "exam", "practice"],
)
def test_stopped_in_the_critics_turn_it_ends_as_if_it_had_not_been(whole: Any, tmp_path: Path, fault: Any) -> None:
    out, _, result = whole
    with pytest.raises((RunError, InputError), match="the power went out"):
        improved(tmp_path / "out", **fault)
    again = improved(tmp_path / "out")
    place, before = str(tmp_path / "out"), str(out)
    assert json.loads(json.dumps(timeless(again)).replace(place, before)) == timeless(result)
    for name in ("critic-kept.jsonl", "critic-rows.jsonl"):
        rows = [folder / "iteration-2" / name for folder in (tmp_path / "out", out)]
        assert rows[0].read_bytes() == rows[1].read_bytes()


def test_folder_that_was_begun_with_another_critic_is_refused(tmp_path: Path) -> None:
    improved(tmp_path, iterations=1, critic_learns=False)
    with pytest.raises(RunError, match="was begun with critic_learns False, not True"):
        improved(tmp_path, iterations=1)


def test_records_of_earlier_versions_go_on_without_it(tmp_path: Path) -> None:
    first = improved(tmp_path, iterations=1, critic_learns=False)
    for file in tmp_path.glob("iteration-*/record.json"):
        record = json.loads(file.read_text())
        del record["settings"]["critic_learns"]
        for name in ("critic", "compute", "exploration_calls", "flips", "exam_on_wrong"):
            record.pop(name, None)
        file.write_text(json.dumps(record))
    result = improved(tmp_path, iterations=2, critic_learns=False)
    assert result["iterations"][0]["accuracy"] == first["iterations"][0]["accuracy"]
    assert result["iterations"][1]["critic"] is None
    assert not (tmp_path / "iteration-2" / "practice").exists()


@pytest.mark.parametrize(
    ("critic", "message"),
    [
        ("none", "--critic-learns needs a critic: name one with --critic"),
        ("openai:gpt", "--critic openai:gpt: it is trained, so it must be hf:NAME_OR_PATH"),
    ],
)
def test_critic_that_cannot_learn_is_one_line(
    critic: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    assert run_command(["improve", "--critic-learns", "--critic", critic, "--out", str(tmp_path / "out")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert read_manifest(tmp_path / "out") is None


@pytest.mark.slow
def test_actor_and_critic_of_the_miniature_learn(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    sizes = {"limit": 12, "validation_limit": 2, "test_limit": 4, "samples": 2, "refinements": 2}
    summary = improve_actor(
        out=tmp_path / "out", critic_learns=True, iterations=1, batch_size=4, learning_rate=1e-3, **sizes
    )
    (found,) = summary.iterations
    assert found.critic is not None
    assert found.critic.rows > 0
    assert found.critic.model_hash not in (None, found.model_hash)
    assert found.critic_model == f"hf:{tmp_path}/out/iteration-1/critic"
    assert found.compute is not None
    assert found.compute["total"] == found.compute["actor"] + found.compute["critic"]


def test_chat_model_cannot_learn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it must be the name of a model, not a chat model"):
        improved(tmp_path, critic=Improving(model="critic"))
