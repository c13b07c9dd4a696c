"""Normalising, masking and cutting texts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.text import MOST_CHARACTERS, Tokenizer, mask, normalise, synonyms


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("壓力錶多久檢一次？", "压力表多久检一次?"),
        ("ＣＭＡ　和 CNAS", "cma 和 cnas"),
        ("品質管理體系認證", "质量管理体系认证"),
        ("著作權登記", "著作权登记"),
        ("廠裏的線", "厂里的线"),
        ("  多  余\t的\n空 格 ", "多 余 的 空 格"),
        ("零\u200b宽\ufeff字\u00ad符", "零宽字符"),
        ("a\x00b\x07c", "abc"),
        ("１３８００００００００", "13800000000"),
        ("ISO９００１認證", "iso9001认证"),
        ("", ""),
        ("\u200b\u200d", ""),
        ("👍🏻好", "👍🏻好"),
    ],
)
def test_all_ways_of_typing_become_one(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_long_texts_keep_beginning_and_end() -> None:
    text = normalise("开头" + "中间" * 3000 + "结尾")
    assert text.startswith("开头")
    assert len(text) <= MOST_CHARACTERS
    story = normalise("讲" * 1000 + "最后想问压力表多久检一次")
    assert story.endswith("最后想问压力表多久检一次")


@given(st.text(max_size=800))
def test_any_text_is_normalised_once_and_bounded(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert len(once) <= MOST_CHARACTERS
    assert once.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("电话138 0000 0000谢谢", "电话[phone]谢谢"),
        ("１３８－００００－００００", "[phone]"),
        ("固话0898-66660000", "固话[phone]"),
        ("打400-123-4567", "打[phone]"),
        ("邮箱 a.b@example.com 。", "邮箱 [email] 。"),
        ("信用代码91350100M000100Y43", "信用代码[id]"),
        ("身份证11010519491231002X", "身份证[id]"),
        ("NQI-2026-000001 在 2026-11-21T13:13:39.123456Z", "NQI-2026-000001 在 2026-11-21T13:13:39.123456Z"),
        ("GB/T 19001-2016", "GB/T 19001-2016"),
        ("订单12", "订单12"),
    ],
)
def test_personal_numbers_are_masked_and_others_stay(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("run", ["1", "1 ", "0-", "a@", "+86", "9" * 50])
def test_masking_takes_bounded_time_on_hostile_runs(run: str) -> None:
    assert isinstance(mask(run * 3000), str)


def test_terms_of_the_domain_stay_together(tokenizer: Tokenizer) -> None:
    assert tokenizer.words(normalise("我们厂的压力表要强制检定吗？")) == [
        "我们",
        "厂",
        "的",
        "压力表",
        "要",
        "强制检定",
        "吗",
    ]


def test_a_prepared_dictionary_cuts_the_same(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = normalise("想给新出的椰汁做个第三方检测，ISO9001 也问一下")
    first = Tokenizer.load(tmp_path)
    assert list(tmp_path.glob("words-*.cache")), "the second start reads this"
    assert first.words(text) == Tokenizer.load(tmp_path).words(text) == tokenizer.words(text)


def test_a_spoilt_cache_is_made_again(tmp_path: Path) -> None:
    Tokenizer.load(tmp_path)
    path = next(tmp_path.glob("words-*.cache"))
    path.write_bytes(b"spoilt")
    assert Tokenizer.load(tmp_path).words("压力表") == ["压力表"]
    assert path.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert Tokenizer.load(taken).words("压力表") == ["压力表"]


@pytest.mark.parametrize(
    "short",
    ["地标", "sc", "报检", "备案", "自我声明", "首检", "年审", "合格证", "认可", "复检", "认证", "许可"],
)
def test_ambiguous_short_forms_have_no_canonical_term(short: str) -> None:
    assert short not in synonyms()


def test_other_names_lead_to_the_canonical_term() -> None:
    assert synonyms()["强检"] == "强制检定"
    assert synonyms()["69码"] == "商品条码"
