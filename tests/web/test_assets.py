"""What browsers load: vendored files are what vendor.toml says, names change with the content, and little is loaded."""

import re
from importlib.resources import files

from asyncjobd.web.assets import Assets
from tests.vendor import FOLDER, digest, listed

STATIC = files("asyncjobd.web") / "static"


def test_vendored_files_are_those_that_are_listed() -> None:
    packages = listed()
    for package in packages.values():
        assert digest((FOLDER / package["file"]).read_bytes()) == package["sha256"]
        assert package["licence"] in {"0BSD", "MIT"}
    assert {file.name for file in FOLDER.iterdir()} == {
        "vendor.toml",
        *(each["file"] for each in packages.values()),
    }


def test_name_of_a_file_has_a_digest_of_its_content() -> None:
    assert re.fullmatch(r"app\.[0-9a-f]{12}\.css", Assets().name("app.css"))


def test_scripts_and_styles_are_small() -> None:
    lines = {
        name: len((STATIC / name).read_text().splitlines())
        for name in ("app.css", "forms.js", "live.js", "keys.js")
    }
    assert lines["app.css"] <= 400
    assert lines["live.js"] <= 60
    assert lines["forms.js"] + lines["live.js"] + lines["keys.js"] <= 350
