"""A score's lines in words: what was measured, of how much, and what would bring all or nothing."""

from __future__ import annotations

from parking_cloud.ratings.rules import PER, FactRule, Formula, Inputs, Line, Measured, city_mean, drawn_mean
from parking_cloud.ratings.schemas import Fact, Question

NAMES: dict[str, dict[Question | Fact, str]] = {
    "zh-CN": {
        Question.FINDING: "好找（司机评价）",
        Question.NUMBER: "空位数准确（司机评价）",
        Question.PRICE: "价格清楚（司机评价）",
        Question.PAYMENT: "缴费方便（司机评价）",
        Question.STAFF: "人员服务（司机评价）",
        Fact.FRESHNESS: "数据及时",
        Fact.DRIFT: "推算与清点相符",
        Fact.AGREEMENT: "设备与人工核对相符",
        Fact.DOWNTIME: "数据不中断",
        Fact.COMPLAINTS: "申诉成立少",
        Fact.TURN_AWAYS: "预约不被拒",
    },
    "en": {
        Question.FINDING: "Easy to find (drivers)",
        Question.NUMBER: "Number shown was true (drivers)",
        Question.PRICE: "Price was clear (drivers)",
        Question.PAYMENT: "Payment (drivers)",
        Question.STAFF: "Staff (drivers)",
        Fact.FRESHNESS: "Numbers are fresh",
        Fact.DRIFT: "Derived agrees with counted",
        Fact.AGREEMENT: "Devices agree with people",
        Fact.DOWNTIME: "Numbers are there",
        Fact.COMPLAINTS: "Few objections upheld",
        Fact.TURN_AWAYS: "Bookings are honoured",
    },
}
_VOTES = {
    "zh-CN": "{votes} 位司机评价，平均 {mean}；与全市平均 {city} 的 {prior} 票合并后为 {drawn}（满分 5）",
    "en": "{votes} drivers, mean {mean}; joined with {prior} votes at the city's mean {city}"
    " it is {drawn} of 5",
}
_FACTS: dict[Fact, dict[str, str]] = {
    Fact.FRESHNESS: {
        "zh-CN": "取样的 {of} 个泊位次中 {part} 个状态及时",
        "en": "of {of} spaces sampled {part} had a fresh state",
    },
    Fact.DRIFT: {
        "zh-CN": "推算与清点的偏差合计 {part} 辆，占比对泊位次 {of}",
        "en": "derived and counted lay {part} vehicles apart over {of} spaces compared",
    },
    Fact.AGREEMENT: {
        "zh-CN": "人工核对 {of} 次，设备有误 {part} 次",
        "en": "of {of} looks by people {part} found the device wrong",
    },
    Fact.DOWNTIME: {
        "zh-CN": "{of} 次取样中 {part} 次没有及时数据",
        "en": "of {of} samples {part} had no fresh number",
    },
    Fact.COMPLAINTS: {
        "zh-CN": "{of} 次停车中申诉成立 {part} 次",
        "en": "{part} objections upheld in {of} stays",
    },
    Fact.TURN_AWAYS: {
        "zh-CN": "{of} 次预约中 {part} 次到场被拒",
        "en": "of {of} bookings {part} were turned away",
    },
}
_BOUNDS = {
    "zh-CN": "（{share}；{good} 得满分，{bad} 得零分）",
    "en": " ({share}; {good} brings all, {bad} nothing)",
}
_NOT_COUNTED = {
    "none": {"zh-CN": "没有数据，不计入", "en": "nothing is known: not counted"},
    "too_few": {"zh-CN": "数量不足，不计入", "en": "too few: not counted"},
    "not_enough_else": {
        "zh-CN": "已知项目太少，暂不评分",
        "en": "too little else is known for a score",
    },
}


def line_words(line: Line, formula: Formula, inputs: Inputs) -> dict[str, str]:
    """What a line is about and what was measured, in both languages."""
    return {language: _words(language, line, formula, inputs) for language in NAMES}


def _words(language: str, line: Line, formula: Formula, inputs: Inputs) -> str:
    name = NAMES[language][line.input]
    colon = "：" if language == "zh-CN" else ": "
    if line.why_not:
        return f"{name}{colon}{_NOT_COUNTED[line.why_not][language]}"
    if isinstance(line.input, Question):
        return f"{name}{colon}{_votes(language, line.input, formula, inputs)}"
    return f"{name}{colon}{_fact(language, line.input, formula.facts[line.input], inputs.facts[line.input])}"


def _votes(language: str, question: Question, formula: Formula, inputs: Inputs) -> str:
    tally, city = inputs.votes[question], inputs.city.get(question)
    return _VOTES[language].format(
        votes=tally.votes,
        mean=f"{tally.total / tally.votes:.2f}",
        city=f"{float(city_mean(city, formula)):.2f}",
        prior=formula.prior_votes,
        drawn=f"{float(drawn_mean(tally, city, formula)):.2f}",
    )


def _fact(language: str, fact: Fact, rule: FactRule, measured: Measured) -> str:
    said = _FACTS[fact][language].format(part=f"{measured.part:,}", of=f"{measured.of:,}")
    return said + _BOUNDS[language].format(
        share=percent(measured.part / measured.of),
        good=percent(rule.good / PER),
        bad=percent(rule.bad / PER),
    )


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"
