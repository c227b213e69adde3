"""Load models and tokenizers that others made: their tensors, configuration and vocabulary, never their code.

Every `from_pretrained` of the package is here.
"""

from pathlib import Path
from typing import Any, cast

from critique_graph.core.errors import InputError, first_line
from critique_graph.engines.torch_companions import hide_unloadable

hide_unloadable()  # before transformers is imported, which would not load
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase  # noqa: E402


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in a folder or of a name on the hub.

    Raises:
        InputError: There is no tokenizer, or it needs code of its own.
    """
    return cast(PreTrainedTokenizerBase, _loaded(AutoTokenizer, path))


def load_weights(kind: Any, path: str | Path, **settings: Any) -> PreTrainedModel:
    """Load a model from safetensors files.

    Args:
        kind: A model class of transformers, such as `AutoModelForCausalLM`.
        path: A folder, or a name on the hub.
        settings: Further arguments of `from_pretrained`, such as `dtype`.

    Raises:
        InputError: There are no safetensors files, or the model needs code of its own.
    """
    check_adapter(Path(path))
    return cast(PreTrainedModel, _loaded(kind, path, use_safetensors=True, **settings))


def check_adapter(folder: Path) -> None:
    """Refuse an adapter that has only pickled weights.

    Raises:
        InputError: There is an adapter, but no `adapter_model.safetensors`.
    """
    has_adapter = (folder / "adapter_config.json").is_file()
    if has_adapter and not (folder / "adapter_model.safetensors").is_file():
        raise InputError(f"{folder}: the adapter has no adapter_model.safetensors; pickled weights are refused.")


def _loaded(kind: Any, path: str | Path, **settings: Any) -> Any:
    try:
        # The default None asks at the terminal whether to run a model's code.
        return kind.from_pretrained(path, trust_remote_code=False, **settings)
    except Exception as error:  # bad files fail in many libraries, each in its own way
        if "trust_remote_code" in str(error):
            raise InputError(f"{path} needs code of its own, which is never run here: use another model.") from error
        raise InputError(f"cannot load {path}: {first_line(error)}") from error
