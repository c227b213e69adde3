"""Watch the loop: custom events carry each response, critique, refinement and the ballot as soon as they exist.

python examples/stream.py
"""

import asyncio

from critique_graph import create_actor_critic

QUESTION = "Ben has 30 coins. Ben loses 11 coins. Ben finds 5 more coins. How many coins does Ben have?"


async def main() -> None:
    graph = create_actor_critic().compile()
    async for event in graph.astream({"question": QUESTION}, stream_mode="custom"):
        match event["event"]:
            case "response" | "refinement":
                print(f"{event['event']}: {event['text']}")
            case "critique":
                print(f"critique: {[step['verdict'] for step in event['steps']]} -> {event['final']}")
            case "ballot":
                print(f"answer: {event['winner']}")


asyncio.run(main())
