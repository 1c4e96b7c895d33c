// Reading the price off the picture: by pointer, or by the arrow keys once it has the focus.
const chart = document.querySelector(".prices");

if (chart) {
  const points = JSON.parse(chart.dataset.points);
  const mark = chart.querySelector(".mark-at");
  const readout = document.querySelector(".readout");
  let at = 0;

  const show = (index) => {
    at = Math.min(Math.max(index, 0), points.length - 1);
    const [x, y, words] = points[at];
    mark.removeAttribute("hidden");
    const line = mark.querySelector("line");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    const dot = mark.querySelector("circle");
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    readout.textContent = words;
  };

  document.querySelector(".with-script").hidden = false;
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 960;
    show(points.findLastIndex((point) => point[0] <= x));
  });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      show(at + step);
    }
  });
}
