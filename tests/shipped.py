"""The miniature's tokenizer as it is shipped: reading it takes milliseconds, building it takes seconds."""

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from critique_graph.miniature import weights_path


def shipped_tokenizer() -> PreTrainedTokenizerBase:
    """Read it, so that every test may change its own."""
    return AutoTokenizer.from_pretrained(str(weights_path("actor")))
