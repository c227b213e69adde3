"""The page in Chromium, from the disk; skipped without Playwright or without a Chromium on the machine."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import hidden_in
from journal_rows import row
from reported_runs import MIXED, hostile_rows, read_page, texts, write_run
from verb_folders import hostile_folder

from critique_graph.core.schema import Critique, Failure, Judgement, Trace
from critique_graph.report.page import write_report
from critique_graph.runs.journal import JournalRow

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def view(browser: Any) -> Iterator[Any]:
    """A tab that must ask for nothing but the page, and say nothing."""
    tab = browser.new_page(viewport={"width": 1000, "height": 800})
    troubles: list[str] = []
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    tab.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    yield tab
    tab.close()
    assert troubles == []


def opened(view: Any, tmp_path: Path, *folders: Path) -> Any:
    write_report(folders, tmp_path / "report.html")
    view.goto((tmp_path / "report.html").as_uri())
    view.wait_for_selector("#rows tbody tr")
    return view


def ids(view: Any) -> list[str]:
    return view.locator("#rows .id").all_inner_texts()


def test_table_is_searched_and_filtered(view: Any, tmp_path: Path):
    opened(view, tmp_path, write_run(tmp_path / "run", MIXED))
    assert ids(view) == list("abcdefgh")
    view.select_option("#kind", "wrong_to_right")
    assert ids(view) == ["c", "d"]
    view.select_option("#level", "2")
    view.fill("#search", "D")
    expect(view.locator("#rows tbody tr")).to_have_count(1)
    assert ids(view) == ["d"]
    assert view.inner_text("#count") == "1 of 8 problems"
    view.fill("#search", "nothing like it")
    expect(view.locator("#rows tbody tr")).to_have_count(0)
    assert view.inner_text("#count") == "No problem is like this."


def saying(name: str, text: str) -> JournalRow:
    """A problem whose critique says a text."""
    made = row(name, "wrong", "right")
    trace = Trace.model_validate_json(made.trace or b"")
    judged = trace.chains[0].rounds[0]
    critique = judged.critique.model_copy(update={"final_explanation": text})
    chain = trace.chains[0].model_copy(update={"rounds": (judged.model_copy(update={"critique": critique}),)})
    changed = trace.model_copy(update={"chains": (chain,)})
    return JournalRow(name, made.outcome, changed.model_dump_json(by_alias=True).encode())


def test_search_finds_what_is_in_responses_and_critiques_of_every_block(
    view: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("critique_graph.report.blocks.BLOCK_BYTES", 1)  # every problem in a block of its own
    rows = [row("a", "right", "right"), saying("b", "The sum of APPLES is off."), *MIXED[2:6], saying("z", "No apples")]
    opened(view, tmp_path, write_run(tmp_path / "run", rows))
    view.fill("#search", "apples")
    expect(view.locator("#count")).to_have_text("No problem is like this.")
    view.check("#inside")
    expect(view.locator("#count")).to_have_text("2 of 7 problems")
    assert ids(view) == ["b", "z"]
    view.fill("#search", "apples b sum")  # the id, and two words of the critique
    expect(view.locator("#count")).to_have_text("1 of 7 problems")
    assert ids(view) == ["b"]
    view.uncheck("#inside")
    expect(view.locator("#count")).to_have_text("No problem is like this.")


def test_counts_of_the_filters_are_those_of_the_summary(view: Any, tmp_path: Path):
    opened(view, tmp_path, write_run(tmp_path / "run", MIXED))
    assert view.locator("#kind option").all_inner_texts()[:5] == [
        "all problems (8)",
        "wrong → correct (2)",
        "correct → wrong (1)",
        "stayed correct (1)",
        "stayed wrong (1)",
    ]


def test_keys_alone_lead_to_a_problem_on_to_the_next_and_back(view: Any, tmp_path: Path):
    opened(view, tmp_path, write_run(tmp_path / "run", MIXED))
    for key in ("j", "j", "j", "k", "Enter"):
        view.keyboard.press(key)
    view.wait_for_selector("#problem .chain")
    assert view.inner_text("#problem .facts span") == "b"
    view.keyboard.press("ArrowRight")
    expect(view.locator("#problem .facts span").first).to_have_text("c")
    view.keyboard.press("Escape")
    view.wait_for_selector("#rows tbody tr")
    assert view.evaluate("document.activeElement.querySelector('.id').textContent") == "c"
    view.keyboard.press("/")
    expect(view.locator("#search")).to_be_focused()


def test_problem_shows_verdicts_the_refinement_and_the_ballot(view: Any, tmp_path: Path):
    opened(view, tmp_path, write_run(tmp_path / "run", [row("a", "wrong", "right")]))
    view.click("#rows a")
    view.wait_for_selector("#problem .chain")
    shown = view.inner_text("#problem")
    for text in ("✗ wrong by the reference", "Refinement 1", "✓ correct by the reference", "Ballot: majority"):
        assert text in shown


def test_problem_shows_the_votes_of_several_critiques_and_each_of_them(view: Any, tmp_path: Path):
    made = row("a", "wrong", "right")
    trace = Trace.model_validate_json(made.trace or b"")
    (chain,) = trace.chains
    turn = chain.rounds[0]
    other = Judgement(critique=Critique(text="All is well.", final="correct"), call=turn.call)
    failure = Failure(kind="timeout", message="no reply")
    turn = turn.model_copy(update={"others": (other,), "failures": (failure,)})
    trace = trace.model_copy(update={"chains": (chain.model_copy(update={"rounds": (turn,)}),)})
    several = JournalRow("a", made.outcome, trace.model_dump_json(by_alias=True).encode())
    opened(view, tmp_path, write_run(tmp_path / "run", [several]))
    view.click("#rows a")
    view.wait_for_selector("#problem .chain")
    assert "3 critiques: 1 wrong, 1 correct, 1 failed." in view.inner_text("#problem")
    view.click("text=Another critique: correct")
    assert "All is well." in view.inner_text("#problem")


def test_runs_side_by_side_lead_from_one_to_the_other(view: Any, tmp_path: Path):
    first = write_run(tmp_path / "first", MIXED[:3])
    second = write_run(tmp_path / "second", [row("b", "right", "right")])
    opened(view, tmp_path, first, second)
    view.select_option("#kind", "differ")
    assert ids(view) == ["a", "b", "c"]
    view.click("#rows tr:nth-child(2) a")
    view.wait_for_selector("#problem .chain")
    view.click("nav >> text=second")
    expect(view.locator("#problem .chip").first).to_contain_text("stayed correct")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(browser: Any, tmp_path: Path, scheme: str):
    tab = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme=scheme)
    opened(tab, tmp_path, write_run(tmp_path / "run", MIXED))
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.click("#rows a")
    tab.wait_for_selector("#problem .chain")
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.close()


def test_hostile_texts_run_nothing_load_nothing_and_hide_nothing(view: Any, tmp_path: Path):
    opened(view, tmp_path, write_run(tmp_path / "run", hostile_rows(texts())))
    for number in range(len(texts())):
        view.evaluate(f"location.hash = '#/{number}'")
        expect(view.locator("#problem .facts span").first).to_contain_text(re.compile(f"^{number} "))
        view.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert hidden_in(view.inner_text("body")) == []
    assert view.evaluate("[...document.querySelectorAll('script')].filter((s) => !s.type).length") == 1
    assert view.locator("img, iframe, object, embed, [onload], [onerror], [onclick], [style]").count() == 0


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_problem_of_every_verb_is_filtered_and_opened(view: Any, tmp_path: Path, made: Any, verb: str):
    opened(view, tmp_path, made[verb][0])
    choice = view.locator(".controls select[id^=filter-]").last
    options = choice.locator("option")
    for value in [options.nth(number).get_attribute("value") for number in range(options.count())]:
        choice.select_option(value)
        for number in range(view.locator("#rows tbody tr").count()):
            view.locator("#rows tbody a").nth(number).click()
            view.wait_for_selector("#problem .chain")
            assert view.locator("#problem .chain").first.is_visible()
            view.keyboard.press("Escape")
            view.wait_for_selector("#rows tbody tr")


def test_filter_opens_the_paths_that_pass_it(view: Any, tmp_path: Path, made: Any):
    opened(view, tmp_path, made["generate"][0])
    strategy, outcome = read_page(tmp_path / "report.html").index["problems"][-1]["cells"][0]["parts"][-1]
    view.select_option("#filter-0", strategy)
    view.select_option("#filter-1", outcome)
    view.click("#rows a")
    view.wait_for_selector("#problem .chain")
    shown = view.locator("#problem .chain[open] > summary").all_inner_texts()
    assert shown
    assert all(strategy in summary and outcome.replace("_", " ") in summary for summary in shown)


@pytest.mark.parametrize("verb", ["generate", "self-talk", "compare", "eval-critic"])
def test_hostile_texts_of_every_verb_run_nothing_and_load_nothing(view: Any, tmp_path: Path, made: Any, verb: str):
    given = texts()
    opened(view, tmp_path, hostile_folder(tmp_path / "run", verb, made[verb][0], given))
    for number in range(len(given)):
        view.evaluate(f"location.hash = '#/{number}'")
        expect(view.locator("#problem .facts span").first).to_contain_text(re.compile(f"^{number} "))
        view.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert hidden_in(view.inner_text("body")) == []
    assert view.evaluate("[...document.querySelectorAll('script')].filter((s) => !s.type).length") == 1
    assert view.locator("img, iframe, object, embed, [onload], [onerror], [onclick], [style]").count() == 0
