"""Fits of op models: what they recover, how honest their errors are, and their files."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from analysis.op_model.fit.cross_validation import choose, cross_validate
from analysis.op_model.fit.features import Family, family_of, terms_of
from analysis.op_model.fit.fitted_model import read_model, write_model
from analysis.op_model.fit.fitting import conformal_half_width, fit_model
from analysis.op_model.fit.folds import configurations, folds
from analysis.op_model.fit.recipe_fit import Prepared
from analysis.op_model.fit.recipes import recipes_of
from farm.errors import FormatError, StoreAccessError, UsageError
from tests.invented_sweeps import DEFAULTS, convex, eltwise, matmul


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def test_a_convex_law_is_found_and_its_terms_have_their_meaning() -> None:
    model = fit_model(eltwise(), recipe="compact")
    found = {item.term: item.cycles for item in model.coefficients}
    assert found == pytest.approx({"1": 300, "B": 250, "T": 30, "B (r c - 2)+": 60}, rel=1e-3)
    assert model.validation.rows.mape < 0.01


def test_the_plainest_recipe_that_suffices_is_chosen() -> None:
    assert fit_model(matmul()).recipe == "formula"
    assert fit_model(eltwise()).recipe == "compact"


def test_what_no_term_can_say_is_left_to_the_process() -> None:
    def law(rows):
        return convex(rows) * (
            1 + 0.1 * np.sin(1.5 * np.log2(rows["mblock_m"] * rows["ublock_rt"]))
        )

    rows = eltwise(law)
    model = fit_model(rows)
    assert model.recipe.endswith("+ process")
    assert model.validation.rows.mape < 0.5 * model.validation.by_recipe["full"]
    assert model.validation.rows.mape >= model.training.mape


def test_levels_have_coefficients_of_their_own() -> None:
    import pandas as pd

    slow = eltwise(lambda rows: 3 * convex(rows), fidelity="HiFi4", input_format="Float16_b")
    rows = pd.concat([eltwise(), slow], ignore_index=True)
    model = fit_model(rows, recipe="compact")
    assert model.basis.levels == ("Bfp8_b LoFi", "Float16_b HiFi4")
    assert model.training.mape < 0.05
    assert any(item.term.endswith("[Float16_b HiFi4]") for item in model.coefficients)


def test_depth_is_a_factor_of_the_terms() -> None:
    rows = eltwise(lambda rows: rows["t"] * (convex(rows) - 300))
    deep = eltwise(lambda rows: rows["t"] * (convex(rows) - 300), t=5)
    model = fit_model(rows, recipe="compact")
    estimates = model.predict(deep)
    assert estimates.cycles == pytest.approx(deep["runtime_cycles"].to_numpy(), rel=1e-2)
    assert estimates.is_extrapolated.all()


def test_noise_is_not_learned_and_intervals_hold_what_they_promise() -> None:
    rows = eltwise(noise=0.05, seed=1)
    model = fit_model(rows)
    assert 3.0 < model.validation.rows.mape < 6.0
    fresh = eltwise(noise=0.05, seed=2)
    estimates = model.predict(fresh)
    runtimes = fresh["runtime_cycles"].to_numpy()
    inside = (estimates.low_cycles <= runtimes) & (runtimes <= estimates.high_cycles)
    assert 0.8 <= inside.mean() <= 1.0
    assert (estimates.low_cycles > 0).all()


def test_intervals_widen_where_the_process_has_no_data() -> None:
    def law(rows):
        return convex(rows) * (1 + 0.1 * np.sin(1.5 * np.log2(rows["mblock_m"])))

    model = fit_model(eltwise(law, noise=0.002), recipe="full + process")
    rows = eltwise(law)
    far = rows.assign(mblock_m=rows["mblock_m"] * 64)
    near_width, far_width = (
        np.log(e.high_cycles / e.low_cycles) for e in (model.predict(rows), model.predict(far))
    )
    assert far_width.min() > near_width.max()


def test_standard_errors_shrink_with_data_and_cover_the_truth() -> None:
    few = fit_model(eltwise(noise=0.03), recipe="compact").coefficients
    many = fit_model(eltwise(noise=0.03, n_repeats=1, seed=3), recipe="compact").coefficients
    truth = {"1": 300, "B": 250, "T": 30, "B (r c - 2)+": 60}
    for item in (*few, *many):
        assert item.standard_error > 0
        assert abs(item.cycles - truth[item.term]) < 5 * item.standard_error


def test_repeats_that_leak_into_other_folds_are_seen() -> None:
    def law(rows):
        # Every configuration has a whim of its own, which only its repeats know.
        keys = configurations(rows.assign(runtime_cycles=0.0))
        return convex(rows) * (1 + 0.3 * np.random.default_rng(5).random(keys.max() + 1)[keys])

    model = fit_model(eltwise(law, n_repeats=3))
    assert model.validation.configurations.mape > 2 * model.validation.rows.mape
    assert model.log_half_width > 0.1


def test_folds_keep_units_together_and_deal_out_every_row_once() -> None:
    units = np.array([0, 1, 0, 2, 3, 3, 4, 5])
    dealt = list(folds(units, 3, seed=0))
    assert sorted(np.concatenate([held for _, held in dealt])) == list(range(8))
    for learn, held in dealt:
        assert not set(units[learn]) & set(units[held])
        assert sorted([*learn, *held]) == list(range(8))
    assert len(list(folds(units, 99, seed=0))) == 6


def test_single_folds_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import KFold

    ours = [held.tolist() for _, held in folds(np.arange(23), 5, seed=0)]
    theirs = KFold(5, shuffle=True, random_state=0).split(np.zeros(23))
    assert ours == [held.tolist() for _, held in theirs]


def test_held_back_rows_have_no_influence_on_their_predictions() -> None:
    rows = eltwise(noise=0.02)
    recipes = [Prepared.of(recipe, rows) for recipe in recipes_of(Family.ELTWISE, len(rows))]
    units = np.arange(len(rows))
    runtimes = rows["runtime_cycles"].to_numpy()
    _, held = next(folds(units, 5, seed=0))
    changed = runtimes.copy()
    changed[held] *= 10
    before = cross_validate(recipes, runtimes, units).predictions[held]
    after = cross_validate(recipes, changed, units).predictions[held]
    assert before == pytest.approx(after, rel=0)


def test_the_choice_names_the_error_of_every_recipe() -> None:
    rows = eltwise()
    recipes = [Prepared.of(recipe, rows) for recipe in recipes_of(Family.ELTWISE, len(rows))]
    units = np.arange(len(rows))
    choice = choose(recipes, rows["runtime_cycles"].to_numpy(), units, units)
    assert list(choice.mape) == [recipe.recipe.name for recipe in recipes]
    assert choice.mape["formula"] > choice.mape["compact"]


def test_few_rows_are_not_asked_to_teach_shapes() -> None:
    assert "formula + process" not in {r.name for r in recipes_of(Family.ELTWISE, 24)}
    assert "formula + process" in {r.name for r in recipes_of(Family.ELTWISE, 100)}


@pytest.mark.parametrize("family", list(Family))
def test_no_term_is_ever_negative(family) -> None:
    import pandas as pd

    sizes = {"t": 3, "mblock_m": 2, "mblock_n": 5, "ublock_rt": 2, "ublock_ct": 3, "mblock_k": 4}
    sizes |= {"ublock_kt": 3, "reduce_z": 2, "nz_tiles": 40, "nz_ublocks": 9, "nz_strips": 4}
    rows = pd.DataFrame([DEFAULTS | sizes, DEFAULTS | dict.fromkeys(sizes, 1)])
    for name, values in terms_of(family, rows).items():
        assert (values >= 0).all(), name
        assert np.isfinite(values).all(), name
    assert set(_listed(family)) <= set(terms_of(family, rows))


def _listed(family):
    return [name for recipe in recipes_of(family, 1000) for name in recipe.terms]


def test_families() -> None:
    assert family_of(matmul()) is Family.MATMUL
    assert family_of(eltwise()) is Family.ELTWISE
    assert family_of(eltwise(op="matmul_sparse")) is Family.SPARSE
    assert family_of(eltwise(op="depthwise")) is Family.DEPTHWISE
    assert family_of(eltwise(op="reduce_z", reduce_z=4)) is Family.REDUCE_Z
    assert family_of(eltwise(op="somebody_elses")) is Family.ELTWISE


def test_conformal_half_width_is_an_order_statistic() -> None:
    residuals = np.array([-0.5, 0.1, 0.2, -0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert conformal_half_width(residuals, 0.5) == 0.5
    assert conformal_half_width(residuals, 0.99) == 0.9


def test_models_are_data_and_come_back_the_same(tmp_path) -> None:
    rows = eltwise(noise=0.01)
    for recipe in ("compact", "full + process"):
        model = fit_model(rows, "exp.csv", recipe=recipe)
        path = tmp_path / "models" / "exp.json"
        write_model(path, model)
        again = read_model(path)
        assert json.dumps(again.as_json()) == json.dumps(model.as_json())
        assert json.loads(path.read_text())["source"] == "exp.csv"
        one, other = model.predict(rows), again.predict(rows)
        assert one.cycles.tolist() == other.cycles.tolist()
        assert one.high_cycles.tolist() == other.high_cycles.tolist()


def test_damaged_model_files_are_refused(tmp_path) -> None:
    path = tmp_path / "m.json"
    write_model(path, fit_model(eltwise(noise=0.01), recipe="full + process"))
    good = json.loads(path.read_text())

    def refuse(change, message):
        data = json.loads(json.dumps(good))
        change(data)
        path.write_text(json.dumps(data))
        with pytest.raises(FormatError, match=message):
            read_model(path)

    refuse(lambda d: d.update(format="other"), "not a model file")
    refuse(lambda d: d.update(version=99), "version 99")
    refuse(lambda d: d.pop("basis"), "damaged")
    refuse(lambda d: d["fit"]["coefficients"].pop(), "damaged")
    refuse(lambda d: d["fit"]["process"]["residuals"].pop(), "damaged")
    refuse(lambda d: d.update(log_half_width=math.nan), "damaged")
    refuse(lambda d: d["basis"].update(family="magic"), "damaged")
    path.write_text("not json")
    with pytest.raises(FormatError, match="no JSON"):
        read_model(path)
    with pytest.raises(UsageError, match="No such file"):
        read_model(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreAccessError):
        write_model(tmp_path / "file" / "m.json", fit_model(eltwise(), recipe="compact"))


def test_rows_unlike_the_data_are_refused() -> None:
    model = fit_model(eltwise(), recipe="compact")
    with pytest.raises(UsageError, match="fidelity LoFi, and knows nothing of HiFi4"):
        model.predict(eltwise(fidelity="HiFi4"))
    with pytest.raises(UsageError, match="columns mblock_m"):
        model.predict(eltwise().drop(columns="mblock_m"))


def test_data_that_cannot_be_fitted_is_refused() -> None:
    import pandas as pd

    rows = eltwise()
    with pytest.raises(UsageError, match="9 measured configurations of exp"):
        fit_model(rows.head(9))
    with pytest.raises(UsageError, match="these rows have none"):
        fit_model(rows.head(0))
    with pytest.raises(UsageError, match="one op, and these rows have exp, log"):
        fit_model(pd.concat([rows, eltwise(op="log")]))
    with pytest.raises(UsageError, match="no recipe 'best'"):
        fit_model(rows, recipe="best")
