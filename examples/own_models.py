"""Use your own models: served over HTTP, in this process, or any LangChain chat model; by default the miniature.

python examples/own_models.py
python examples/own_models.py openai:ACTOR openai:CRITIC --base-url http://127.0.0.1:8000/v1 --critic-base-url http://127.0.0.1:8001/v1
python examples/own_models.py vllm:Qwen/Qwen2.5-7B-Instruct hf:critics/mine
"""

import argparse

from critique_graph import create_actor_critic, load_model

parser = argparse.ArgumentParser()
parser.add_argument("actor", nargs="?", default="miniature:actor")
parser.add_argument("critic", nargs="?", default="miniature:critic")
parser.add_argument("--base-url")
parser.add_argument("--critic-base-url")
given = parser.parse_args()

actor = load_model(given.actor, base_url=given.base_url)
critic = load_model(given.critic, base_url=given.critic_base_url)  # or ChatAnthropic(...), or any other chat model

question = "Tom has 18 coins. Tom finds 13 more coins. Ann has 9 fewer than Tom. How many coins does Ann have?"
result = create_actor_critic(actor, critic, samples=4, vote="critic_weighted").compile().invoke({"question": question})

for role in ("actor", "critic"):
    usage = result["usage"][role]
    print(f"{role}: {usage['calls']} calls, {usage['input_tokens']} tokens read, {usage['output_tokens']} written")
print("answer:", result["answer"])
