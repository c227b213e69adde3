"""An evaluation as rows of a table, for the terminal, the benchmark and the model card."""

from critique_graph.metrics.intervals import Rate
from critique_graph.miniature_training.evaluate import HARDER_FROM, PairEvaluation


def evaluation_rows(evaluation: PairEvaluation) -> list[tuple[str, str]]:
    """Give the name and value of everything that was measured; rates have their interval and n."""
    actor, critic, its_round = evaluation.actor, evaluation.critic, evaluation.round
    rows = [
        ("actor, greedy", _share(actor.greedy)),
        *((f"  {level} steps", _share(rate)) for level, rate in actor.greedy_by_level.items()),
        *((f"  {level} steps, sampled", _share(rate)) for level, rate in actor.sampled_by_level.items()),
        (f"actor, pass@{evaluation.samples}", _share(actor.any_of_samples)),
        ("critic's verdict is correct, on sampled answers", _share(critic.verdict)),
        ("  on correct answers", _share(critic.verdict_on_right)),
        ("  on wrong answers", _share(critic.verdict_on_wrong)),
        ("  on problems it does not solve itself", _share(critic.verdict_on_unsolved)),
        ("critic's first wrong step is the first wrong one", _share(critic.located)),
        ("critiques with a verdict", _share(critic.parsed)),
        ("critiques with every step one of the answer's", _share(critic.aligned)),
        ("one round, gate when_wrong", _share(its_round.accuracy)),
        ("  gain", _points(its_round.gain)),
        (f"  gain, fewer than {HARDER_FROM} steps", _points(its_round.gain_easier)),
        (f"  gain, {HARDER_FROM} steps and more", _points(its_round.gain_harder)),
        ("  wrong answers made correct", _share(its_round.repaired)),
        ("  correct answers made wrong", _share(its_round.broken)),
    ]
    for name, arm in evaluation.arms.items():
        rows += [(f"{name} instead", _share(arm.accuracy)), (f"  gain over {name}", _points(arm.critique_gains))]
    if vote := evaluation.vote:
        rows += [
            (f"majority vote of {vote.votes} samples", _share(vote.accuracy)),
            ("  gain over the vote", _points(vote.round_gains)),
            ("  tokens per problem, round and vote", f"{vote.tokens_of_round:.0f} and {vote.tokens_of_vote:.0f}"),
        ]
    return rows


def _share(rate: Rate) -> str:
    return f"{rate.percent()} (n = {rate.n})"


def _points(rate: Rate) -> str:
    return f"{rate.percent(sign='+', unit='points')} (n = {rate.n})"
