(() => {
  "use strict";
  const fixed = document.documentElement.dataset.locale;
  const locales = fixed || navigator.languages;
  const count = new Intl.NumberFormat(locales, { numberingSystem: "latn" });

  // Write numbers in the browser's locale, except where that would lose a digit.
  if (!fixed) {
    const formats = new Map();
    const bare = (text) => text.replace(/\D/g, "");
    for (const data of document.querySelectorAll("data")) {
      const digits = data.value;
      const decimals = digits.includes(".") ? digits.length - digits.indexOf(".") - 1 : 0;
      if (decimals > 20) continue;
      if (!formats.has(decimals)) {
        formats.set(decimals, new Intl.NumberFormat(locales, {
          minimumFractionDigits: decimals, maximumFractionDigits: decimals, numberingSystem: "latn",
        }));
      }
      const text = formats.get(decimals).format(digits);
      if (bare(text) === bare(digits)) data.textContent = text;
    }
  }

  // Write times in the browser's zone.
  const clock = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of document.querySelectorAll("time.at:not(.fixed)")) {
    time.textContent = clock.format(new Date(time.dateTime));
  }

  const table = document.getElementById("items");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const form = document.getElementById("filters");
  const status = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const [search, cause, job, type] = ["f-text", "f-cause", "f-job", "f-type"].map((id) => document.getElementById(id));
  let texts;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !texts) texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    let shown = 0;
    for (const row of rows) {
      const { c, j, t } = row.dataset;
      const fits = (!cause.value || c.split(" ").includes(cause.value)) && (!job.value || j === job.value)
        && (!type.value || `=${t}` === type.value) && words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits;
      if (fits) shown += 1;
    }
    status.textContent = shown === rows.length ? `All ${count.format(shown)} shown`
      : `${count.format(shown)} of ${count.format(rows.length)} shown`;
    nothing.hidden = shown > 0;
    table.hidden = shown === 0;
  };

  const compareTexts = new Intl.Collator(locales, { numeric: true }).compare;
  const key = (row, column) => {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    if (data) return Number(data.value);
    const time = cell.querySelector("time");
    return time ? time.dateTime : cell.textContent.trim();
  };
  const compare = (one, other) => (typeof one === "number" && typeof other === "number" ? one - other
    : typeof one === "number" ? 1 : typeof other === "number" ? -1 : compareTexts(one, other));

  const heads = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.sort);
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row) => [key(row, head.cellIndex), row]);
      keyed.sort(([one], [other]) => (down ? compare(other, one) : compare(one, other)));
      body.append(...keyed.map(([, row]) => row));
    });
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  for (const button of document.querySelectorAll("button.show")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      form.reset();
      cause.value = button.dataset.cause;
      filter();
      const heading = document.getElementById("blocked");
      heading.tabIndex = -1;
      heading.focus();
      heading.scrollIntoView();
    });
  }
  filter();
})();
