"""Write what is generated of the documentation: `python -m tests.docs`."""

from tests.docs.generated import MAN, files


def main() -> None:
    expected = dict(files())
    for stale in {*MAN.rglob("*.[0-9]")} - expected.keys():
        stale.unlink()
    for path, text in expected.items():
        path.parent.mkdir(exist_ok=True, parents=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path)


if __name__ == "__main__":
    main()
