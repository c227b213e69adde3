import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import ScriptedModel, critique_text
from langchain_core.messages import BaseMessage

from critique_graph.cli import run_command
from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import InputError, ModelCallError
from critique_graph.core.schema import Failure, Problem
from critique_graph.eval_critic.score import CriticEvaluation, Prediction, evaluate_critic, predict
from critique_graph.metrics.calibration import calibration
from critique_graph.metrics.intervals import wilson
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.problems.labelled import LabelledProblem
from critique_graph.runs.journal import read_journal

STEPS = ("We add.\n\n3 + 4 = 7.", "7 * 2 = 15.", "The answer is 15.")


def critique(*verdicts: str, final: str) -> str:
    return critique_text(final, *zip(STEPS, verdicts, strict=False))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (critique("Correct", "Wrong", "Wrong", final="Wrong"), Prediction(1)),
        (critique("Correct", "Correct", final="Correct"), Prediction(NO_ERROR)),
        (critique("Wrong", final="Correct"), Prediction(0)),
        (critique("Correct", "Correct", final="Wrong"), Prediction(None, "unlocated")),
        (critique_text("Wrong", ("Something else entirely.", "Wrong")), Prediction(None, "unaligned")),
        ("Looks good to me.", Prediction(None, "unparsed")),
    ],
    ids=["located", "none", "steps decide", "unlocated", "unaligned", "unparsed"],
)
def test_prediction_is_the_first_step_called_wrong(text: str, expected: Prediction):
    assert predict(parse_critique(text, "\n\n".join(STEPS), steps=STEPS)) == expected


def judged_file(folder: Path, *labels: int) -> str:
    rows = [
        {"id": f"r{i}", "problem": f"Question {i}?", "steps": STEPS, "label": label} for i, label in enumerate(labels)
    ]
    path = folder / "responses.json"
    path.write_text(json.dumps(rows))
    return str(path)


REPLIES: dict[str, object] = {
    "Question 0?": critique("Correct", "Wrong", final="Wrong"),
    "Question 1?": critique("Wrong", final="Wrong"),
    "Question 2?": critique("Correct", "Correct", "Correct", final="Correct"),
    "Question 3?": "no idea",
    "Question 4?": ModelCallError(Failure(kind="rejected", message="the prompt is too long"), can_retry=False),
}


def answer(messages: Sequence[BaseMessage]) -> object:
    return next(reply for question, reply in REPLIES.items() if question in messages[-1].text)


def evaluate(folder: Path, critic: ScriptedModel) -> CriticEvaluation:
    file = judged_file(folder, 1, 1, NO_ERROR, NO_ERROR, 2)
    return evaluate_critic(file, actor=ScriptedModel(), critic=critic, out=folder / "run")


def test_what_cannot_be_read_counts_as_wrong_and_is_counted(tmp_path: Path):
    found = evaluate(tmp_path, ScriptedModel(answer=answer))

    assert found.state == "complete"
    assert (found.on_erroneous, found.on_correct) == (wilson(1, 3), wilson(1, 2))
    assert found.f1.value == pytest.approx(0.4)
    assert found.unreadable == {"unparsed": 1, "rejected": 1}
    assert (found.responses, found.unlabelled, found.failed, found.pending) == (5, 0, 0, 0)


def test_critic_reads_the_given_steps_and_no_label(tmp_path: Path):
    critic = ScriptedModel(answer=answer)
    evaluate(tmp_path, critic)

    assert all("\n\n".join(STEPS) in text for text in critic.texts)
    assert len(critic.texts) == 5


FINDS, FINDS_EARLIER = critique("Correct", "Wrong", final="Wrong"), critique("Wrong", final="Wrong")
ACCEPTS, UNREADABLE = critique("Correct", "Correct", "Correct", final="Correct"), "no idea"
REFUSED = ModelCallError(Failure(kind="rejected", message="no"), can_retry=False)


def evaluate_several(folder: Path, *cases: tuple[int, list[object]], **settings: object) -> CriticEvaluation:
    """Score a critic of responses with a label each, whose critiques come one after the other."""
    left = {f"Question {index}?": list(replies) for index, (_, replies) in enumerate(cases)}
    critic = ScriptedModel(
        answer=lambda messages: next(
            replies for question, replies in left.items() if question in messages[-1].text
        ).pop(0)
    )
    file = judged_file(folder, *(label for label, _ in cases))
    return evaluate_critic(
        file, actor=ScriptedModel(), critic=critic, out=folder / "run", critiques=len(cases[0][1]), **settings
    )


def test_confidence_of_a_verdict_is_the_share_of_critiques_that_agree(tmp_path: Path):
    found = evaluate_several(
        tmp_path,
        (1, [FINDS, FINDS, ACCEPTS]),
        (NO_ERROR, [FINDS, FINDS, ACCEPTS]),
        (1, [ACCEPTS, FINDS_EARLIER, FINDS_EARLIER]),
        (NO_ERROR, [ACCEPTS, ACCEPTS, ACCEPTS]),
        (1, [ACCEPTS, UNREADABLE, REFUSED]),
        (1, [UNREADABLE, UNREADABLE, UNREADABLE]),
    )
    assert found.calibration == calibration([2 / 3, 2 / 3, 2 / 3, 1, 1 / 3], [True, False, True, True, False])
    assert (found.responses, found.exact) == (6, wilson(2, 6))


def test_rule_decides_which_critique_is_scored(tmp_path: Path):
    found = evaluate_several(
        tmp_path, (1, [ACCEPTS, ACCEPTS, FINDS]), (NO_ERROR, [ACCEPTS, FINDS, FINDS]), agree="any_wrong"
    )
    assert (found.on_erroneous, found.on_correct) == (wilson(1, 1), wilson(0, 1))
    assert found.calibration == calibration([1 / 3, 2 / 3], [True, False])


def test_single_critiques_have_no_calibration(tmp_path: Path):
    found = evaluate_several(tmp_path, (1, [FINDS]), (NO_ERROR, [FINDS]))
    assert found.calibration is None
    assert "calibration" not in found.model_dump()


def test_same_command_again_asks_only_for_what_is_missing(tmp_path: Path):
    evaluate(tmp_path, ScriptedModel(answer=answer))
    again = ScriptedModel()
    found = evaluate(tmp_path, again)

    assert again.prompts == []
    assert found.f1.value == pytest.approx(0.4)
    assert {row.outcome.status for row in read_journal(tmp_path / "run/journal.sqlite")} == {"done"}


def test_command_labels_the_miniatures_responses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    command = ["eval-critic", "miniature", "--limit", "6", "--seed", "5", "--out", str(out)]

    assert run_command([*command, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["responses"] + found["unlabelled"] == 6
    assert {"value", "low", "high", "n"} == found["f1"].keys()
    assert run_command(command) == 0
    assert "first-error F1" in capsys.readouterr().out


def test_command_prints_the_calibration_error_of_several_critiques(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["eval-critic", "--limit", "4", "--critiques", "2", "--critic-temperature", "2", "--out", str(tmp_path)]
    assert run_command(command) == 0
    assert "verdicts of several critiques" in capsys.readouterr().out
    assert run_command([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calibration"]["ece"].keys() == {"value", "low", "high", "n"}


def test_missing_file_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert run_command(["eval-critic", str(tmp_path / "none.json"), "--critic", "miniature:critic"]) == 2
    assert "there is no such file" in " ".join(capsys.readouterr().err.split())


LABELLED = LabelledProblem(id="r0", question="Question 0?", steps=STEPS, label=1)


def test_labelled_problems_at_hand_are_judged(tmp_path: Path):
    found = evaluate_critic(
        [LABELLED], actor=ScriptedModel(), critic=ScriptedModel(answer=answer), out=tmp_path / "run"
    )
    assert (found.responses, found.on_erroneous) == (1, wilson(1, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Problem(id="p", question="?")], "problem 'p' has no labelled steps"),
        ([LABELLED, "miniature"], "either records or names of sets, not both"),
        ([LABELLED, LABELLED], "the id 'r0' is there twice"),
    ],
    ids=["plain problem", "mixed", "twice"],
)
def test_records_that_cannot_be_judged_are_refused(given: list[object], message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        evaluate_critic(given, critic=ScriptedModel(), out=tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
