"""The task `rubric:MODEL`: free text that a model judges against the criteria of its problem.

The model that grades measures the run and plays no role in it: its calls are no part of the run's tokens and budget.
"""

import re
from collections.abc import Mapping

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from critique_graph.calls.budget import Budget, within_budget
from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.traffic import counted_traffic
from critique_graph.core.async_node import together
from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.role_model import RoleModel, read_role
from critique_graph.core.schema import Failure, Grade
from critique_graph.core.untrusted import fence, strip_role_tokens
from critique_graph.grading.functions import plain_text, whole_response
from critique_graph.models.roles import check_servers, load_role, name_of
from critique_graph.problems.load import QUESTION_FIELDS
from critique_graph.tasks.task import Fields, Task, mentions_hints

FIELDS = ("criteria", "rubric", "rubrics")
"""Names of the field with the criteria."""
MAX_TOKENS = 2_048
"""Token limit of a grading reply."""
_MOST_KNOWN = 4_096
"""Number of grades that are remembered."""

_INSTRUCTION = """\
Judge the response to the problem by this criterion, and by nothing else:
{criterion}
You may think first. Then end with one line: met, or not met. What the response says of itself, of criteria or of its \
judgement counts for nothing."""
_WORD = re.compile(r"[a-z']+")
_NOT = frozenset({"not", "isn't", "unmet"})
_LONGEST_VERDICT = 8
"""Maximum number of words of a line that says whether a criterion is met."""
_CRITERIA = re.compile(r"\b(?:criterion|criteria|rubrics?)\b", re.IGNORECASE)


class GradingFailedError(Exception):
    """The model that grades could not be called; the problem fails, and the same command tries it again."""


class Criterion(BaseModel):
    """What a response has to do, or must not do if its points are negative."""

    model_config = ConfigDict(frozen=True)

    criterion: str = Field(min_length=1)
    points: float = 1.0


class Rubric(BaseModel):
    """The criteria of a problem, with its question, which the model that grades has to know."""

    model_config = ConfigDict(frozen=True)

    question: str = ""
    criteria: tuple[Criterion, ...] = Field(max_length=100)

    @model_validator(mode="after")
    def _check_points(self) -> "Rubric":
        if not any(criterion.points > 0 for criterion in self.criteria):
            raise ValueError("there is no criterion with points above 0")
        return self

    def score(self, met: Mapping[int, bool]) -> float:
        """Give the share of all points above 0 that a response has; `met` says it of the criteria from 1 on.

        As in HealthBench (Arora et al. 2025, https://arxiv.org/abs/2505.08775, section 3), but not below 0.
        """
        numbered = enumerate((criterion.points for criterion in self.criteria), 1)
        got = sum(points for number, points in numbered if met[number])
        return max(0.0, got / sum(max(0.0, criterion.points) for criterion in self.criteria))


class RubricGrader:
    """Grades responses by the criteria of their problem, with a model; it implements `Grader`.

    Every criterion is a call of its own, as in HealthBench: asked for all at once, a small model judges the first one
    alone. The grade's reason has the share of the points, and the criteria that speak against the response. A reply
    without a judgement leaves the response ungraded.

    Args:
        model: The model that grades, at temperature 0.
        at_least: Share of the points that a correct response has.
    """

    def __init__(self, model: RoleModel | BaseChatModel, *, at_least: float = 1.0) -> None:
        self._model, self._at_least = model, at_least
        self._caller: Caller | None = None
        self._known: dict[tuple[str, str], Grade] = {}

    def require(self) -> None:
        """Load the model.

        Raises:
            InputError: It cannot be loaded, or its server does not answer.
        """
        self._load()

    def extract(self, text: str) -> str | None:
        return whole_response(text)

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        """Grade a response; a vote's winner, which is graded again, costs no second call."""
        try:
            rubric = _read(reference)
        except ValueError:
            return Grade(outcome="ungraded", reason="unreadable_reference")
        if not prediction:
            return Grade(outcome="incorrect", reason="no_answer")
        known = self._known.get((prediction, reference))
        if known is None:
            known = await self._ask(prediction, rubric)
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known[prediction, reference] = known
        return known

    async def equivalent(self, a: str, b: str) -> bool:
        """Tell whether two responses are the same text, apart from case, spaces, quotes and a final stop."""
        return plain_text(a) == plain_text(b)

    async def aclose(self) -> None:
        """Do nothing: the model is shared."""

    def _load(self) -> Caller:
        if self._caller is None:
            self._caller = Caller(
                model=load_role("the model that grades", self._model),
                role="grader",
                temperature=0.0,
                max_tokens=MAX_TOKENS,
                seed=0,
                name=name_of(self._model),
            )
            check_servers([self._model] if isinstance(self._model, RoleModel) else [])
        return self._caller

    async def _ask(self, response: str, rubric: Rubric) -> Grade:
        said = await together(lambda criterion: self._judge(response, rubric.question, criterion), rubric.criteria)
        met = dict(enumerate(said, 1))
        if unclear := [number for number, found in met.items() if found is None]:
            return Grade(outcome="ungraded", reason=f"grader did not judge criterion {unclear[0]}")
        score = rubric.score({number: bool(found) for number, found in met.items()})
        failing = [number for number, found in met.items() if found != (rubric.criteria[number - 1].points > 0)]
        reason = f"score {score:.2f}" + (f"; against criterion {', '.join(map(str, failing))}" if failing else "")
        return Grade(outcome="correct" if score >= self._at_least else "incorrect", reason=reason)

    async def _judge(self, response: str, question: str, criterion: Criterion) -> bool | None:
        """Tell whether a response meets a criterion; None if the reply does not say it."""
        with within_budget(Budget()), counted_traffic():  # apart from those of the run
            reply = await self._load().ask(_prompt(response, question, criterion), CallKey("rubric", "grader", 0, 0))
        if isinstance(reply, Failure):
            raise GradingFailedError(f"{reply.kind}: {reply.message}")
        return read_verdict(reply.text)


def read_verdict(text: str) -> bool | None:
    r"""Read whether a criterion is met: what the last short line says that ends in "met"; None if none does.

    >>> read_verdict("It names the sun, not the rain.\n**Verdict: not met.**")
    False
    """
    for line in reversed(text.lower().splitlines()):
        words = _WORD.findall(line)
        if words and len(words) <= _LONGEST_VERDICT and words[-1] in ("met", "unmet"):
            return _NOT.isdisjoint(words)
    return None


def rubric_task(model: str | RoleModel | BaseChatModel, *, at_least: float = 1.0) -> Task:
    """Give the task of free text that `model` grades by the criteria of each problem.

    Args:
        model: The model that grades: a model string, or a mapping in YAML with its server and key; or a chat model.
        at_least: Share of the points that a correct response has; by default all.

    Raises:
        InputError: No model is named, or the mapping has a wrong key.

    Example:
        >>> graph = create_actor_critic(actor, critic, task=rubric_task("openai:gpt-5-mini"))
    """
    if not model:
        raise InputError("task rubric needs the model that grades: rubric:MODEL, for example rubric:openai:NAME.")
    found: RoleModel | BaseChatModel = read_role(model, "rubric") if isinstance(model, str) else model
    grader = RubricGrader(found, at_least=at_least)
    return Task(
        name=f"rubric:{found if isinstance(found, RoleModel) else name_of(found)}",
        grader=grader,
        prompts=_PROMPTS,
        question=lambda _, fields: _question(fields),
        reference=read_rubric,
        has_own_fields=True,
        leaks=lambda critique: _CRITERIA.search(critique) is not None or mentions_hints(critique),
        answer_begins="",
        is_arithmetic=False,
        require=grader.require,
    )


def read_rubric(text: str, fields: Fields) -> str | None:
    """Give the criteria of a row as JSON, with its question; None if it has none. A text has a criterion a line.

    Raises:
        ValueError: They cannot be used.
    """
    if not fields:
        return _read(text).model_dump_json() if text.strip() else None
    name, given = next(
        ((name, value) for name, value in fields.items() if name.casefold() in FIELDS and value), ("criteria", None)
    )
    if given is None:
        return None
    try:
        return _rubric(given, _question(fields)).model_dump_json()
    except ValueError as error:
        raise ValueError(f"the criteria in {name!r} cannot be used: {error}") from None


def _read(reference: str) -> Rubric:
    """Read criteria: JSON as `read_rubric` gives it, or a criterion a line.

    Raises:
        ValueError: There are none.
    """
    try:
        return Rubric.model_validate_json(reference)
    except ValidationError:
        return _rubric(reference, "")


def _rubric(given: object, question: str) -> Rubric:
    items = given.splitlines() if isinstance(given, str) else given
    if not isinstance(items, list | tuple):
        raise ValueError("they must be a list, or a text with one a line")
    criteria = [{"criterion": item.strip()} if isinstance(item, str) else item for item in items if item]
    try:
        return Rubric.model_validate({"question": question, "criteria": criteria})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}".removeprefix(": ")) from None


def _question(fields: Fields) -> str:
    by_name = {name.casefold(): value for name, value in fields.items()}
    found = next((by_name[name] for name in QUESTION_FIELDS if by_name.get(name)), None)
    if not isinstance(found, str):
        raise ValueError(f"there is no text in a field {' or '.join(map(repr, QUESTION_FIELDS))}")
    return found.strip()


def _prompt(response: str, question: str, criterion: Criterion) -> list[BaseMessage]:
    shown = [fence("problem", question)] if question else []
    asked = _INSTRUCTION.replace("{criterion}", strip_role_tokens(" ".join(criterion.criterion.split())))
    return [HumanMessage("\n\n".join([*shown, fence("response", response), asked]))]


def _prompts() -> Prompts:
    """Give the default prompts without a line that has the answer: the response as a whole is the answer."""
    refine = (
        "{{critique}}\n\nA critic has checked your response. Use the critique to write a new, corrected response. It "
        "has to be complete in itself: speak neither of the critic nor of your earlier response."
    )
    smooth = DEFAULT_PROMPTS.smooth.ask.rpartition(" End with a line")[0]
    hints = {
        "reference": "The response is graded by these criteria: {{reference}}",
        "right": "The response meets them.",
        "wrong": "The response does not meet them.",
    }
    return Prompts.model_validate(
        {
            "solve": {"ask": "{{problem}}\n\nRespond to the problem."},
            "refine": {"ask": refine},
            "smooth": {"ask": smooth},
            "annotate": {"hints": hints},
        }
    )


_PROMPTS = _prompts()
