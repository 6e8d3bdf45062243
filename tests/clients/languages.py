"""How the programs of howto/other_languages are run, and where their drivers come from."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NODE_MODULES = Path(sys.prefix) / "node_modules"  # npm install --prefix .venv pg
GO_PACKAGES = Path("/usr/share/gocode/src")
JDBC = Path("/usr/share/java/postgresql.jar")


def runs(*command: str) -> Callable[[Path], list[str]]:
    return lambda file: [*command, str(file)]


@dataclass(frozen=True)
class Language:
    """A language.

    Attributes:
        name: Its snippet is client-NAME.
        file: What its program is called.
        package: The package that brings its driver.
        needs: Commands, and files of the driver, which may be patterns.
        command: Returns the command that runs the file.
        replaced: Text of the program, and what stands for it here.
    """

    name: str
    file: str
    package: str
    needs: tuple[str, ...]
    command: Callable[[Path], list[str]]
    replaced: tuple[str, str] = ("", "")

    @property
    def is_here(self) -> bool:
        return all(
            any(Path("/").glob(each[1:])) if each[0] == "/" else shutil.which(each) for each in self.needs
        )


LANGUAGES = [
    Language("node", "enqueue.mjs", "npm: pg", ("node", str(NODE_MODULES / "pg")), runs("node")),
    Language(
        "go", "enqueue.go", "Debian: golang-go golang-github-jackc-pgx-v4-dev",
        ("go", str(GO_PACKAGES / "github.com/jackc/pgx/v4")), runs("go", "run"),
        ("github.com/jackc/pgx/v5", "github.com/jackc/pgx/v4"),  # Debian's
    ),
    Language(
        "java", "Enqueue.java", "Debian: default-jdk-headless libpostgresql-jdbc-java", ("javac", str(JDBC)),
        runs("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", str(JDBC)),
    ),
    Language("ruby", "enqueue.rb", "Debian: ruby-pg", ("ruby", "/usr/lib/ruby/vendor_ruby/pg.rb"), runs("ruby")),
    Language("php", "enqueue.php", "Debian: php-cli php-pgsql", ("php", "/usr/lib/php/*/pdo_pgsql.so"), runs("php")),
    Language("perl", "enqueue.pl", "Debian: libdbd-pg-perl", ("perl", "/usr/lib/*/perl5/*/DBD/Pg.pm"), runs("perl")),
]  # fmt: skip
