"""The report: one well-formed page that needs nothing else, for sweeps in any state."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from analysis import charts
from analysis.commands import register
from analysis.linear import solve
from analysis.models import CSV_FILE
from analysis.moments import LineMoments
from analysis.report import write_report
from analysis.report_facts import CardFacts, collect
from farm.errors import StoreAccessError
from farm.store.directory import SweepDirectory
from tests.measured_sweep import commit, generate, journal_incidents

VOID = {"meta", "link", "br", "line", "rect", "path", "circle"}


class Page(HTMLParser):
    """Checks nesting; collects texts and the elements seen."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.attributes = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(directory) -> tuple[str, Page]:
    _, place = write_report(directory)
    path = place.path
    content = path.read_text()
    page = Page(content)
    assert page.open == []
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    addresses = [v for k, v in page.attributes if k in {"href", "src", "action", "srcset"}]
    assert addresses == ["data:,"]
    assert "url(" not in content
    assert "@import" not in content
    assert str(directory.path.parent) not in content
    assert "nan" not in {word.lower() for text in page.texts for word in text.split()}
    return content, page


@pytest.fixture(scope="module")
def partial(tmp_path_factory) -> SweepDirectory:
    root = tmp_path_factory.mktemp("reports") / "part&parcel"
    directory = generate(root, source="/somewhere/on/this/host/copy.py")
    for number, chunk in enumerate(directory.chunks()[:-1]):
        commit(directory, chunk.chunk_id, failing="2x12/64", number=number)
    journal_incidents(root)
    return directory


def test_a_partial_sweep_says_so_and_shows_everything(partial):
    content, page = page_of(partial)
    text = " ".join(page.texts)
    assert "Partial results." in text
    assert "farm run part&parcel" in text
    assert "OUT_OF_MEMORY" in text
    assert "<b>no</b> luck with … elements" in text
    assert "<b>no</b>" not in content
    assert "no progress for 2.0 s <killed>" in text
    assert "#40 abababab" in text
    assert "no vector was measured" in text
    assert "more than 96 elements" in text
    assert "/somewhere" not in content
    assert "copy.py" in text
    # Two charts, the share of outcomes, the activity, and at least six worst groups.
    assert page.tags.count("svg") >= 10


def test_a_sweep_without_results_is_reported_too(tmp_path):
    directory = generate(tmp_path / "fresh")
    _, page = page_of(directory)
    text = " ".join(page.texts)
    assert "Nothing has been measured yet." in text
    assert "No group has a line yet." in text


def test_a_complete_sweep_has_no_banner(tmp_path):
    directory = generate(tmp_path / "whole")
    for number, chunk in enumerate(directory.chunks()):
        commit(directory, chunk.chunk_id, number=number)
    _, page = page_of(directory)
    text = " ".join(page.texts)
    assert "Partial" not in text
    assert "No fault of a card" in text


def test_nothing_can_be_fitted_when_everything_failed(tmp_path):
    directory = generate(tmp_path / "failed")
    commit(directory, directory.chunks()[0].chunk_id, failing="x")
    _, page = page_of(directory)
    assert "No group has a line yet." in " ".join(page.texts)


def test_facts_add_up(partial):
    facts = collect(partial, "size-means")
    assert facts.n_done == sum(card.n_vectors for card in facts.cards)
    assert facts.n_committed == facts.n_chunks - 1
    failed = facts.n_done - facts.counts["OK"]
    assert sum(facts.reasons.values()) == failed
    assert facts.lost_s == pytest.approx(2.9)
    assert [group.label for group in facts.drawn] == ["worst"] * 6 + ["typical"] * 3 + ["best"] * 3
    errors = [group.model.fit.rrmse for group in facts.drawn]
    assert errors == sorted(errors, reverse=True) or errors[0] == max(errors)
    for group in facts.drawn:
        assert len(group.sizes) == group.model.fit.n
    assert 0.01 < facts.noise < 0.05


def test_out_must_be_a_file(partial, tmp_path):
    with pytest.raises(StoreAccessError, match="is a directory"):
        write_report(partial, tmp_path)
    with pytest.raises(StoreAccessError, match="cannot write"):
        write_report(partial, tmp_path / "missing" / "page.html")
    _, place = write_report(partial, tmp_path / "page.html")
    path = place.path
    assert path.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("r2", [[1.0], [0.0], [0.5, 0.99, 1 - 1e-12, 1.0]])
def test_histogram_takes_any_r2(r2):
    assert Page(charts.r2_histogram(np.array(r2))).open == []


def test_error_lines_take_exact_fits():
    drawing = charts.error_distribution({"RRMSE": np.zeros(1), "RMSRE": np.empty(0)})
    assert drawing.count("line0") == 1


def test_panel_of_two_points_far_from_zero():
    x, y = 2.0**30 + np.arange(2), np.array([0.0, 0.0])
    fit = solve(LineMoments.from_arrays(np.zeros(2, np.int64), x, y)).fits()[0]
    assert "dots" in charts.group_panel(x, y, fit, "elements", "two points")


def test_activity_of_no_duration():
    card = CardFacts("sim:0", 1, 1, 0.0, [(5.0, 5.0, 1)])
    incidents = [{"card": "sim:0", "time": "not a time"}, {"card": "sim:1"}]
    assert "sim:0" in charts.activity([card], incidents, 5.0, 5.0)


@pytest.fixture
def run():
    app = typer.Typer()
    register(app)

    def invoke(*arguments: str):
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return invoke


@pytest.mark.parametrize("command", ["fit", "predict", "report"])
def test_help_shows_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"farm {command} my-sweep" in result.stdout


def test_commands_fit_then_predict_then_report(run, partial):
    path = str(partial.path)
    fitted = run("fit", path)
    assert "worst groups" in fitted.stdout
    assert (partial.path / CSV_FILE).exists()
    summary = json.loads(run("fit", path, "--over", "size-means", "--json").stdout)
    assert summary["over"] == "size-means"
    assert (summary["n_groups"], summary["n_fitted"]) == (16, 14)
    key = ("grid=1x1", "lanes=8", "layout=tiled")
    answer = run("predict", path, "--op", "copy", *key, "elements=16")
    assert "predicted" in answer.stdout
    assert answer.stderr == ""
    outside = run("predict", path, "--op", "copy", *key, "elements=1000", "--json")
    prediction = json.loads(outside.stdout)
    line = prediction["intercept"] + 1000 * prediction["coefficient"]
    assert prediction["predicted_ns"] == pytest.approx(line)
    assert "outside of the fitted range" in prediction["warnings"][0]
    report = json.loads(run("report", path, "--json").stdout)
    assert report["file"].endswith("report.html")
    assert report["over"] == "size-means"
