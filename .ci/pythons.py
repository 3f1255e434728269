"""Print the Pythons that the classifiers of pyproject.toml name, as a line for a workflow; `--version`: our version."""

import json
import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"]]

if sys.argv[1:] == ["--version"]:
    print(project["version"])
else:
    print("pythons=" + json.dumps([match[1] for match in named if match]))
