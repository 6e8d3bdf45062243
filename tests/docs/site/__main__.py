"""Write the documentation as a site: `python -m tests.docs.site FOLDER`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from asyncjobd.monitoring.documentation import SECTIONS
from tests.docs.snippets import DOCS

HERE = Path(__file__).parent
PARTS = ("index.md", "python_api.rst")  # what the site has beside the pages


def build(folder: Path, builder: str = "html") -> int:
    """Write the site; return the exit code of Sphinx, to which a link that leads nowhere is an error.

    `builder`: "dummy" writes nothing, and finds the same faults in half the time.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        shutil.copytree(DOCS, source)
        for part in PARTS:
            shutil.copy(HERE / part, source)
        for section, title in SECTIONS.items():
            contents = f"# {title}\n\n```{{toctree}}\n:glob:\n\n*\n```\n"
            (source / section / "index.md").write_text(contents)
        options = ["-b", builder, "-W", "--keep-going", "-q", "-d", f"{temporary}/doctrees"]
        return subprocess.run(
            [sys.executable, "-m", "sphinx", *options, "-c", str(HERE), str(source), str(folder)]
        ).returncode


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
