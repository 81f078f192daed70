// The customer card: sections fold on small screens, and slow parts come after the rest.
const small = window.matchMedia("(width < 48rem)");
const kept = new Set(["todo", "timeline", "reach"]);

function fold() {
  if (!small.matches) return;
  for (const section of document.querySelectorAll(".fold")) {
    if (!kept.has(section.id) && !window.location.hash.endsWith(section.id)) section.querySelector("details").open = false;
  }
}
fold();

function unfold() {
  const details = document.querySelector(`${window.location.hash || "#none"} > details`);
  if (details) details.open = true;
}
window.addEventListener("hashchange", unfold);

for (const place of document.querySelectorAll("[data-load]")) {
  fetch(place.dataset.load, { headers: { Accept: "text/html" } })
    .then(async (answer) => {
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.querySelector("[data-loaded]");
      if (part && !part.querySelector("[data-left-out]")) {
        place.replaceChildren(...document.importNode(part, true).children);
        fold();
      }
    })
    .catch(() => {});
}
