"""Compare asyncjobd with its peers: `python -m tests.benchmarks.compare --runs 3 --plot comparison.png`.

All use one server in turn, each in its own process and its best documented configuration; asyncjobd has its defaults.
Peers are installed from PyPI and npm into --packages the first time. `--check` runs every scenario of asyncjobd alone
with a few jobs, in less than a minute: the figures mean nothing then, but show that the benchmark still works.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from itertools import product
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import ASYNCJOBD, CONTENDERS, Contender, Installation, NotHere
from tests.benchmarks.report import plot, table
from tests.benchmarks.scenarios import CHECK, FULL, ONCE, OURS_ALONE, SCENARIOS

Results = dict[str, dict[str, list[float]]]  # figure -> contender -> one value for each run


async def compare(arguments: argparse.Namespace) -> Results:
    results: Results = defaultdict(lambda: defaultdict(list))
    size = CHECK if arguments.check else FULL
    installed = install(arguments)
    with tempfile.TemporaryDirectory(prefix="asyncjobd-benchmark-", dir=arguments.data) as folder:
        async with Bench(Path(folder), arguments.postgres) as bench:
            for run, scenario, installation in product(range(arguments.runs), arguments.scenarios, installed):
                contender = installation.contender
                if not takes_part(contender, scenario, run, arguments.check):
                    continue
                log(f"run {run + 1}: {scenario} {contender.name} {contender.variant}")
                for figure, value in (await SCENARIOS[scenario](bench, installation, size)).items():
                    figure = f"{figure} ({contender.variant})" if contender.variant else figure
                    results[figure][contender.name].append(value)
                    log(json.dumps([run + 1, figure, contender.name, value]))
    return results


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def takes_part(contender: Contender, scenario: str, run: int, is_check: bool) -> bool:
    if not contender.is_ours and (scenario in OURS_ALONE or (scenario in ONCE and run > 0)):
        return False
    if contender.scenarios is None:
        return True
    return scenario in (contender.scenarios[:1] if is_check else contender.scenarios)


def install(arguments: argparse.Namespace) -> list[Installation]:
    installed = []
    for contender in CONTENDERS:
        if contender.name in arguments.contenders:
            try:
                installed.append(Installation(contender, arguments.packages))
            except NotHere as error:
                log(f"left out: {error}")
    return installed


def main() -> None:
    cache = Path.home() / ".cache" / "asyncjobd-benchmark"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--contenders", nargs="+", default=list(dict.fromkeys(contender.name for contender in CONTENDERS))
    )
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="one short run of asyncjobd alone")
    parser.add_argument("--postgres", default="wheel", help="wheel, system, or a folder of binaries")
    parser.add_argument("--packages", type=Path, default=cache, help="where peers are installed")
    parser.add_argument("--data", help="the folder for the server's data, which are deleted at the end")
    parser.add_argument("--plot", type=Path, help="a PNG of the ratios")
    arguments = parser.parse_args()
    if arguments.check:
        arguments.contenders, arguments.runs = [ASYNCJOBD.name], 1
    results = asyncio.run(compare(arguments))
    medians = {
        figure: {name: statistics.median(values) for name, values in by_name.items()}
        for figure, by_name in results.items()
    }
    print(table(medians))
    if arguments.plot is not None:
        plot(medians, arguments.plot)


if __name__ == "__main__":
    main()
