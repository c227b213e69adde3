"""The critic of an agent: a model, or a person."""

from collections.abc import Mapping
from typing import Any

from langgraph.types import interrupt
from pydantic import JsonValue

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.players import Model, unbound
from critique_graph.core.context import CritiqueForm
from critique_graph.core.critique import critique_in_prose, parse_critique
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts, RefineWording
from critique_graph.core.prompts_file import PromptsGiven, read_prompts
from critique_graph.core.schema import Call, Critique, Failure, Judgement
from critique_graph.core.verdicts import SEVERAL_TEMPERATURE
from critique_graph.models.load import load_model
from critique_graph.nodes.ask_critique import ask_for_critiques
from critique_graph.nodes.critique import critique_messages

HUMAN = "human"
"""The word in the place of a model where a person is the critic."""
APPROVING = frozenset({"", "correct", "ok", "okay", "yes", "right", "approve", "approved", "accept"})
"""Words by which a person approves of an answer, in small letters."""
AGENT_PROMPTS = Prompts(
    refine=RefineWording(
        ask="{{critique}}\n\nA critic has checked your answer. Use the critique to give a new, corrected answer to the "
        "question. It has to be complete in itself: do not speak of the critic or of your earlier answer."
    )
)
"""The wording unless the user gives one: the request to the agent is not about mathematics."""


class AgentCritic:
    """Judges answers by one or several critiques."""

    def __init__(
        self,
        critic: Model,
        *,
        critiques: int,
        max_tokens: int,
        temperature: float | None,
        form: CritiqueForm,
        prompts: PromptsGiven | None,
        seed: int,
    ) -> None:
        self.prompts = AGENT_PROMPTS if prompts is None else read_prompts(prompts)
        self.critiques, self.form = critiques, form
        self.temperature = temperature if temperature is not None else SEVERAL_TEMPERATURE if critiques > 1 else 0.0
        self._caller: Caller | None = None
        if critic != HUMAN:
            model = load_model(unbound("critic", critic))
            bound = model if isinstance(critic, str) else critic
            self._caller = Caller(
                model=model,
                role="critic",
                temperature=self.temperature,
                max_tokens=max_tokens,
                seed=seed,
                name=critic if isinstance(critic, str) else None,
                bound=bound.with_config(tags=["nostream"]),  # its tokens are no part of the agent's stream of messages
            )

    async def judge(self, conversation: str, answer: str, key: CallKey) -> tuple[tuple[Judgement, ...], Failure | None]:
        """Judge an answer; gives the critiques that came, and why none did, if none did."""
        if self._caller is None:
            return (ask_person(conversation, answer),), None
        asked = await ask_for_critiques(
            self._caller,
            lambda form: critique_messages(conversation, answer, self.prompts, form=form),
            answer,
            key,
            critiques=self.critiques,
            form=self.form,
        )
        return asked.judgements, None if asked.judgements else asked.failures[0]

    def told(self, critique: Critique) -> str:
        """Give the message in which the agent is told a critique.

        In prose, unless the critic was trained on the fixed format: then the agent may have been, too.
        """
        is_trained = self._caller is not None and self._caller.is_trained_here
        text = critique.text if is_trained else critique_in_prose(critique)
        return self.prompts.refine.filled(critique=text)

    def recorded(self) -> dict[str, JsonValue]:
        """Give the settings for traces."""
        return {
            "critiques": self.critiques,
            "critic_temperature": self.temperature,
            "critique_form": self.form,
            "prompts": self.prompts.recorded() if self.prompts != DEFAULT_PROMPTS else "default",
        }


def ask_person(conversation: str, answer: str) -> Judgement:
    """Stop the graph until a person has judged the answer, by `interrupt()`.

    The person resumes with "correct", with the words of what is wrong, or with `{"verdict": ..., "explanation": ...}`.
    """
    given = interrupt({"conversation": conversation, "answer": answer, "please": "Say correct, or what is wrong."})
    return Judgement(critique=_said(given, answer), call=Call(model=HUMAN))


def _said(given: Any, answer: str) -> Critique:
    if isinstance(given, Mapping):
        verdict, words = str(given.get("verdict", "")), str(given.get("explanation", ""))
    else:
        verdict = words = str(given)
    if verdict.strip(" .!\n").lower() in APPROVING:
        return Critique(text=words, final="correct", final_explanation=words, quality="tolerated")
    read = parse_critique(words, answer, has_reasoning=False)
    if read.final is not None:
        return read
    return Critique(text=words, final="wrong", final_explanation=words, quality="tolerated")
