"""Load models and tokenizers that others made: their tensors, configuration and vocabulary, never their code.

Every `from_pretrained` of the package is here.
"""

import json
from pathlib import Path
from typing import Any, cast

from critique_graph.core.errors import InputError, first_line
from critique_graph.engines.torch_companions import hide_unloadable

hide_unloadable()  # before transformers is imported, which would not load
from transformers import (  # noqa: E402
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in a folder or of a name on the hub.

    Raises:
        InputError: There is no tokenizer, or it needs code of its own.
    """
    return cast(PreTrainedTokenizerBase, _loaded(AutoTokenizer, path))


def load_config(path: str | Path) -> PretrainedConfig:
    """Load the configuration in a folder or of a name on the hub; with an adapter, that of its base model.

    Raises:
        InputError: There is no configuration, or it needs code of its own.
    """
    adapter = Path(path) / "adapter_config.json"
    base = json.loads(adapter.read_bytes())["base_model_name_or_path"] if adapter.is_file() else path
    return cast(PretrainedConfig, _loaded(AutoConfig, base))


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


def with_adapters(model: PreTrainedModel, folder: str | Path) -> Any:
    """Give a model with the adapters (peft) in a folder.

    Raises:
        InputError: The adapters have only pickled weights.
    """
    from peft import PeftModel

    check_adapter(Path(folder))
    return PeftModel.from_pretrained(model, folder)


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
