"""critique-graph: an actor solves, a critic judges every step, the actor refines."""

from critique_graph.core.context import Context, GenerationContext, SelfTalkContext
from critique_graph.core.critique import parse_critique, render_critique
from critique_graph.core.steps import split_steps
from critique_graph.grading.grader import MathGrader, grade
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.improve.graph import create_self_improve
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.state import ImprovementContext
from critique_graph.metrics.at_k import maj_at_k, pass_at_k
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.nodes.chat_vllm import ChatVLLM
from critique_graph.problems.load import load_problems
from critique_graph.runs.traces import read_traces

__all__ = [
    "ChatTransformers",
    "ChatVLLM",
    "Context",
    "GenerationContext",
    "ImprovementContext",
    "ImprovementProblems",
    "MathGrader",
    "SelfTalkContext",
    "create_actor_critic",
    "create_auto_critique",
    "create_flawed_paths",
    "create_self_improve",
    "create_self_talk",
    "grade",
    "load_problems",
    "maj_at_k",
    "parse_critique",
    "pass_at_k",
    "read_traces",
    "render_critique",
    "split_steps",
]
