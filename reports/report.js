"use strict";
// Opens folded parts for printing, and sorts and filters tables. Without it everything is still there to read.

window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open]):not(.pair, .rest)")) {
    part.open = true;
    part.dataset.folded = "";
  }
});
window.addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-folded]")) {
    part.open = false;
    delete part.dataset.folded;
  }
});

const order = new Intl.Collator(document.documentElement.lang, { numeric: true });

function sortBy(head) {
  const table = head.closest("table");
  const column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = head.classList.contains("number") ? (a, b) => a - b : order.compare;
  const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b)) * (down ? -1 : 1));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll("table.sortable th > button")) {
  button.addEventListener("click", () => sortBy(button.parentElement));
}

// A cell in quotes, with an apostrophe before what a spreadsheet would take for a formula. Numbers stay numbers.
function quoted(cell) {
  const text = cell.textContent.trim().replace(/\s+/g, " ");
  const formula = /^[=+\-@＝＋－＠]/.test(text) && !/^[+-]?[\d.,]+$/.test(text);
  return `"${(formula ? "'" : "") + text.replaceAll('"', '""')}"`;
}

// The rows that are shown, as a file; the mark at the start tells Excel that it is UTF-8.
function save(rows) {
  const head = document.querySelector("#everyone thead tr");
  const lines = [head, ...rows].map((row) => [...row.cells].map(quoted).join(",") + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\uFEFF", ...lines], { type: "text/csv" }));
  link.download = "shown.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

const search = document.getElementById("search");
if (search) {
  const show = document.getElementById("show");
  const shown = document.getElementById("shown");
  const rows = [...document.querySelectorAll("#everyone tbody tr")];
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const named = row.cells[0].textContent.toLowerCase().includes(wanted);
      row.hidden = !(named && (!show.value || row.dataset.has.split(" ").includes(show.value)));
      count += !row.hidden;
    }
    shown.textContent = shown.dataset.words.replace("#", count);
  };
  search.addEventListener("input", filter);
  show.addEventListener("change", filter);
  document.getElementById("save").addEventListener("click", () => {
    save([...document.querySelectorAll("#everyone tbody tr:not([hidden])")]);
  });
  filter(); // a browser may have kept what was typed before a reload
}
