"""critique-graph: an actor solves, a critic judges every step, the actor refines.

Every name loads its module at its first use, so that the import stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from critique_graph.agents.middleware import CritiqueMiddleware as CritiqueMiddleware
    from critique_graph.check.pair import check_pair
    from critique_graph.choose.choose import choose_run
    from critique_graph.compare.pool import compare_strategies
    from critique_graph.core.context import Context, GenerationContext, SelfTalkContext
    from critique_graph.core.critique import parse_critique, render_critique
    from critique_graph.core.schema import Chain, Critique, Grade, Problem, Response, Trace
    from critique_graph.core.steps import split_steps
    from critique_graph.eval_critic.score import evaluate_critic
    from critique_graph.generate.make import generate_data
    from critique_graph.grading.functions import FunctionGrader
    from critique_graph.grading.grader import MathGrader, grade
    from critique_graph.graphs.actor_critic import create_actor_critic
    from critique_graph.graphs.auto_critique import create_auto_critique
    from critique_graph.graphs.chat import create_ask, create_chat
    from critique_graph.graphs.flawed_paths import create_flawed_paths
    from critique_graph.graphs.self_talk import create_self_talk
    from critique_graph.improve.graph import create_self_improve
    from critique_graph.improve.problems import ImprovementProblems
    from critique_graph.improve.run import improve_actor
    from critique_graph.improve.state import ImprovementContext
    from critique_graph.metrics.at_k import maj_at_k, pass_at_k
    from critique_graph.models.load import load_model
    from critique_graph.nodes.chat_transformers import ChatTransformers
    from critique_graph.nodes.chat_vllm import ChatVLLM
    from critique_graph.observe.langsmith import LangSmithFeedback
    from critique_graph.observe.opentelemetry import OpenTelemetryEvaluations as OpenTelemetryEvaluations
    from critique_graph.problems.labelled import LabelledProblem
    from critique_graph.problems.load import load_problems
    from critique_graph.rubric import rubric_task
    from critique_graph.runs.traces import read_traces
    from critique_graph.self_talk.make import make_self_talk
    from critique_graph.solve.merge import merge_runs
    from critique_graph.solve.on_ray import run_on_ray
    from critique_graph.solve.run import run_problems
    from critique_graph.study.run import run_study
    from critique_graph.tasks.task import Task, prompts_ending_in
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
    "choose_run",
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
    "merge_runs",
    "parse_critique",
    "pass_at_k",
    "prompts_ending_in",
    "read_traces",
    "render_critique",
    "rubric_task",
    "run_on_ray",
    "run_problems",
    "run_study",
    "split_steps",
    "train_task",
]

_MODULES = {
    "Chain": "critique_graph.core.schema",
    "ChatTransformers": "critique_graph.nodes.chat_transformers",
    "ChatVLLM": "critique_graph.nodes.chat_vllm",
    "Context": "critique_graph.core.context",
    "Critique": "critique_graph.core.schema",
    "CritiqueMiddleware": "critique_graph.agents.middleware",
    "FunctionGrader": "critique_graph.grading.functions",
    "GenerationContext": "critique_graph.core.context",
    "Grade": "critique_graph.core.schema",
    "ImprovementContext": "critique_graph.improve.state",
    "ImprovementProblems": "critique_graph.improve.problems",
    "LabelledProblem": "critique_graph.problems.labelled",
    "LangSmithFeedback": "critique_graph.observe.langsmith",
    "MathGrader": "critique_graph.grading.grader",
    "OpenTelemetryEvaluations": "critique_graph.observe.opentelemetry",
    "Problem": "critique_graph.core.schema",
    "Response": "critique_graph.core.schema",
    "SelfTalkContext": "critique_graph.core.context",
    "Task": "critique_graph.tasks.task",
    "Trace": "critique_graph.core.schema",
    "check_pair": "critique_graph.check.pair",
    "choose_run": "critique_graph.choose.choose",
    "compare_strategies": "critique_graph.compare.pool",
    "create_actor_critic": "critique_graph.graphs.actor_critic",
    "create_ask": "critique_graph.graphs.chat",
    "create_auto_critique": "critique_graph.graphs.auto_critique",
    "create_chat": "critique_graph.graphs.chat",
    "create_flawed_paths": "critique_graph.graphs.flawed_paths",
    "create_self_improve": "critique_graph.improve.graph",
    "create_self_talk": "critique_graph.graphs.self_talk",
    "evaluate_critic": "critique_graph.eval_critic.score",
    "export_rows": "critique_graph.trainers.export",
    "generate_data": "critique_graph.generate.make",
    "grade": "critique_graph.grading.grader",
    "improve_actor": "critique_graph.improve.run",
    "load_model": "critique_graph.models.load",
    "load_problems": "critique_graph.problems.load",
    "maj_at_k": "critique_graph.metrics.at_k",
    "make_self_talk": "critique_graph.self_talk.make",
    "merge_runs": "critique_graph.solve.merge",
    "parse_critique": "critique_graph.core.critique",
    "pass_at_k": "critique_graph.metrics.at_k",
    "prompts_ending_in": "critique_graph.tasks.task",
    "read_traces": "critique_graph.runs.traces",
    "render_critique": "critique_graph.core.critique",
    "rubric_task": "critique_graph.rubric",
    "run_on_ray": "critique_graph.solve.on_ray",
    "run_problems": "critique_graph.solve.run",
    "run_study": "critique_graph.study.run",
    "split_steps": "critique_graph.core.steps",
    "train_task": "critique_graph.trainers.train_task",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
