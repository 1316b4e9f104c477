"""The loader for user-written YAML."""

from typing import ClassVar

import yaml


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader; a dependency of vLLM changes the shared one to read dates as text."""

    yaml_constructors: ClassVar = {
        **yaml.SafeLoader.yaml_constructors,
        "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_timestamp,
    }
