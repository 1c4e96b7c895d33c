// What a driver has reported, and how it stands.
import { element, fillList, row } from "./page.js";

export async function loadReports(api, texts, time) {
  const reports = await api.ask("GET", "/v1/me/reports");
  fillList("reports", reports.map((report) => {
    const item = element("li");
    item.append(row(report.name, element("span", texts[`report_${report.state}`], { class: "tag" })),
      element("p", `${report.number} · ${time(report.received_at)}`, { class: "quiet" }));
    return item;
  }), texts.reports_none);
}
