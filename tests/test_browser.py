"""The report in a real browser: read, sorted, by keyboard, on a phone, in the dark, by a checker of accessibility."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from ablation.report.figures import catalogue
from conftest import THREE, skip_without

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        skip_without("chromium", "no Chromium here (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def open_report(browser, study):
    """Open the report of the finished study at a width; the page notes what it asks for and complains of."""

    def open_report(width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((study.results / "report/index.html").as_uri())
        return page

    return open_report


def test_nothing_is_asked_of_a_network_and_nothing_complained_of(open_report):
    page = open_report()
    page.evaluate("document.querySelectorAll('details').forEach(element => (element.open = true))")
    shown = page.evaluate(
        "[...document.querySelectorAll('figure svg')].map(svg => svg.getBBox().width > 100 && svg.ariaLabel)"
    )
    assert all(shown)
    scopes = [figure.scope for figure in catalogue().values() if figure.scope != "family"]
    assert len(shown) == len(scopes) + (len(THREE) - 1) * scopes.count("model")
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert page.complaints == []


def column(page, number):
    return page.evaluate(
        "number => [...document.querySelector('table').tBodies[0].rows].map(row => row.cells[number].dataset.value)",
        number,
    )


def test_a_heading_sorts_by_mouse_and_by_keyboard(open_report):
    page = open_report()
    assert column(page, 1) == sorted(column(page, 1), key=float, reverse=True)  # best first, as it comes
    assert page.locator("th[aria-sort=descending]").first.inner_text().startswith("test accuracy")
    parameters = page.get_by_role("button", name="para")
    parameters.click()
    at = page.evaluate("[...document.querySelectorAll('th')].findIndex(heading => heading.ariaSort)")
    assert column(page, at) == sorted(column(page, at), key=float, reverse=True)
    parameters.focus()
    page.keyboard.press("Enter")
    assert column(page, at) == sorted(column(page, at), key=float)
    assert page.locator("th[aria-sort]").count() == 1
    page.get_by_role("button", name="model").first.click()
    assert column(page, 0) == THREE


def test_a_row_can_be_linked_to(open_report, study):
    page = open_report()
    page.goto((study.results / "report/index.html").as_uri() + "#row-model5")
    assert page.evaluate("document.querySelector(':target').cells[0].dataset.value") == "model5"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_no_serious_problem_of_accessibility(open_report, width, scheme):
    page = open_report(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(element => (element.open = true))")
    violations = Axe().run(page).response["violations"]
    serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert [f"{violation['id']}: {violation['help']}" for violation in serious] == []


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_only_tables_scroll_sideways(open_report, width):
    page = open_report(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_figures_follow_the_mode_of_the_page_and_can_be_read_on_a_phone(open_report):
    """Texts and axes have the color of the page's text, and scroll into sight where they would be too small."""
    for scheme in ("light", "dark"):
        page = open_report(390, scheme)
        inks = page.evaluate("""
            [...document.querySelectorAll("figure svg")].map(svg => {
              const text = svg.querySelector("text:not([style*=fill])");
              const line = svg.querySelector("[style*=currentColor]");
              return [text && getComputedStyle(text).fill, line && getComputedStyle(line).stroke];
            }).flat().filter(ink => ink)
        """)
        assert len(inks) > 20 and set(inks) == {page.evaluate("getComputedStyle(document.body).color")}
        sizes = page.evaluate("""
            [...document.querySelectorAll("figure svg text")].map(text => {
              const { a, b } = text.getScreenCTM();
              return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
            })
        """)
        assert min(sizes) > 7
        tabs = page.evaluate(
            "[...document.querySelectorAll('figure .scroll')]"
            ".map(box => [box.scrollWidth > box.clientWidth, box.tabIndex])"
        )
        assert {tuple(tab) for tab in tabs} == {(True, 0), (False, -1)}


def test_it_prints(open_report):
    page = open_report(scheme="dark")
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"  # dark, on paper


def test_it_is_small(study):
    """At most half a megabyte for three models, of which the figures are nearly all."""
    assert (study.results / "report/index.html").stat().st_size < 500_000
