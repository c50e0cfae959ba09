"""Judges CycloneDX documents by their schema, with everything it leaves open refused."""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for path in map(pathlib.Path, sys.argv[1:]):
    if error := JsonStrictValidator(SchemaVersion.V1_5).validate_str(path.read_text()):
        sys.exit(f"{path}: {error}")
    print(path.name)
