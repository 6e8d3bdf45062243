"""The figures as a table, and asyncjobd's ratios to the best peer as a plot."""

from pathlib import Path

Medians = dict[str, dict[str, float]]

OURS = "asyncjobd"
RATES = ", jobs/s"  # figures of which more is better; less is better of all others


def is_rate(figure: str) -> bool:
    return RATES in figure


def best_peer(figure: str, by_name: dict[str, float]) -> str | None:
    peers = [name for name in by_name if name != OURS]
    if not peers:
        return None
    return (max if is_rate(figure) else min)(peers, key=lambda name: by_name[name])


def ratio(figure: str, by_name: dict[str, float]) -> float | None:
    """Return our figure divided by the best peer's, or None without both."""
    best = best_peer(figure, by_name)
    if best is None or OURS not in by_name or not by_name[best]:
        return None
    return by_name[OURS] / by_name[best]


def table(medians: Medians) -> str:
    names = list(dict.fromkeys(name for by_name in medians.values() for name in by_name))
    lines = ["| | " + " | ".join(names) + " | ours to the best peer |", "|---" * (len(names) + 2) + "|"]
    for figure, by_name in sorted(medians.items()):
        values = [
            f"{by_name[name]:,.{0 if by_name[name] >= 100 else 2}f}" if name in by_name else ""
            for name in names
        ]
        against = ratio(figure, by_name)
        lines.append(
            f"| {figure} | " + " | ".join(values) + f" | {'' if against is None else f'{against:.2f}'} |"
        )
    return "\n".join(lines)


def plot(medians: Medians, file: Path) -> None:
    """Plot how many times as good as the best peer asyncjobd is in each figure, on a logarithmic scale."""
    import matplotlib as mpl  # an extra, which only this needs

    mpl.use("agg")
    from matplotlib import pyplot

    rows = [
        (figure, ratio(figure, by_name), best_peer(figure, by_name))
        for figure, by_name in sorted(medians.items())
    ]
    times = [
        (figure, each if is_rate(figure) else 1 / each, best) for figure, each, best in reversed(rows) if each
    ]
    figure, axes = pyplot.subplots(figsize=(10, 0.4 * len(times) + 1.5))
    axes.barh([name for name, _, _ in times], [value for _, value, _ in times], color="#2a6f97")
    for place, (_, value, best) in enumerate(times):
        axes.text(value, place, f" {value:.2f} x {best}", va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("times as good as the best peer, medians of one run")
    axes.margins(x=0.25)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
