from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from tests.report.example import make

from netparity.report.html import Entry, render_html, render_index
from netparity.report.told import Told

VOID = {"meta", "img", "source", "br", "link"}
TOLD = Told(
    id="xor-torch", title="NumPy <b>and</b> PyTorch", summary="Somebody wrote it & wondered.",
    suspects=(("the rate", "equal"),), departures="It departs.", judgement="all is known",
    equal=True,
)  # fmt: skip


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for key, value in attrs if key in {"src", "srcset", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_needs_nothing_else() -> None:
    links = parsed(render_html(make(), TOLD)).links
    assert len(links) == 6
    assert all(link.startswith("data:image/png;base64,") for link in links)


def test_the_page_says_what_the_text_says() -> None:
    page = re.sub(r"\s+", " ", render_html(make(), TOLD))
    for said in (
        "mse-reduction", "½Σ(ŷ−y)²", "83 % of the gap", "MSELoss(reduction=&#34;sum&#34;)",
        "left has no `update`", "grad-clip-kind", "both use 0.3", "it will then say: parity",
        "cancels exactly with init-law", "91.4 %", "All is known.", "the author&#39;s suspicion",
        "It departs.",
    ):  # fmt: skip
        assert said.replace("&#39;", "'") in page.replace("&#39;", "'")


def test_what_comes_from_programs_is_escaped() -> None:
    page = render_html(replace(make(), title="<script>alert(1)</script>"), TOLD)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_light_and_dark() -> None:
    page = render_html(make())
    assert "@media (prefers-color-scheme: dark)" in page
    assert page.count('<source media="(prefers-color-scheme: dark)"') == 3


def test_a_report_of_parity_has_no_causes_section() -> None:
    report = replace(make(), verdict="parity", causes=(), unexplained=(), advice=(), notes=())
    page = render_html(report)
    assert "<h2>Causes" not in page
    assert "<h2>What to do" not in page
    parsed(page)


def test_the_index_links_pages_and_tells_failures() -> None:
    entries = [
        Entry(TOLD, make().to_dict(), "xor-torch.html", "xor-torch/curves.png"),
        Entry(replace(TOLD, id="broken", equal=False), None, failure="it <ended>"),
    ]
    page = render_index(entries, "0.1.0")
    links = parsed(page).links
    assert links.count("xor-torch.html") == 2
    assert "xor-torch/curves.png" in links
    assert "it &lt;ended&gt;" in page
    assert "mse-reduction" in page
