"""critique-graph: an actor solves, a critic judges every step, the actor refines.

The graphs load at once; functions for whole problem sets load at their first use, so that the import stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from critique_graph.core.context import Context, GenerationContext, SelfTalkContext
from critique_graph.core.critique import parse_critique, render_critique
from critique_graph.core.schema import Chain, Critique, Grade, Problem, Response, Trace
from critique_graph.core.steps import split_steps
from critique_graph.grading.functions import FunctionGrader
from critique_graph.grading.grader import MathGrader, grade
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.chat import create_ask, create_chat
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.metrics.at_k import maj_at_k, pass_at_k
from critique_graph.models.load import load_model
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.nodes.chat_vllm import ChatVLLM
from critique_graph.problems.load import load_problems
from critique_graph.runs.traces import read_traces
from critique_graph.tasks.task import Task, prompts_ending_in

if TYPE_CHECKING:
    from critique_graph.agents.middleware import CritiqueMiddleware as CritiqueMiddleware
    from critique_graph.check.pair import check_pair
    from critique_graph.compare.pool import compare_strategies
    from critique_graph.eval_critic.score import evaluate_critic
    from critique_graph.generate.make import generate_data
    from critique_graph.improve.graph import create_self_improve
    from critique_graph.improve.problems import ImprovementProblems
    from critique_graph.improve.run import improve_actor
    from critique_graph.improve.state import ImprovementContext
    from critique_graph.observe.langsmith import LangSmithFeedback
    from critique_graph.observe.opentelemetry import OpenTelemetryEvaluations as OpenTelemetryEvaluations
    from critique_graph.problems.labelled import LabelledProblem
    from critique_graph.self_talk.make import make_self_talk
    from critique_graph.solve.run import run_problems
    from critique_graph.study.run import run_study
    from critique_graph.trainers.export import export_rows
    from critique_graph.trainers.train_task import train_task

# Without `CritiqueMiddleware` and `OpenTelemetryEvaluations`, which need the extras `agents` and `otel`:
# `from critique_graph import *` works without extras.
__all__ = [
    "Chain",
    "ChatTransformers",
    "ChatVLLM",
    "Context",
    "Critique",
    "FunctionGrader",
    "GenerationContext",
    "Grade",
    "ImprovementContext",
    "ImprovementProblems",
    "LabelledProblem",
    "LangSmithFeedback",
    "MathGrader",
    "Problem",
    "Response",
    "SelfTalkContext",
    "Task",
    "Trace",
    "check_pair",
    "compare_strategies",
    "create_actor_critic",
    "create_ask",
    "create_auto_critique",
    "create_chat",
    "create_flawed_paths",
    "create_self_improve",
    "create_self_talk",
    "evaluate_critic",
    "export_rows",
    "generate_data",
    "grade",
    "improve_actor",
    "load_model",
    "load_problems",
    "maj_at_k",
    "make_self_talk",
    "parse_critique",
    "pass_at_k",
    "prompts_ending_in",
    "read_traces",
    "render_critique",
    "run_problems",
    "run_study",
    "split_steps",
    "train_task",
]

_LOADED_LATER = {
    "CritiqueMiddleware": "critique_graph.agents.middleware",
    "LabelledProblem": "critique_graph.problems.labelled",
    "LangSmithFeedback": "critique_graph.observe.langsmith",
    "OpenTelemetryEvaluations": "critique_graph.observe.opentelemetry",
    "ImprovementContext": "critique_graph.improve.state",
    "ImprovementProblems": "critique_graph.improve.problems",
    "check_pair": "critique_graph.check.pair",
    "compare_strategies": "critique_graph.compare.pool",
    "create_self_improve": "critique_graph.improve.graph",
    "evaluate_critic": "critique_graph.eval_critic.score",
    "export_rows": "critique_graph.trainers.export",
    "generate_data": "critique_graph.generate.make",
    "improve_actor": "critique_graph.improve.run",
    "make_self_talk": "critique_graph.self_talk.make",
    "run_problems": "critique_graph.solve.run",
    "run_study": "critique_graph.study.run",
    "train_task": "critique_graph.trainers.train_task",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LOADED_LATER[name]), name)
