"""Plots: what is drawn is what the data say, where it is known, and can be read."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mlilt.assessment import Measured
from mlilt.comparison import plots, results
from mlilt.comparison.plots import _style, cross_lingual, learning_curves, low_resource, quality, reliability, scaling
from mlilt.comparison.plots._style import Drawn
from mlilt.comparison.results import Group, Run
from mlilt.comparison.study import Study, towers_key
from mlilt.evaluation import statistics

# Of 40 queries so many find a right picture among the first ten.
QUERIES = 40
FULL = {"strategy": "full", "lr": 1e-4}
SMALL = {"strategy": "layernorm"}

Make = Callable[..., list[Run]]


@pytest.fixture
def runs(write_run: Callable[..., Path]) -> Make:
    """Runs of one method: hits by seed, and settings; costs by `costs`, other of the record's by `about`."""

    def make(
        language: str, by_seed: Sequence[int], costs: dict[str, Any] | None = None, about: dict[str, Any] | None = None,
        **settings: Any,
    ) -> list[Run]:  # fmt: skip
        found = []
        for seed, hits in enumerate(by_seed):
            ranks = [1 if (n - seed) % QUERIES < hits else 60 for n in range(QUERIES)]
            name = f"{language}-{'-'.join(f'{v}' for v in settings.values())}-s{seed}".replace("/", "_")
            ranked = dict.fromkeys(language.split("+"), ranks)
            for run in results.read_run(write_run(ranked, name=name, seed=seed, **settings)):
                record = run.record.model_copy(update=about or {})
                changed = record.model_copy(update={"costs": record.costs.model_copy(update=costs or {})})
                found.append(run._replace(record=changed))
        return found

    return make


def drawn(study: Study) -> dict[str, Drawn]:
    return {each.name: each for each in plots.drawn(study)}


def axes_of(each: Drawn) -> list[Axes]:
    assert isinstance(each.figure, Figure)
    return each.figure.axes


def points(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """What error bars stand on, by label."""
    return {str(c.get_label()): list(map(tuple, c.lines[0].get_xydata().tolist())) for c in axes.containers}


def ends(axes: Axes, direction: int = 1) -> dict[str, list[tuple[float, float]]]:
    """Ends of the error bars along y (or x, 0), by label."""
    found = {}
    for c in axes.containers:
        bars = next(b for b in c.lines[2] if np.ptp(b.get_segments()[0][:, 1 - direction]) == 0)
        found[str(c.get_label())] = [tuple(s[:, direction].tolist()) for s in bars.get_segments()]
    return found


def measured(test: str, on: str, values: Sequence[float], part: str = "", **about: Any) -> Measured:
    """Of a test, one value an item, each of another concept."""
    items = [f"c{n}" for n in range(len(values))]
    figures = {"accuracy": list(values), "recall_at_10": list(values)}
    chance = {"recall_at_10": 0.05} if test == "retrieval" else {}
    return Measured(
        test=test, on=on, part=part, items=items, clusters=items, values=figures, chance=chance, about=about
    )


def share(hits: int, of: int = 20) -> list[float]:
    return [1.0] * hits + [0.0] * (of - hits)


def row(group: Group, strategy: str) -> results.Row:
    return next(row for row in group.rows if row.strategy == strategy)


def test_quality_is_drawn_at_its_cost_with_its_interval(runs: Make) -> None:
    study = Study(
        results.group(
            [
                *runs("sw", [20, 24], {"wall_s": 50.0, "peak_rss_bytes": 10**9}, **SMALL),
                *runs("sw", [30, 30], {"wall_s": 400.0, "peak_rss_bytes": 3 * 10**9}, **FULL),
            ]
        )
    )
    [group] = study.groups
    small, full = row(group, "layernorm"), row(group, "full")
    found = drawn(study)
    # Operations were not counted.
    costs = {"share": (small.share, full.share), "time": (50.0, 400.0), "memory": (1e9, 3e9)}
    assert {name for name in found if name.startswith("quality")} == {f"quality-{cost}-sw" for cost in costs}
    for cost, (low, high) in costs.items():
        [axes] = axes_of(found[f"quality-{cost}-sw"])
        assert axes.get_xscale() == "log"
        assert points(axes) == {
            "layernorm": [pytest.approx((low, 22 / QUERIES))],
            "full (lit)": [pytest.approx((high, 30 / QUERIES))],
        }
        interval = small.figures["text_to_image"]["recall_at_10"]
        assert ends(axes)["layernorm"] == [pytest.approx((interval.low, interval.high))]
        bottom, top = axes.get_ylim()
        assert bottom < interval.low < interval.high < top
        assert "chance 10.0 %" in axes.get_ylabel()
    plot = found["quality-time-sw"]
    assert plot.group is group
    assert "layernorm 55.0 [" in plot.alt
    assert "% with 50 s; full (lit) 75.0 [" in plot.alt
    assert plot.alt.endswith("% with 6 min 40 s.")


def test_chance_is_a_line_where_it_is_near(runs: Make) -> None:
    near = Study(results.group([*runs("sw", [5, 6], **SMALL), *runs("sw", [9, 8], **FULL)]))
    far = Study(results.group([*runs("yo", [36, 37], **SMALL), *runs("yo", [36, 38], **FULL)]))

    def lines(study: Study, name: str) -> list[float]:
        [axes] = axes_of(drawn(study)[name])
        return [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]

    assert lines(near, "quality-share-sw") == [0.1]
    assert lines(far, "quality-share-yo") == []


def test_the_mean_over_languages_has_the_interval_of_all(runs: Make) -> None:
    made = [
        runs(code, [at, at + 1], **method)
        for code, hits in (("sw", 10), ("yo", 30))
        for method, at in ((SMALL, hits), (FULL, 20))
    ]
    groups = results.group([run for each in made for run in each])
    plot = drawn(Study(groups))["quality-share-mean-of-2-languages"]
    assert plot.group is None
    expected = statistics.mean([group.sample(row(group, "layernorm")) for group in groups])
    [axes] = axes_of(plot)
    assert points(axes)["layernorm"][0][1] == pytest.approx(20.5 / QUERIES)
    assert ends(axes)["layernorm"] == [pytest.approx((expected.low, expected.high))]


@pytest.mark.parametrize(
    ("values", "name", "tiers"),
    [
        ((0.003, 0.97), lambda x: f"{100 * x:g} %", ()),
        ((104.0, 348.0), quality.clock, quality.SECONDS),
        ((3.10e9, 3.16e9), lambda x: f"{x:g}", ()),
        ((0.5, 90_000.0), quality.clock, quality.SECONDS),
        ((7.0, 7.0), lambda x: f"{x:g}", ()),
        ((1e5, 1e12), lambda x: f"{x:g}", ()),
    ],
)
def test_logarithmic_axes_have_a_few_plain_ticks(values: Any, name: Any, tiers: Any) -> None:
    _, axes = _style.canvas()
    _style.log_axis(axes.xaxis, values, name, tiers)
    low, high = axes.get_xlim()
    assert low < min(values) <= max(values) < high
    ticks = axes.get_xticks()
    assert 3 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    named = [label.get_text() for label in axes.get_xticklabels()]
    assert named == [name(tick) for tick in ticks]
    assert len(set(named)) == len(named)
    assert not any("^" in text or "$" in text for text in named)
    assert not len(axes.xaxis.get_minorticklocs())


def test_methods_at_one_cost_are_told_apart_without_changing_the_data(runs: Make) -> None:
    assert _style.crowds([1.0, 1.001, 100.0, 1.002]) == [(0, 3), (1, 3), (0, 1), (2, 3)]
    study = Study(results.group([*runs("sw", [10, 11], **SMALL), *runs("sw", [12, 13], **FULL)]))
    [axes] = axes_of(drawn(study)["quality-time-sw"])
    [one], [other] = points(axes).values()
    assert one[0] == other[0] == 2.0
    left, right = (
        c.lines[0].get_transform().transform([p])[0][0] for c, p in zip(axes.containers, (one, other), strict=True)
    )
    assert right - left == pytest.approx(4 / 72 * axes.figure.dpi, abs=1e-6)


def test_curves_of_seeds_that_end_apart_are_drawn_as_far_as_all_came(runs: Make) -> None:
    def validation(*reached: tuple[float, float]) -> list[dict[str, float]]:
        return [{"epoch": epoch, "text_to_image_recall_at_10": value} for epoch, value in reached]

    one, other = runs("sw", [20, 21], **SMALL)
    curves = [validation((1, 0.2), (2, 0.4), (3.5, 0.5)), validation((1, 0.4), (2, 0.4), (2.5, 0.6))]
    of_seeds = [
        run._replace(record=run.record.model_copy(update={"validation": curve}))
        for run, curve in zip((one, other), curves, strict=True)
    ]
    epochs, values = learning_curves.curve(of_seeds)  # type: ignore[misc]
    assert epochs.tolist() == [1, 2, 2.5]
    np.testing.assert_allclose(values, [[0.2, 0.4, 0.4 + 0.1 / 3], [0.4, 0.4, 0.6]])
    assert learning_curves.curve([one, of_seeds[1]]) is None
    found = drawn(Study(results.group([*of_seeds, *runs("sw", [20, 21], **FULL)])))["learning-curves-sw"]
    [axes] = axes_of(found)
    [line] = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [0.3, 0.4, (0.6 + 0.4 + 0.1 / 3) / 2])
    assert "layernorm 30.0 % at epoch 1, 51.7 % at the end" in found.alt


def test_reliability_counts_every_query_of_all_seeds(runs: Make) -> None:
    found = results.group(runs("sw", [20, 21], **SMALL))
    bins = [
        {"error": 0.10, "counts": [1, 0, 3], "bin_confidence": [0.1, None, 0.9], "bin_accuracy": [0.0, None, 0.5]},
        {"error": 0.30, "counts": [3, 0, 1], "bin_confidence": [0.2, None, 0.8], "bin_accuracy": [0.4, None, 1.0]},
    ]
    assessed = {
        run.folder: [measured("calibration", "sw", [0.0, 1.0], **about)]
        for run, about in zip(found[0].runs, bins, strict=True)
    }
    study = Study(found, assessed)
    curve = reliability.reliability(study, found[0].runs, "sw")
    assert curve is not None
    np.testing.assert_allclose(curve.confidence, [0.7 / 4, 3.5 / 4])
    np.testing.assert_allclose(curve.accuracy, [1.2 / 4, 2.5 / 4])
    assert curve.error == pytest.approx(0.2)
    plot = drawn(study)["reliability-sw"]
    [axes] = axes_of(plot)
    line = next(line for line in axes.lines if line.get_label() == "layernorm: ECE 20.0 %")
    np.testing.assert_allclose(line.get_xdata(), curve.confidence)
    # Over all 8 queries, 0.46 right and 0.525 sure.
    assert "layernorm 20.0 %, less often right than sure" in plot.alt
    first = found[0].runs[0].folder
    assert "reliability-sw" not in drawn(Study(found, {first: assessed[first]}))


def test_differences_cross_zero_between_neighbours_in_the_logarithm() -> None:
    # From +3 at 100 to -1 at 1,000: three quarters of the way in the logarithm.
    assert low_resource.crossings([10, 100, 1000], [5, 3, -1]) == [pytest.approx(100 * 10**0.75)]
    assert low_resource.crossings([10, 100, 1000], [1, -1, 1]) == [
        pytest.approx(10 * 10**0.5), pytest.approx(100 * 10**0.5)
    ]  # fmt: skip
    assert low_resource.crossings([10, 100, 1000], [1, 0, -1]) == [pytest.approx(100)]
    assert low_resource.crossings([10, 100, 1000], [1, 0, 1]) == []
    assert low_resource.crossings([10, 100], [0, 0]) == []
    assert [low_resource.rounded(n) for n in (7.4, 87.6, 562.3, 1_749)] == ["7", "88", "560", "1,700"]


@pytest.fixture
def scarce(runs: Make) -> Study:
    """Two languages at 50 concepts, 200 and all; an epoch of 50 has 100 pictures, one of all 3,200."""
    found = []
    for code, shift in (("sw", 0), ("yo", 4)):
        for concepts, ours, theirs in ((50, 12, 6), (200, 16, 18), (None, 20, 28)):
            setting = {} if concepts is None else {"concepts": concepts}
            epoch = [{"epoch": 2.0, "text_to_image_recall_at_10": 0.5}]
            costs = {"pairs": 2 * (2 * concepts if concepts else 3200)}
            for method, hits in ((SMALL, ours), (FULL, theirs)):
                by_seed = [hits + shift, hits + shift]
                found += runs(code, by_seed, costs, {"validation": epoch}, **method, **setting)
    return Study(results.group(found))


def test_low_resource_curves_are_of_each_language_and_their_mean(scarce: Study) -> None:
    found = drawn(scarce)
    assert {name for name in found if name.startswith("low-resource")} == {
        "low-resource-mean-of-2", "low-resource-sw", "low-resource-yo"
    }  # fmt: skip
    mean = found["low-resource-mean-of-2"]
    assert mean.group is None
    upper, lower = axes_of(mean)
    # 200 concepts have 400 pictures an epoch: 3,200 are of 1,600.
    places = [50, 200, 1600]
    assert [label.get_text() for label in lower.get_xticklabels()] == ["50", "200", "all\n≈1,600"]
    expected = [14 / QUERIES, 18 / QUERIES, 22 / QUERIES]
    assert points(upper)["layernorm"] == [pytest.approx(p) for p in zip(places, expected, strict=True)]
    [differences] = (list(map(tuple, c.lines[0].get_xydata().tolist())) for c in lower.containers)
    assert differences == [pytest.approx((50, 15)), pytest.approx((200, -5)), pytest.approx((1600, -20))]
    groups = [g for g in scarce.groups if g.setting.get("concepts") == 50]
    pairs = [(g.sample(row(g, "layernorm")), g.sample(row(g, "full"))) for g in groups]
    of_all = statistics.difference(pairs)
    [bars] = (c.lines[2][0].get_segments() for c in lower.containers)
    assert tuple(bars[0][:, 1]) == pytest.approx((100 * of_all.low, 100 * of_all.high))
    # +15 to -5 between 50 and 200: three quarters of the way.
    crossing = 50 * 4**0.75
    marks = [line.get_xdata()[0] for line in lower.lines if line.get_marker() == "|" and line.get_markersize() == 12]
    assert marks == [pytest.approx(crossing)]
    assert [text.get_text() for text in lower.texts] == ["140"]
    assert "changes its sign at about 140" in mean.alt
    assert "from 50 to all, ≈1,600 concepts: layernorm 35.0 to 55.0 %; full (lit) 20.0 to 75.0 %" in mean.alt


def test_how_many_all_concepts_are_may_be_unknown(runs: Make) -> None:
    found = [r for n in ({"concepts": 50}, {}) for m in (SMALL, FULL) for r in runs("sw", [10, 12], **m, **n)]
    plot = drawn(Study(results.group(found)))["low-resource-sw"]
    _, lower = axes_of(plot)
    assert [label.get_text() for label in lower.get_xticklabels()] == ["50", "all"]
    assert "keeps its sign" in plot.alt


def test_scaling_is_by_parameters_of_both_towers(runs: Make) -> None:
    found = []
    for vision, parameters, hits in (("efficientnet-lite0", 500, 10), ("efficientnet-lite1", 9000, 20)):
        for method in (SMALL, FULL):
            made = runs("sw", [hits, hits + 2], vision=vision, **method)
            tower = made[0].record.vision.model_copy(update={"parameters": parameters, "sha256": vision})
            trained = made[0].record.trained.model_copy(update={"vision_total": parameters})
            changes = {"vision": tower, "trained": trained}
            found += [r._replace(record=r.record.model_copy(update=changes)) for r in made]
    plot = drawn(Study(results.group(found)))["scaling-sw"]
    [axes] = axes_of(plot)
    assert axes.get_xscale() == "log"
    assert points(axes)["layernorm"] == [pytest.approx((1500, 11 / QUERIES)), pytest.approx((10000, 21 / QUERIES))]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1.5 k\nefficientnet-lite0", "10 k\nefficientnet-lite1"]
    assert "from 1.5 k to 10 k parameters in both towers: layernorm 27.5 to 52.5 %" in plot.alt
    # Towers whose sizes lie too close together for their names stand side by side.
    assert scaling.places([100.0, 101.0, 200.0]) == [0, 1, 2]
    assert scaling.places([100.0, 100.0]) == [0, 1]
    assert scaling.places([100.0, 150.0, 200.0]) == [100, 150, 200]


@pytest.fixture
def kept(runs: Make) -> Study:
    """Two languages trained on, asked in a third too; the vision tower trains in two of three methods."""
    methods = {"bitfit": {"strategy": "bitfit"}, "layernorm": {"vision_strategy": "layernorm", "vision_lr": 1e-3},
               "full": {**FULL, "vision_strategy": "full", "vision_lr": 1e-4}}  # fmt: skip
    groups = results.group([r for code in ("sw", "yo") for m in methods.values() for r in runs(code, [20, 24], **m)])
    keeps = {"bitfit": 14, "layernorm": 12, "full": 6}
    assessed: dict[Path, list[Measured]] = {}
    before: dict[str, list[Measured]] = {}
    for group in groups:
        for run in group.runs:
            left = keeps[run.record.config.strategy]
            languages = {on: 17 if on == group.language else left + (on == "am") for on in ("am", "sw", "yo")}
            assessed[run.folder] = [
                *(measured("retrieval", on, share(hits), "text_to_image") for on, hits in languages.items()),
                measured("bitext", "am-sw", share(left + 2)),
                measured("bitext", "sw-yo", share(left)),
                measured("neighbours", "test split", share(left + 1)),
            ]
            before[towers_key(run.record)] = [
                measured("bitext", "am-sw", share(16)),
                measured("bitext", "sw-yo", share(18)),
                measured("neighbours", "test split", share(15)),
            ]
    return Study(groups, assessed, before)


def test_forgetting_is_of_languages_never_trained_against_the_own(kept: Study) -> None:
    found = drawn(kept)
    assert {name for name in found if name.startswith("forgetting")} == {
        "forgetting-mean-of-2", "forgetting-sw", "forgetting-yo"
    }  # fmt: skip
    [axes] = axes_of(found["forgetting-sw"])
    # am and yo, one hit more in am; sw by the run's own test split.
    at = {"bitfit": 14.5 / 20, "layernorm/layernorm (lilt-minus-adapters)": 12.5 / 20, "full/full (clip)": 6.5 / 20}
    assert points(axes) == {name: [pytest.approx((22 / QUERIES, y))] for name, y in at.items()}
    group = next(g for g in kept.groups if g.language == "sw")
    runs = group.members(row(group, "bitfit"))
    samples = [kept.measured(runs, "retrieval", on, "recall_at_10", "text_to_image") for on in ("am", "yo")]
    expected = statistics.mean([s for s in samples if s is not None])
    assert ends(axes)["bitfit"] == [pytest.approx((expected.low, min(1.0, expected.high)))]
    own = group.rows[0].figures["text_to_image"]["recall_at_10"]
    assert ends(axes, 0)["bitfit"] == [pytest.approx((own.low, own.high))]
    assert "(chance 5.0 %)" in axes.get_ylabel()
    assert "(2 languages asked)" in found["forgetting-sw"].alt
    assert "bitfit 72.5 [" in found["forgetting-sw"].alt


def test_change_is_since_before_training_over_all_pairs(kept: Study) -> None:
    found = drawn(kept)
    for name in ("conservation-bitext-sw", "conservation-bitext-mean-of-2"):
        [axes] = axes_of(found[name])
        assert [c.lines[0].get_xdata()[0] for c in axes.containers] == [
            pytest.approx(100 * (left + 1 - 17) / 20) for left in (14, 12, 6)
        ]
        assert [text.get_text() for text in axes.texts] == list(points_of(found["forgetting-sw"]))
        [zero] = [c for c in axes.collections if all((part[:, 0] == 0).all() for part in c.get_segments())]
        assert len(zero.get_segments()) == len(axes.texts)
        assert "from 85.0 % before training" in found[name].alt
    # Where the vision tower is frozen nothing changed.
    [axes] = axes_of(found["conservation-neighbours-sw"])
    assert [c.lines[0].get_xdata()[0] for c in axes.containers] == [pytest.approx(-10), pytest.approx(-40)]
    assert "bitfit" not in found["conservation-neighbours-sw"].alt
    assert not any(n.startswith("conservation") for n in drawn(Study(kept.groups, kept.assessed)))


def points_of(each: Drawn) -> dict[str, list[tuple[float, float]]]:
    return points(axes_of(each)[0])


def test_heat_maps_have_the_languages_in_one_order_and_readable_numbers(kept: Study) -> None:
    found = drawn(kept)
    # The best of those held against full training trains the same towers.
    tables = {"best": [[85, 70, 75], [70, 85, 75]], "full": [[85, 30, 35], [30, 85, 35]]}
    tables["difference"] = (np.array(tables["best"]) - np.array(tables["full"])).tolist()
    for stem, table in tables.items():
        [axes] = axes_of(found[f"cross-lingual-{stem}"])
        [mesh] = axes.collections
        np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(2, 3), table)
        assert [t.get_text() for t in axes.get_xticklabels()] == ["Swahili", "Yoruba", "Amharic"]
        assert [t.get_text() for t in axes.get_yticklabels()] == ["Swahili", "Yoruba"]
        for text, value, paint in zip(axes.texts, np.ravel(table), mesh.cmap(mesh.norm(np.ravel(table))), strict=True):
            sign = "+" if stem == "difference" and value > 0 else ""
            assert text.get_text() == f"{sign}{round(value)}".replace("-", "−")
            assert cross_lingual.contrast(to_rgb(text.get_color()), paint[:3]) >= 4.5
    assert "bitfit" in found["cross-lingual-best"].title
    assert "on average 85.0 % in what was trained, 72.5 % in others" in found["cross-lingual-best"].alt
    assert "on average 0.0 points in what was trained, +40.0 in others" in found["cross-lingual-difference"].alt


@pytest.mark.parametrize("name", [cross_lingual.LEVELS, cross_lingual.DIFFERENCES])
def test_numbers_can_be_read_on_every_colour(name: str) -> None:
    colours = mpl.colormaps[name](np.linspace(0, 1, 256))[:, :3]
    lowest = min(cross_lingual.contrast(to_rgb(cross_lingual.on_colour(c)), c) for c in colours)
    assert lowest >= 4.5


def test_colours_of_methods_are_seen_on_light_and_on_dark() -> None:
    # The figures of the guidelines themselves: black on white is 21 to 1, #767676 the lightest grey above 4.5.
    assert cross_lingual.contrast(to_rgb("#000000"), to_rgb("#ffffff")) == pytest.approx(21)
    assert cross_lingual.contrast(to_rgb("#767676"), to_rgb("#ffffff")) == pytest.approx(4.54, abs=0.005)
    for colour in _style.COLOURS:
        for ground in ("#ffffff", "#15181c", "#1f242a"):
            assert cross_lingual.contrast(to_rgb(colour), to_rgb(ground)) >= 3


def test_costs_are_over_those_of_full_training(runs: Make) -> None:
    ours = {"wall_s": 60.0, "cpu_s": 50.0, "peak_rss_bytes": 300, "saved_bytes": 2, "flops_per_pair": 30.0}
    full = {"wall_s": 120.0, "cpu_s": 200.0, "peak_rss_bytes": 400, "saved_bytes": 100, "flops_per_pair": None}
    groups = results.group([*runs("sw", [10, 11], ours, **SMALL), *runs("sw", [10, 11], full, **FULL)])
    plot = drawn(Study(groups))["costs-sw"]
    [axes] = axes_of(plot)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [pytest.approx(v) for v in (0.5, 0.25, 0.75, 0.02)]
    bars = [segment.tolist() for collection in axes.collections for segment in collection.get_segments()]
    assert [bar[1][0] for bar in bars] == [pytest.approx(v) for v in (0.5, 0.25, 0.75, 0.02)]
    assert all(bar[0][0] == 0 for bar in bars)
    for said in ("time of training layernorm 50.0 %", "peak memory layernorm 75.0 %", "saved run layernorm 2.0 %"):
        assert said in plot.alt
    assert "operations" not in plot.alt


def test_of_many_groups_only_the_largest_of_each_language_have_plots_of_their_own(runs: Make) -> None:
    found = []
    for code in ("sw", "yo", "am"):
        for concepts in ({"concepts": 50}, {"concepts": 100}, {}):
            for method in (SMALL, FULL):
                found += runs(code, [10, 12], **method, **concepts)
    groups = results.group(found)
    assert len(groups) == 9
    own = {each.group.setting.get("concepts") for each in drawn(Study(groups)).values() if each.group is not None}
    assert own == {None}
    few = drawn(Study(groups[:6]))
    assert {each.group.setting.get("concepts") for each in few.values() if each.group is not None} == {None, 50, 100}
    assert "quality-share-am-50-concepts" in few


def test_nothing_is_drawn_where_nothing_is_known(runs: Make) -> None:
    assert plots.draw(Study([])) == []
    # One method, no curves, nothing to hold it against, nothing assessed.
    assert drawn(Study(results.group(runs("sw", [20, 21], **SMALL)))) == {}


def test_files_are_the_same_each_time_and_take_the_colour_of_the_text_around_them(kept: Study) -> None:
    once, again = plots.draw(kept), plots.draw(kept)
    assert once == again
    assert len({plot.name for plot in once}) == len(once) > 10
    for plot in once:
        assert plot.svg.startswith("<svg")
        root = ET.fromstring(plot.svg)
        texts = ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]
        assert len(texts) > 3
        assert "currentColor" in plot.svg
        assert _style.INK not in plot.svg
        # Neither a rule for the page's own elements, nor an address to be asked for.
        assert "<style" not in plot.svg
        assert "<metadata" not in plot.svg
        assert plot.title not in plot.alt
        assert plot.alt.endswith(".")
        assert plot.png.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", plot.png[16:24])
        inches = [float(root.attrib[side].removesuffix("pt")) / 72 for side in ("width", "height")]
        assert (width, height) == pytest.approx([2 * 96 * side for side in inches], abs=1)


def test_full_training_has_the_colour_of_text_and_methods_keep_theirs(kept: Study) -> None:
    looks = _style.Looks(kept)
    by_method = {r.method: looks(r) for _, r in kept.rows()}
    colours = [look["color"] for look in by_method.values()]
    assert len(set(colours)) == len(by_method) == 3
    assert [look["color"] for m, look in by_method.items() if m.towers == results.CLIP] == [_style.INK]
    assert len({(look["marker"], str(look["linestyle"])) for look in by_method.values()}) == 3
