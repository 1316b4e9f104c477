"""The loader of the YAML that users write."""

from typing import ClassVar

import yaml


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader that reads dates as dates: a dependency of vLLM makes the shared one read text."""

    yaml_constructors: ClassVar = {
        **yaml.SafeLoader.yaml_constructors,
        "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_timestamp,
    }
