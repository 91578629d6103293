// Tables sort by the column whose heading is pressed: up, down, then as they were.
const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600, kB: 1e3, MB: 1e6, GB: 1e9 };
const NUMBER = /^\[?([+\u2212-]?[\d,]*\.?\d+)(?:\s*(ms|s|min|h|kB|MB|GB)\b)?/;
function valueOf(row, column) {
  const text = row.cells[column].textContent.replace(/^[▲▼]\s*/, "").trim();
  const found = NUMBER.exec(text);
  if (!found) return text;
  return Number(found[1].replace(/,/g, "").replace("\u2212", "-")) * (UNITS[found[2]] ?? 1);
}
function compared(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, "en", { numeric: true });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.querySelectorAll("thead th")];
  const bodies = [...table.tBodies].map((body) => [body, [...body.rows].filter((row) => !row.matches(".section"))]);
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const next = { ascending: "descending", descending: "none" }[heading.ariaSort] ?? "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    if (next !== "none") heading.ariaSort = next;
    const sign = next === "descending" ? -1 : 1;
    for (const [body, rows] of bodies) {
      const sorted = next === "none" ? rows : [...rows].sort((a, b) => sign * compared(valueOf(a, column), valueOf(b, column)));
      body.append(...sorted);
    }
  }));
}
// What is folded on the screen is printed.
const folded = () => document.querySelectorAll("details:not([open])");
addEventListener("beforeprint", () => folded().forEach((each) => { each.open = true; each.dataset.folded = ""; }));
addEventListener("afterprint", () => document.querySelectorAll("[data-folded]").forEach((each) => { each.open = false; delete each.dataset.folded; }));
