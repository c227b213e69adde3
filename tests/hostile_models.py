"""Folders of models that want to run code where they are loaded: the code creates the file `canary`."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from critique_graph.miniature import weights_path

MODULE = """
from pathlib import Path

Path({canary!r}).touch()

from transformers import LlamaConfig, LlamaForCausalLM, LlamaForTokenClassification, PreTrainedTokenizerFast


class PlantedConfig(LlamaConfig):
    model_type = "planted"


class PlantedModel(LlamaForCausalLM):
    config_class = PlantedConfig


class PlantedClassifier(LlamaForTokenClassification):
    config_class = PlantedConfig


class PlantedTokenizer(PreTrainedTokenizerFast):
    pass


def generate(model, **kwargs):
    pass
"""
AUTO_MAP = {
    "AutoConfig": "modeling_x.PlantedConfig",
    "AutoModelForCausalLM": "modeling_x.PlantedModel",
    "AutoModelForTokenClassification": "modeling_x.PlantedClassifier",
}


class Touch:
    """An object whose pickle creates a file when it is read."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._canary,)


def own_architecture(folder: Path, canary: Path) -> None:
    """A type of model that only the folder's module knows."""
    _change(folder / "config.json", model_type="planted", architectures=["PlantedModel"], auto_map=AUTO_MAP)
    _plant(folder, canary)


def code_beside_a_known_architecture(folder: Path, canary: Path) -> None:
    """A type of model that transformers knows, with code that would take its place."""
    _change(folder / "config.json", auto_map=AUTO_MAP)
    _plant(folder, canary)


def own_tokenizer(folder: Path, canary: Path) -> None:
    """A tokenizer whose class only the folder's module knows."""
    _change(
        folder / "tokenizer_config.json",
        tokenizer_class="PlantedTokenizer",
        auto_map={"AutoTokenizer": [None, "modeling_x.PlantedTokenizer"]},
    )
    _plant(folder, canary)


def pickled_weights(folder: Path, canary: Path) -> None:
    """Weights in a pickle, and no others."""
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Touch(canary)}, folder / "pytorch_model.bin")


def index_of_a_pickle(folder: Path, canary: Path) -> None:
    """An index of safetensors shards, whose only shard is a pickle."""
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Touch(canary)}, folder / "shard.bin")
    index = {"metadata": {"total_size": 1}, "weight_map": {"lm_head.weight": "shard.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def pickle_named_safetensors(folder: Path, canary: Path) -> None:
    """A pickle under the name of a safetensors file."""
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Touch(canary)}, folder / "model.safetensors")


def modules_and_pipelines(folder: Path, canary: Path) -> None:
    """Modules under every name that some tool runs, a pipeline and a way to generate."""
    _change(folder / "config.json", custom_pipelines={"text-generation": {"impl": "modeling_x.generate", "pt": []}})
    _change(folder / "generation_config.json", custom_generate="custom_generate")
    (folder / "custom_generate").mkdir()
    for name in ("custom_generate/generate", "modeling_llama", "tokenization_llama", "handler", "__init__", "conftest"):
        (folder / f"{name}.py").write_text(MODULE.format(canary=str(canary)))
    with (folder / "training_args.bin").open("wb") as file:
        pickle.dump(Touch(canary), file)
    _plant(folder, canary)


def adapter(folder: Path, canary: Path) -> None:
    """A model with an adapter that names a module and comes as a pickle."""
    configuration = {
        "peft_type": "LORA",
        "r": 4,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": str(folder),
        "auto_mapping": {"base_model_class": "PlantedModel", "parent_library": "modeling_x"},
        "auto_map": AUTO_MAP,
    }
    (folder / "adapter_config.json").write_text(json.dumps(configuration))
    torch.save({"base_model.model.lm_head.lora_A.weight": Touch(canary)}, folder / "adapter_model.bin")
    _plant(folder, canary)


def escaping_template(folder: Path, canary: Path) -> None:
    """A chat template that looks for a way out of its sandbox."""
    touch = f"__import__('pathlib').Path('{canary}').touch()"
    ways = (
        f'cycler.__init__.__globals__.os.system("touch {canary}")',
        f"lipsum.__globals__['__builtins__'].eval(\"{touch}\")",
        f"(messages|attr('__class__')).__base__.__subclasses__()[0].__init__.__globals__.eval(\"{touch}\")",
        f"raise_exception.__globals__['__builtins__'].exec(\"{touch}\")",
        f"strftime_now.__func__.__globals__['__builtins__'].exec(\"{touch}\")",
    )
    attempts = "".join(
        f"{{% if messages|length == {number} %}}{{{{ {way} }}}}{{% endif %}}" for number, way in enumerate(ways)
    )
    attempts += "".join(f"{{{{ ({way}) }}}}" for way in ways)
    (folder / "chat_template.jinja").write_text(attempts)


KINDS: tuple[Callable[[Path, Path], None], ...] = (
    own_architecture,
    code_beside_a_known_architecture,
    own_tokenizer,
    pickled_weights,
    index_of_a_pickle,
    pickle_named_safetensors,
    modules_and_pipelines,
    adapter,
    escaping_template,
)


def hostile_model(kind: Callable[[Path, Path], None], folder: Path, canary: Path) -> Path:
    """Make the folder of a hostile model; in all else it is the miniature's actor."""
    folder.mkdir()
    for file in weights_path("actor").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    kind(folder, canary)
    return folder


def _plant(folder: Path, canary: Path) -> None:
    (folder / "modeling_x.py").write_text(MODULE.format(canary=str(canary)))


def _change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
