"""Claims: which runs they are about, what is estimated, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import UnknownNameError, UserError
from mlilt.assessment import Measured
from mlilt.comparison import claims, results
from mlilt.comparison.claims import Judgement, Result
from mlilt.comparison.study import Study, towers_key

# Of 40 queries so many find a right picture among the first ten.
QUERIES = 40


def ranks(found: int, first: int = 0) -> list[int]:
    """Ranks of which `found` are hits, from the query `first` on."""
    hits = {(first + n) % QUERIES for n in range(found)}
    return [1 if n in hits else 60 for n in range(QUERIES)]


@pytest.fixture
def study(write_run: Callable[..., Path]) -> Callable[..., Study]:
    """A study of runs, each given by (language, hits by seed, settings)."""

    def make(*runs: tuple[str, list[int], dict[str, object]]) -> Study:
        read = []
        for language, by_seed, settings in runs:
            for seed, found in enumerate(by_seed):
                name = f"{language}-{'-'.join(f'{v}' for v in settings.values())}-s{seed}".replace("/", "_")
                read += results.read_run(write_run({language: ranks(found, seed)}, name=name, seed=seed, **settings))
        return Study(results.group(read))

    return make


def judged(kind: str, study: Study, **options: object) -> Result:
    return claims.judge(kind, claims.load(kind, options), study)


def single(result: Result) -> Judgement:
    [found] = result.judgements
    return found


FULL = {"strategy": "full", "lr": 1e-4}
SMALL = {"strategy": "layernorm"}


def test_every_kind_says_what_it_is_about_and_finds_nothing_in_nothing() -> None:
    assert len(claims.names()) >= 7
    for kind in claims.names():
        claim = claims.load(kind, {})
        assert claim.says.endswith(".")
        assert claim.quantity
        assert claim.statistic in ("difference", "ratio")
        result = claims.judge(kind, claim, Study([]))
        assert result.judgements == []
        assert result.summary == "Nothing here was measured that this is about."


def test_parity_is_a_difference_held_against_its_margin(study: Callable[..., Study]) -> None:
    made = study(("sw", [20, 20, 20], SMALL), ("sw", [20, 20, 20], FULL))
    found = single(judged("parity", made, below_share=0.5, margin=3.0))
    assert (found.subject, found.where) == ("layernorm", "Swahili")
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.verdict == "holds"
    worse = study(("sw", [2, 2, 2], {**SMALL, "batch_size": 64}), ("sw", [39, 39, 39], {**FULL, "batch_size": 64}))
    lost = single(judged("parity", worse, below_share=0.5, margin=3.0))
    assert lost.value == pytest.approx(100 * (2 - 39) / QUERIES)
    assert lost.verdict == "does not hold"


def test_parity_leaves_out_what_trains_a_larger_share(study: Callable[..., Study]) -> None:
    made = study(("sw", [20, 20], SMALL), ("sw", [20, 20], FULL))
    share = next(row.share for _, row in made.rows() if row.strategy == "layernorm")
    assert judged("parity", made, below_share=share).judgements == []
    assert len(judged("parity", made, below_share=share + 1e-6).judgements) == 1


def test_reaching_a_share_is_a_ratio(study: Callable[..., Study]) -> None:
    made = study(("sw", [30, 30, 30], SMALL), ("sw", [32, 32, 32], FULL))
    found = single(judged("reaches", made, below_share=0.5, share=0.75))
    assert found.value == pytest.approx(100 * 30 / 32)
    assert found.verdict == "holds"
    assert judged("reaches", made, below_share=0.5, share=0.75).threshold == 75


def test_several_languages_are_judged_together_first(study: Callable[..., Study]) -> None:
    made = study(
        ("sw", [10, 12, 11], SMALL), ("sw", [20, 20, 20], FULL), ("yo", [20, 20, 20], SMALL), ("yo", [20, 20, 20], FULL)
    )
    pooled, *languages = judged("parity", made, below_share=0.5, margin=1.0).judgements
    assert (pooled.pooled, pooled.where) == (True, "all 2 languages")
    assert [j.where for j in languages] == ["Swahili", "Yoruba"]
    assert not any(j.pooled for j in languages)
    assert pooled.value == pytest.approx(np.mean([j.value for j in languages]))


def test_what_seeds_do_in_one_language_they_do_not_do_in_another(study: Callable[..., Study]) -> None:
    """Ten languages tell more than one that is as uncertain, though the seeds have the same numbers."""
    codes = ("sw", "yo", "am", "qu", "te", "ha", "zu", "hi", "fr", "ar")
    reached = (([5, 20, 35], SMALL), ([20] * 3, FULL))
    made = study(*((code, hits, setting) for code in codes for hits, setting in reached))
    pooled, *languages = judged("parity", made, below_share=0.5).judgements
    widths = [j.high - j.low for j in languages]
    assert pooled.high - pooled.low < 0.6 * min(widths)


def test_a_reader_is_told_what_holds_where(study: Callable[..., Study]) -> None:
    made = study(("sw", [20, 20, 20], SMALL), ("sw", [20, 20, 20], FULL))
    assert judged("parity", made, below_share=0.5).summary == "Of 1 single comparisons it holds in 1."


def test_scarce_looks_at_small_sets_alone_and_says_how_small(study: Callable[..., Study]) -> None:
    runs = []
    for concepts, ours in ((50, 30), (500, 10), (None, 10)):
        setting = {} if concepts is None else {"concepts": concepts}
        runs += [("sw", [ours] * 3, {**SMALL, **setting}), ("sw", [12] * 3, {**FULL, **setting})]
    found = single(judged("scarce", study(*runs), concepts=200))
    assert (found.point, found.verdict) == ("50 concepts", "holds")
    assert found.value == pytest.approx(100 * 18 / QUERIES)


def test_growth_compares_each_size_with_the_one_before(study: Callable[..., Study]) -> None:
    runs = [("sw", [n] * 3, {**SMALL, "concepts": c}) for c, n in ((50, 5), (100, 15), (200, 16))]
    result = judged("grows", study(*runs), axis="concepts", order=[50, 100, 200])
    assert [(j.point, j.value) for j in result.judgements] == [
        ("100 concepts", pytest.approx(100 * 10 / QUERIES)),
        ("200 concepts", pytest.approx(100 * 1 / QUERIES)),
    ]


def test_a_budget_is_spent_on_the_towers_that_validation_says_are_best(
    write_run: Callable[..., Path], study: Callable[..., Study]
) -> None:
    read = []
    for vision, strategy, found, validation in (
        ("efficientnet-lite0", "layernorm", 10, 0.2),
        ("efficientnet-lite1", "layernorm", 30, 0.4),
        ("efficientnet-lite0", "full", 20, 0.3),
        ("efficientnet-lite1", "full", 39, 0.1),
    ):
        for seed in range(2):
            folder = write_run(
                {"sw": ranks(found)},
                name=f"{vision}-{strategy}-{seed}",
                strategy=strategy,
                vision=vision,
                seed=seed,
                budget_s=9.0,
            )
            [run] = results.read_run(folder)
            curve = [{"epoch": 1.0, "step": 1.0, "text_to_image_recall_at_10": validation}]
            read.append(run._replace(record=run.record.model_copy(update={"validation": curve})))
    found_best = single(judged("budget", Study(results.group(read))))
    assert found_best.value == pytest.approx(100 * (30 - 20) / QUERIES)
    assert "efficientnet-lite1 against e5-small + efficientnet-lite0" in found_best.point


def test_a_joint_model_is_held_against_each_languages_own(write_run: Callable[..., Path]) -> None:
    read = []
    for lang, hits in (({"sw": 20}, "alone"), ({"yo": 10}, "alone"), ({"sw": 25, "yo": 30}, "joint")):
        for seed in range(2):
            places = {code: ranks(n) for code, n in lang.items()}
            read += results.read_run(write_run(places, name=f"{'-'.join(lang)}-{hits}-{seed}", seed=seed))
    result = judged("together", Study(results.group(read)))
    values = {j.where: j.value for j in result.judgements if not j.pooled}
    assert values == {"Swahili": pytest.approx(100 * 5 / QUERIES), "Yoruba": pytest.approx(100 * 20 / QUERIES)}


def measured(on: str, hits: int, test: str = "retrieval") -> Measured:
    part, figure = claims_figures(test)
    values = [float(n < hits) for n in range(QUERIES)]
    names = [str(n) for n in range(QUERIES)]
    return Measured(test=test, on=on, part=part, items=names, clusters=names, values={figure: values})


def claims_figures(test: str) -> tuple[str, str]:
    return ("text_to_image", "recall_at_10") if test == "retrieval" else ("", "accuracy")


def test_claims_are_about_full_training_whatever_else_a_report_holds_methods_against(
    study: Callable[..., Study],
) -> None:
    made = study(("sw", [20, 20], SMALL), ("sw", [30, 30], {"strategy": "lora"}), ("sw", [25, 25], FULL))
    reference = next(run for group in made.groups for run in group.runs if run.method.towers.text == "lora")
    against = Study(results.group([run for group in made.groups for run in group.runs], reference))
    [group] = against.groups
    assert {row.strategy for row in group.rows if row.difference is not None} == {"layernorm", "full"}
    found = judged("parity", against, below_share=0.9).judgements
    assert {(j.subject, round(j.value)) for j in found} == {("layernorm", -12), ("lora", 12)}


def test_a_seed_that_one_side_lost_is_left_out_of_what_is_paired(study: Callable[..., Study]) -> None:
    made = study(("sw", [20, 22, 5], SMALL), ("sw", [20, 20], FULL))
    found = single(judged("parity", made, below_share=0.9))
    assert found.value == pytest.approx(100 * 1 / QUERIES)


def test_what_is_kept_is_asked_in_languages_that_were_not_trained(study: Callable[..., Study]) -> None:
    made = study(("sw", [20, 20], SMALL), ("sw", [20, 20], FULL))
    hits = {"layernorm": {"sw": 0, "yo": 30, "am": 20}, "full": {"sw": 40, "yo": 10, "am": 10}}
    assessed = {
        run.folder: [measured(on, n) for on, n in hits[run.record.config.strategy].items()]
        for group in made.groups
        for run in group.runs
    }
    found = single(judged("keeps", Study(made.groups, assessed), test="retrieval"))
    assert found.value == pytest.approx(100 * ((30 - 10) + (20 - 10)) / 2 / QUERIES)
    assert found.verdict == "holds"
    # The text tower alone is asked in all pairs of languages.
    pairs = {folder: [measured("sw-yo", 10, "bitext")] for folder in assessed}
    assert single(judged("keeps", Study(made.groups, pairs), test="bitext")).value == 0
    # Frozen vision towers keep all they know: there is nothing to judge.
    assert judged("keeps", Study(made.groups, pairs), test="neighbours").judgements == []


def test_what_towers_knew_before_is_found_by_the_towers(study: Callable[..., Study]) -> None:
    made = study(("sw", [20], SMALL), ("sw", [20], FULL))
    run = made.groups[0].runs[0]
    known = Study(made.groups, before={towers_key(run.record): [measured("sw-yo", 7, "bitext")]})
    other = run.record.config.model_copy(update={"seed": 4})
    runs = [run, run._replace(record=run.record.model_copy(update={"config": other}))]
    found = known.measured_before(runs, "bitext", "sw-yo")
    assert found is not None
    assert found.values.tolist() == [[float(n < 7) for n in range(QUERIES)]] * 2
    assert found.seeds == tuple(map(results.seed_of, runs))
    assert known.measured_before(runs, "bitext", "am-yo") is None


@pytest.mark.parametrize(
    ("kind", "options", "error", "said"),
    [
        ("partiy", {}, UnknownNameError, "Did you mean parity?"),
        ("parity", {"margn": 3}, UserError, "The claim parity has mistakes: margn: Unexpected keyword argument"),
        ("parity", {"margin": "much"}, UserError, "margin: Input should be a valid number"),
        ("parity", {"below_share": 7}, UserError, "below_share: Input should be less than or equal to 1"),
        ("grows", {"axis": "vison"}, UserError, "vison is no setting of a run"),
        ("keeps", {"test": "rhymes"}, UserError, "test: Input should be 'retrieval'"),
    ],
)
def test_mistakes_in_claims_are_named(kind: str, options: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        claims.load(kind, options)
