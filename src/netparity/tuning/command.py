"""What ``netparity tune`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netparity.errors import InputError
from netparity.files import make_folder, write_whole
from netparity.progress import Reporter
from netparity.training.configuration import Configuration, as_values, configured
from netparity.training.data import Data, load
from netparity.training.folder import WEIGHTS_PLOT
from netparity.training.plain import as_json
from netparity.training.statistics import Mean, mean, standard_error
from netparity.training.toml import as_toml
from netparity.tuning import folder as files
from netparity.tuning.lives import GRACE, SIGNS_PER_GRACE
from netparity.tuning.orders import Orders
from netparity.tuning.plots import draw_curves, draw_importances, draw_study
from netparity.tuning.search import Plan, Searched, search
from netparity.tuning.storage import shown, sqlite_in
from netparity.tuning.summary import Tried, importances, plain, trials


def run(
    values: Mapping[str, Any],
    output: Path,
    plan: Plan,
    *,
    storage: str | None = None,
    workers: int = 1,
    data_dir: Path | None = None,
    grace: float = GRACE,
    progress: Reporter,
) -> dict[str, Any]:
    """Searches for the configuration that validates best, and tests it.

    Args:
        values: those of the configuration that were given: they are not searched.
        output: the folder for everything.
        plan: how long.
        storage: URL of the study; a file in the folder without.
        workers: processes on this machine.
        data_dir: the folder that holds MNIST or CIFAR-10.
        grace: seconds without a sign of life until a worker's trial is tried again.
        progress: told how far it has come.

    Returns:
        What ``study.json`` holds.

    Raises:
        InputError: something given cannot be used, or a file or the study cannot be read or
            written.
    """
    base = configured(values)
    make_folder(output)
    data = load(base, data_dir)
    url = storage or sqlite_in(output)
    orders = Orders(
        storage=url,
        folder=output,
        data_dir=data_dir,
        workers=workers,
        interval=grace / SIGNS_PER_GRACE,
        grace=grace,
    )
    # The seed is no choice: the final runs count from it.
    given = tuple(name for name in values if name != "seed")
    searched = search(plan, orders, base, given, data, progress)
    coarse, fine = trials(searched.coarse), trials(searched.fine)
    result = _result(searched, data, plan, url, coarse, fine)
    _write(output, searched, data, result, coarse, fine)
    return result


def _result(
    searched: Searched,
    data: Data,
    plan: Plan,
    url: str,
    coarse: tuple[Tried, ...],
    fine: tuple[Tried, ...],
) -> dict[str, Any]:
    final: dict[str, Any] = {"seeds": list(searched.results)}
    for part in ("validation", "test"):
        shares = [one[part]["accuracy"] for one in searched.results if one[part] is not None]
        if shares:
            over = mean(shares)
            final[part] = {"mean": over.value, "half_width": over.half_width, "each": shares}
    tests = [one["test"] for one in searched.results if one["test"] is not None]
    if tests:
        rows = tests[0]["rows"]
        final["test"]["rows"] = rows
        final["test"]["standard_error"] = standard_error(final["test"]["mean"], rows)
    return {
        "data": data.description,
        "study": plan.study,
        "storage": shown(url),
        "coarse": plain(coarse),
        "fine": plain(fine),
        "importances": importances(searched.coarse),
        "chosen": as_values(searched.chosen),
        "validation": {
            "mean": searched.validation.value,
            "half_width": searched.validation.half_width,
        },
        "final": final,
    }


def _write(
    output: Path,
    searched: Searched,
    data: Data,
    result: dict[str, Any],
    coarse: tuple[Tried, ...],
    fine: tuple[Tried, ...],
) -> None:
    """Writes all that a search leaves; the plots last, since all else can be had without."""
    comment = f"Chosen by `netparity tune` on {data.description}, by validation."
    write_whole(output / files.CHOSEN, as_toml(as_values(searched.chosen), comment))
    write_whole(output / files.STUDY, as_json(result))
    title = data.description
    write_whole(output / files.HISTORY_PLOT, draw_study(coarse, fine, f"Search on {title}"))
    if result["importances"]:
        picture = draw_importances(result["importances"], f"What matters on {title}")
        write_whole(output / files.IMPORTANCE_PLOT, picture)
    curves = draw_curves(fine or coarse, list(searched.point), f"Learning curves on {title}")
    write_whole(output / files.CURVES_PLOT, curves)
    # Those of the first seed, if it was trained on this machine.
    weights = files.seed_folder(output, searched.chosen) / WEIGHTS_PLOT
    if weights.is_file():
        try:
            picture = weights.read_bytes()
        except OSError as error:
            raise InputError(f"`{weights}` cannot be read: {error.strerror}") from error
        write_whole(output / files.WEIGHTS_PLOT, picture)


def as_text(result: Mapping[str, Any], output: Path) -> str:
    """What a search has found, for a terminal.

    Args:
        result: what ``run`` returned.
        output: the folder.
    """
    lines = [f"{result['data']}; study `{result['study']}` in {result['storage']}"]
    for name in ("coarse", "fine"):
        lines.append(f"{name:<12}{_counted(result[name])}")
    usual = as_values(Configuration())
    described = ", ".join(
        f"{key} {_word(value)}"
        for key, value in result["chosen"].items()
        if value != usual.get(key)
    )
    lines.append(f"{'chosen':<12}{described}; else as by default")
    lines.append(f"{'validation':<12}{_interval(result['validation'])}, the mean over its seeds")
    final = result["final"]
    if "test" in final:
        test = final["test"]
        each = ", ".join(f"{100 * share:.1f}" for share in test["each"])
        lines.append(
            f"{'test':<12}{_interval(test)}, mean of {len(test['each'])} seeds with its 95 % "
            f"interval ({each}); {test['rows']:,} test rows leave a standard error of "
            f"{100 * test['standard_error']:.1f}"
        )
    else:
        lines.append(f"{'test':<12}no rows to test on")
    lines.append(
        f"{'files':<12}{output}; `netparity train {output / files.CHOSEN}` trains it again"
    )
    return "".join(f"{line}\n" for line in lines)


def _interval(measured: Mapping[str, Any]) -> str:
    return Mean(measured["mean"], measured["half_width"]).in_per_cent()


def _counted(stage: list[Mapping[str, Any]]) -> str:
    counts = [
        f"{sum(one['state'] == state for one in stage)} {text}"
        for state, text in (
            ("complete", "run to their end"),
            ("pruned", "ended early"),
            ("diverged", "diverged"),
            ("failed", "lost with their worker and tried again"),
        )
        if any(one["state"] == state for one in stage)
    ]
    values = [one["value"] for one in stage if one["state"] == "complete"]
    best = f"; best {100 * max(values):.1f} %" if values else ""
    return f"{len(stage)} trials: {', '.join(counts) or 'none'}{best}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "×".join(map(str, value))
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_word(item)}" for key, item in value.items()) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
