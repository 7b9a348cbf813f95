"use strict";
// Without this script the page still shows everything, worst first; it only sorts, filters and links.
const list = document.getElementById("timelines");
const articles = [...list.children];
const buttons = [...document.querySelectorAll("[data-order]")];
function order(name) {
  const sign = name === "best" ? -1 : 1;
  articles.sort((a, b) => sign * (a.dataset.quality - b.dataset.quality));
  list.append(...articles);
  for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.order === name);
}
for (const button of buttons) button.addEventListener("click", () => order(button.dataset.order));
document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const article of articles) article.hidden = !article.textContent.toLowerCase().includes(wanted);
});
function link(event, on) {
  const bar = event.target.closest?.(".bar");
  if (!bar) return;
  const side = bar.dataset.side === "r" ? "p" : "r";
  for (const number of (bar.dataset.links || "").split(" ").filter(Boolean)) {
    bar.closest("article").querySelector(`[data-side="${side}"][data-number="${number}"]`)?.classList.toggle("linked", on);
  }
}
for (const [type, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
  list.addEventListener(type, (event) => link(event, on));
}
