"""The words of the page that tells how shared spaces are used, in both languages."""

from __future__ import annotations

SHARING_MONTH_TEXTS: dict[str, dict[str, str]] = {
    "zh-CN": {
        "title": "共享泊位月报",
        "intro": "机关事业单位和国有企业向社会开放的停车泊位，每月公布一次，公布后不再更改。",
        "none": "第一份月报还没有公布。",
        "month": "{month} 月报",
        "published": "公布于 {at}",
        "synthetic": "演示数据",
        "goal": "已开放 {opened} 个，目标 {goal} 个",
        "reached": "完成 {share}%",
        "opened": "开放泊位",
        "open_hours": "开放泊位小时",
        "booked_hours": "预约泊位小时",
        "bookings": "预约",
        "turned_away": "驾驶人登记的被拒入场",
        "closed_on": "临时关闭取消",
        "revenue": "预约收入",
        "never": "名义开放",
        "never_hint": "计划上开放、实际一直停不进去",
        "silent": "其中无法核实",
        "trend": "各月开放泊位",
        "trend_unit": "每月开放的泊位数（个）；虚线是目标 {goal} 个。",
        "bar": "{month}：{n} 个",
        "by_institution": "按单位",
        "institution": "单位",
        "city": "全市",
        "csv": "下载表格（CSV）",
        "other_months": "其他月份",
        "how": "怎么统计的",
        "how_opened": "开放泊位：当月按公布的时段向社会开放过的泊位，每十分钟查看一次。"
        "小时数是泊位数乘以时间。",
        "how_turned": "被拒入场：已预约的车辆在预约时段内未能进入，由驾驶人登记，未使用的时段已退款。",
        "how_never": "名义开放：开放时段内每十分钟查看一次；当月至少查看 5 天，且九成以上的日子里没有一次可用"
        "（无预约却自开放前起一直被占用，或传感器无数据）。",
        "how_revenue": "预约收入：当月开始的预约实收金额，已扣除退款。",
    },
    "en": {
        "title": "Shared spaces, month by month",
        "intro": "Parking spaces that institutions and state enterprises open to everybody. Published each"
        " month, and not changed afterwards.",
        "none": "The first month is not published yet.",
        "month": "{month}",
        "published": "published {at}",
        "synthetic": "demonstration",
        "goal": "{opened} opened of a goal of {goal}",
        "reached": "{share} % of the goal",
        "opened": "Spaces opened",
        "open_hours": "Space-hours open",
        "booked_hours": "Space-hours booked",
        "bookings": "Bookings",
        "turned_away": "Turned away, as drivers said",
        "closed_on": "Cancelled by closings",
        "revenue": "Paid for bookings",
        "never": "Open in name only",
        "never_hint": "open by the plan, and never usable",
        "silent": "of these not seen",
        "trend": "Spaces opened, by month",
        "trend_unit": "Spaces that were open in the month; the broken line is the goal of {goal}.",
        "bar": "{month}: {n}",
        "by_institution": "By institution",
        "institution": "Institution",
        "city": "The city",
        "csv": "Download as a table (CSV)",
        "other_months": "Other months",
        "how": "How this is counted",
        "how_opened": "Spaces opened: those that were open to everybody at any time of the month, by the"
        " published times, looked at every ten minutes. Hours are spaces times hours.",
        "how_turned": "Turned away: booked vehicles that were not let in at their time, as drivers said;"
        " what they had not used was paid back.",
        "how_never": "Open in name only: looked at every ten minutes while open; on at least 5 days of the"
        " month, and usable on fewer than one day in ten (taken since before it opened and without a booking,"
        " or not seen by any sensor).",
        "how_revenue": "Paid for bookings: what was paid for bookings that began in the month, less what went"
        " back.",
    },
}
