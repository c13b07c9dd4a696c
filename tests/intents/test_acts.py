"""What a message does in the conversation, and what only sounds as if it did."""

import pytest

from intents.acts import Act, likely_act, told_act
from intents.text import normalise
from intents.understand import Understander

ACTS = [
    ("你好", "greet"),
    ("您好，请问在吗？", "greet"),
    ("嗨，你好呀", "greet"),
    ("早上好老师", "greet"),
    ("谢谢", "thanks"),
    ("好的谢谢", "thanks"),
    ("非常感谢您！", "thanks"),
    ("3Q", "thanks"),
    ("转人工", "human"),
    ("我想找真人客服", "human"),
    ("能不能转人工客服", "human"),
    ("別用機器人了，轉人工", "human"),
    ("我要投诉", "complaint"),
    ("我要投诉你们的服务专员", "complaint"),
    ("你们推荐的检测机构态度恶劣，我要投诉", "complaint"),
    ("怎么投诉你们平台", "complaint"),
    ("我要提建议", "suggestion"),
    ("有个小建议", "suggestion"),
    ("查进度", "progress"),
    ("我的申请到哪一步了", "progress"),
    ("NQI-2026-000001", "progress"),
    ("帮我看看nqi2026000123办好没", "progress"),
    ("我的投诉处理得怎么样了", "progress"),
    ("取消", "cancel"),
    ("算了，不填了", "cancel"),
    ("撤回我的申请", "cancel"),
    ("菜单", "menu"),
    ("你们能做什么", "menu"),
    ("主選單", "menu"),
    ("再见", "bye"),
    ("好的，拜拜", "bye"),
    ("没别的事了，先这样", "bye"),
    ("是的", "affirm"),
    ("嗯嗯，可以的", "affirm"),
    ("OK 👌", "affirm"),
    ("确认提交", "affirm"),
    ("不是", "deny"),
    ("不用了，谢谢", "deny"),
    ("都不是", "deny"),
    ("你理解错了", "deny"),
]

NEEDS = [
    "谢谢，我想问下压力表多久检一次",
    "取消体系认证证书要什么手续",
    "你们的菜单机要不要检定",
    "你好，我想注册商标",
    "好的，那电子秤检定要带什么",
    "12315投诉怎么处理",
    "在超市买到过期食品怎么投诉",
    "客户投诉怎么处理，要出8D",
    "不是强检的表还要检吗",
    "商标申请进度怎么查",
    "人工目检漏检率高怎么办",
    "对国标征求意见稿怎么提意见",
    "合理化建议制度怎么推行",
    "没有营业执照能卖食品吗",
    "再问一下送检要多少样品",
    "可以帮我查下这个标准是否现行",
]


@pytest.mark.parametrize(("text", "expected"), ACTS)
def test_acts_are_recognised(text: str, expected: str, understander: Understander) -> None:
    assert understander.understand(text).act == expected


@pytest.mark.parametrize("text", NEEDS)
def test_needs_are_not_taken_for_acts(text: str, understander: Understander) -> None:
    assert understander.understand(text).act is None


@pytest.mark.parametrize(
    "text", ["傻逼", "你是机器人吗", "今天天气怎么样", "取消淘宝订单", "我的快递到哪了", "哈哈哈", "。", "😀"]
)
def test_small_talk_is_no_act(text: str, understander: Understander) -> None:
    assert understander.understand(text).act is None


@pytest.mark.parametrize("text", ["压力表多久检一次", "", "检测", "x" * 100])
def test_rules_leave_open_what_they_do_not_know(text: str) -> None:
    assert told_act(normalise(text)) is None


def test_a_light_act_gives_way_to_a_sure_need() -> None:
    scores = {"affirm": 0.9, "none": 0.1}
    assert likely_act(scores, frozenset({"yes"}), need=0.1) is Act.AFFIRM
    assert likely_act(scores, frozenset({"yes"}), need=0.95) is None


def test_without_a_cue_the_model_must_be_surer() -> None:
    assert likely_act({"thanks": 0.7, "none": 0.3}, frozenset(), need=0.0) is None
    assert likely_act({"thanks": 0.7, "none": 0.3}, frozenset({"thank"}), need=0.0) is Act.THANKS
    assert likely_act({"thanks": 0.95, "none": 0.05}, frozenset(), need=0.0) is Act.THANKS


def test_what_others_did_is_no_act_towards_us() -> None:
    scores = {"complaint": 0.9, "none": 0.1}
    assert likely_act(scores, frozenset({"bad", "others"}), need=0.0) is None
    assert likely_act(scores, frozenset({"bad", "others", "us"}), need=0.0) is Act.COMPLAINT
