"""The error of a configuration that cannot be used."""


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has one text for each mistake: file, table, key, value,
    and what to write instead."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)

    @property
    def problems(self) -> list[str]:
        return [str(problem) for problem in self.args]

    def __str__(self) -> str:
        return "\n".join(self.problems)
