"""Measure what more samples would bring: pass@k and maj@k of one question, from a pool of sixteen samples.

python examples/at_k.py
"""

from critique_graph import create_actor_critic, grade, maj_at_k, pass_at_k

QUESTION = (
    "Sam has 4 books. Sam buys 2 more. Leo has 30 more than Sam. Dan has 33 more than Leo. Ida has 10 more books than "
    "Dan. Then Ida sells 18 of the books. Then Ida sells 21 of the books. How many books does Ida have?"
)
ANSWER = "40"

graph = create_actor_critic(samples=16, rounds=0, seed=1).compile()
chains = graph.invoke({"question": QUESTION})["chains"]

votes = [chain["response"]["answer"] for chain in chains]  # equal numbers have equal texts
right = [vote for vote in votes if vote is not None and grade(vote, ANSWER).is_correct]
for k in (1, 2, 4, 8, 16):
    found, voted = pass_at_k(len(votes), len(right), k), maj_at_k(votes, ANSWER, k)
    print(f"k = {k:2}: pass@k {found:.0%}, maj@k {voted:.0%}")
