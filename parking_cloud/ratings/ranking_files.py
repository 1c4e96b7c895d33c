"""A ranking as rows for files: the operators, and what each of their facilities brought."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from parking_cloud.kernel.sheets import Row
from parking_cloud.ratings.schemas import RankingOut

HEADERS = [
    "季度",
    "名次",
    "经营者",
    "得分",
    "区间下限",
    "区间上限",
    "停车次数",
    "评价数",
    "计分停车场数",
    "说明",
]
PLACE_HEADERS = ["季度", "经营者", "停车场", "停车场得分", "停车次数", "贡献分"]
WHY_NOT = {
    "": "",
    "no_score": "不排名：停车场尚无评分",
    "too_few_stays": "不排名：停车次数不足",
    "too_few_ratings": "不排名：评价数不足",
}
_TRIAL = "试行"


def operator_rows(ranking: RankingOut) -> Iterator[Row]:
    """A row for each operator."""
    for line in ranking.lines:
        said = [WHY_NOT[line.why_not], _TRIAL if ranking.trial else ""]
        yield [
            ranking.quarter,
            "" if line.rank is None else Decimal(line.rank),
            line.name,
            *("" if value is None else _points(value) for value in (line.value, line.low, line.high)),
            Decimal(line.stays),
            Decimal(line.ratings),
            Decimal(line.facilities),
            "；".join(filter(None, said)),
        ]


def place_rows(ranking: RankingOut) -> Iterator[Row]:
    """A row for each facility that counted."""
    for line in ranking.lines:
        for place in line.places:
            yield [
                ranking.quarter,
                line.name,
                place.facility,
                _points(place.value),
                Decimal(place.stays),
                _points(place.points),
            ]


def _points(value: float) -> Decimal:
    return Decimal(f"{value:.1f}")
