"""Make one path that checks itself: steps, the critique of each step, a mistake and its repair.

python examples/talk.py
"""

from critique_graph import create_self_talk

graph = create_self_talk(
    samples=4, seed=6
).compile()  # create_self_talk(actor, critic, smoother): a smoother rewrites it

question = "Tom has 18 coins. Tom finds 13 more coins. Ann has 9 fewer than Tom. How many coins does Ann have?"
result = graph.invoke({"question": question, "reference": "22"})

kept = [talk for talk in result["talks"] if talk["drop"] is None]
print(max(kept, key=lambda talk: len(talk["thoughts"]))["response"]["text"])
print(f"talks kept: {len(kept)} of {len(result['talks'])}")
