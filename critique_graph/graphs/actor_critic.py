"""The two-player loop: solve, then critique and refine until every chain has stopped, then vote.

    solve ─► critique ─► refine ─► (critique …) ─► vote

One graph covers every test-time strategy by two numbers and a rule: `samples`, `rounds` and `vote`. The fan-out over
samples is inside the nodes: they await all calls of a problem together, and a failed call stops only its own chain.
"""

from langgraph.graph import END, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model
from critique_graph.core.context import Context, CritiqueForm
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.schema import Gate, VoteRule
from critique_graph.core.state import ActorCriticInput, ActorCriticOutput, ActorCriticState
from critique_graph.core.verdicts import MAJORITY
from critique_graph.grading.grader import Grader
from critique_graph.graphs.loop import add_loop
from critique_graph.graphs.players import new_players
from critique_graph.nodes.refine import create_refine
from critique_graph.nodes.refine_pool import create_pool_or
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_actor_critic(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    *,
    samples: int = 1,
    rounds: int = 1,
    critiques: int = 1,
    agree: str = MAJORITY,
    abstain_below: float | None = None,
    keep_original: bool = False,
    refine_best: int | None = None,
    refinements: int = 1,
    gate: Gate = "when_wrong",
    vote: VoteRule = "majority",
    vote_bare: bool = True,
    temperature: float | None = None,
    critic_temperature: float = 0.0,
    max_tokens: int = 1024,
    critic_max_tokens: int = 1536,
    retry_unreadable: int = 0,
    token_budget: int | None = None,
    critique_form: CritiqueForm = "auto",
    seed: int = 0,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
) -> StateGraph[ActorCriticState, Context, ActorCriticInput, ActorCriticOutput]:
    """Create the actor-critic loop, uncompiled. Every setting can be overridden per invocation through `Context`.

    Example:
        >>> graph = create_actor_critic(samples=4, rounds=2).compile()
        >>> question = "Ann has 12 apples. Ann buys 6 more. Ann loses 9 apples. How many apples does Ann have?"
        >>> result = graph.invoke({"question": question})

    Args:
        actor: Solves and refines: a chat model, or a string such as `hf:PATH` or `openai:NAME`.
        critic: Judges every step of a response.
        samples: Number of chains; `Context` describes this and the settings below.
        rounds: Most critiques and refinements of a chain.
        critiques: Number of critiques of a response in each round.
        agree: Rule that makes one verdict of several critiques: `any_wrong`, `majority`, `all_wrong`, `threshold:P`.
        abstain_below: Share of the critiques that have to share the verdict for a response to be refined.
        keep_original: Whether a refinement counts only if more critiques call it correct than the response before it.
        refine_best: Number of responses of a pool that are refined in each round; None: each chain its own.
        refinements: Maximum number of refinements of a response of the pool.
        gate: Which responses are refined.
        vote: How the chains' answers become one.
        vote_bare: Whether a bare refinement, one line with an answer, may win the vote.
        temperature: Sampling temperature of the actor.
        critic_temperature: Sampling temperature of the critic.
        max_tokens: Most tokens of one response.
        critic_max_tokens: Most tokens of one critique.
        retry_unreadable: Number of times that a critique which cannot be read is asked for again.
        token_budget: Number of tokens after which a problem starts no new critique or refinement.
        critique_form: How critiques are asked for: `auto`, `text`, `json` or `prefill`.
        seed: Seed from which the seed of every call is derived.
        grader: Reads, compares and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.

    Raises:
        pydantic.ValidationError: a setting is out of its range.
    """
    defaults = Context(
        samples=samples,
        rounds=rounds,
        critiques=critiques,
        agree=agree,
        abstain_below=abstain_below,
        keep_original=keep_original,
        refine_best=refine_best,
        refinements=refinements,
        gate=gate,
        vote=vote,
        vote_bare=vote_bare,
        temperature=temperature,
        critic_temperature=critic_temperature,
        max_tokens=max_tokens,
        critic_max_tokens=critic_max_tokens,
        retry_unreadable=retry_unreadable,
        token_budget=token_budget,
        critique_form=critique_form,
        seed=seed,
    )
    players = new_players({"actor": actor, "critic": critic}, defaults, grader, log, prompts, task)
    builder = StateGraph(
        ActorCriticState,
        context_schema=Context,
        input_schema=ActorCriticInput,
        output_schema=ActorCriticOutput,
    )
    add_loop(builder, players, refine=("refine", create_pool_or(create_refine(players), players)), then="vote")
    builder.add_node("vote", create_vote(players))
    builder.add_edge("vote", END)
    return builder
