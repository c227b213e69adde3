"""Embed the loop: ask one question and look at what happened.

python examples/embed.py
"""

from critique_graph import create_actor_critic

QUESTION = "Ann has 12 apples. Ann buys 15 more. Ann gives 9 of them to Ben. How many apples does Ann have?"

graph = create_actor_critic(samples=4, rounds=1).compile()
result = graph.invoke({"question": QUESTION})

for chain in result["chains"]:
    for critique in (round_["critique"] for round_ in chain["rounds"]):
        print(f"chain {chain['index']}: the critic says {critique['final']}")
print(f"answer {result['answer']} by {result['ballot']['rule']} vote, {result['usage']['total']['calls']} calls")
