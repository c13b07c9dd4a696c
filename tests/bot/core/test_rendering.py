"""Rendering: numbered choices, tap links that nobody else can write, pages that fit."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.messages import Option, Outgoing
from bot.core.rendering import PAGE_BYTES, clean, escape, fit, links_in, pages, render, without_links

MENU = Outgoing("请选择：", (Option("计量服务", "计量服务", "m1"), Option("都不是", "都不是")))
LINKED = '<a href="weixin://bizmsgmenu?msgmenucontent=计量服务&msgmenuid=m1">计量服务</a>'


def size(text: str) -> int:
    return len(text.encode())


def test_choices_are_numbered():
    assert render(MENU, links=False) == "请选择：\n1. 计量服务\n2. 都不是"


def test_choices_are_links_where_links_work():
    assert render(MENU, links=True).splitlines()[1] == f"1. {LINKED}"
    assert "msgmenuid=2" in render(MENU, links=True)


def test_choices_alone():
    assert render(Outgoing("", (Option("有帮助", "有帮助"),)), links=False) == "1. 有帮助"


@pytest.mark.parametrize(
    "text", ['a&b"c<d>e%f#g h+i', "GB/T 19001—2016", "50%?=&msgmenuid=9", "一\n二", "😀"]
)
def test_what_a_tap_sends_comes_back(text):
    ((href, label),) = links_in(render(Outgoing("", (Option("选", text, "id-1"),)), links=True))
    query = parse_qs(urlsplit(href).query)
    assert (query["msgmenucontent"], query["msgmenuid"], label) == ([text], ["id-1"], "选")
    assert not re.search(r'[\s"<>#]', href)


@given(
    text=st.text(max_size=200),
    label=st.text(max_size=30),
    send=st.text(max_size=30),
    id_=st.text(max_size=10),
)
@example(
    '<a href="weixin://bizmsgmenu?msgmenucontent=x&msgmenuid=1">x</a>',
    "</a><a href='x'>",
    '"><a href="y">',
    "",
)
def test_nobody_else_writes_a_link(text, label, send, id_):
    outgoing = Outgoing(text, (Option(label, send, id_),))
    assert "<" not in render(outgoing, links=False)
    shown = render(outgoing, links=True)
    assert shown.count("<") == 2
    assert len(links_in(shown)) == 1
    shown.encode()


def test_escaping_keeps_the_sense():
    assert escape("误差<0.5%且>0") == "误差＜0.5%且>0"
    assert escape(escape("a<b")) == escape("a<b")
    assert clean("a\x00\x0b\ud800\ufffeb\n") == "ab\n"


# Pages.


def test_short_texts_are_one_page():
    assert pages("您好。") == ["您好。"]
    assert pages("") == []
    assert pages(" \n ") == []


def test_pages_end_with_sentences():
    text = "压力表应当按期检定。" * 130
    cut = pages(text)
    assert len(cut) == 3
    assert all(page.endswith("。") and size(page) <= PAGE_BYTES for page in cut)
    assert "".join(cut) == text


def test_closing_quotes_stay_with_their_sentence():
    assert pages("他说：“可以。”然后走了。", limit=30) == ["他说：“可以。”", "然后走了。"]
    assert pages("真的？！是的，真的", limit=18) == ["真的？！", "是的，真的"]


def test_numbers_are_not_cut_at_their_points():
    assert pages("误差为 0.125 毫米以内", limit=14)[0] == "误差为"


def test_clauses_serve_when_there_is_no_sentence():
    assert pages("第一项，第二项，第三项", limit=26) == ["第一项，第二项，", "第三项"]


def test_links_are_never_cut():
    text = "说明文字" * 10 + LINKED + "后文" * 10
    for limit in range(size(LINKED), 300, 7):
        cut = pages(text, limit=limit)
        assert "".join(cut) == text
        assert sum(LINKED in page for page in cut) == 1
        assert all(size(page) <= limit for page in cut)


@pytest.mark.parametrize("emoji", ["👨‍👩‍👧‍👦", "👍🏽", "🇨🇳", "❤️", "é", "1️⃣"])
def test_emoji_are_never_cut(emoji):
    cut = pages(emoji * 30, limit=64)
    assert all(page.count(emoji) * len(emoji) == len(page) for page in cut)


def test_a_page_too_small_for_a_character_is_refused():
    with pytest.raises(ValueError, match="at least one character"):
        pages("字", limit=3)


TEXTS = st.text(max_size=400) | st.lists(
    st.sampled_from(
        [
            "压力表",
            "。",
            "！”",
            " ",
            "\n",
            LINKED,
            "<a",
            "</a>",
            "👨‍👩‍👧",
            "🇨🇳",
            "\u200d",
            "\u0301",
            "abc",
            "，",
            ">",
        ]
    ),
    max_size=120,
).map("".join)


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@given(text=TEXTS, limit=st.integers(4, 300))
@example("<a>" * 100, 4)
@example("e" + "\u0301" * 500, 10)
@example(LINKED * 5, 20)
def test_pages_hold_everything_and_fit(text, limit):
    cut = pages(text, limit=limit)
    assert bare("".join(cut)) == bare(clean(text))
    assert all(page and page == page.strip() and size(page) <= limit for page in cut)


@pytest.mark.parametrize("piece", ["<a>", "<a href=", "”", "\u200d", "\u0301", "🇨", "a", "。", " "])
def test_hostile_texts_take_no_time(piece):
    assert bare("".join(pages(piece * 20000))) == bare(piece * 20000)


# One message and the rest.


def test_what_fits_is_whole():
    assert fit(MENU, links=True, hint="回复“更多”") == (render(MENU, links=True), ())


def test_what_does_not_fit_waits_behind_the_hint():
    text = "压力表应当按期检定。" * 150
    first, rest = fit(Outgoing(text, MENU.options), links=True, hint="（回复“更多”查看）")
    assert size(first) <= PAGE_BYTES
    assert first.endswith(render(Outgoing("", MENU.options), links=True))
    assert "。\n（回复“更多”查看）\n1. <a" in first
    body = first.split("\n（")[0]
    assert body + "".join(rest) == text


def test_choices_lose_their_links_before_the_text_does():
    options = tuple(
        Option(f"第{number}个很长很长的选择", f"第{number}个很长很长的选择") for number in range(11)
    )
    first, rest = fit(Outgoing("说明。" * 100, options), links=True, hint="更多")
    assert "<a" not in first
    assert size(first) <= PAGE_BYTES
    assert "11. 第10个" in first
    assert not rest


@given(
    text=TEXTS.map(lambda text: text * 9),
    options=st.lists(st.builds(Option, st.text(max_size=120), st.text(max_size=40)), max_size=15),
    links=st.booleans(),
)
def test_the_first_text_always_fits(text, options, links):
    first, rest = fit(Outgoing(text, tuple(options)), links=links, hint="（后面还有内容）")
    assert size(first) <= PAGE_BYTES
    assert all(0 < size(page) <= PAGE_BYTES for page in rest)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            '请选择：\n<a href="weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=x">1. 满意</a>',
            "请选择：\n1. 满意",
        ),
        ("没有链接，a < b", "没有链接，a < b"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("", ""),
    ],
)
def test_people_read_the_choices_without_their_addresses(text: str, read: str) -> None:
    assert without_links(text) == read
