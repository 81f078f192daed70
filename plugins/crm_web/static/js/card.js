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

// Filters change their part of the page in place; the address that they lead to is a page too.
async function into(name, address) {
  const place = document.querySelector(`[data-part="${name}"]`);
  place.setAttribute("aria-busy", "true");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.querySelector(`[data-part="${name}"]`);
  if (!answer.ok || !part) throw new Error(String(answer.status));
  const fresh = document.importNode(part, true);
  place.replaceWith(fresh);
  fresh.querySelector("[aria-current]")?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-into]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !document.querySelector(`[data-part="${link.dataset.into}"]`)) return;
  event.preventDefault();
  into(link.dataset.into, link.href).catch(() => window.location.assign(link.href));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.into) return;
  event.preventDefault();
  const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  into(form.dataset.into, address).catch(() => window.location.assign(address));
});
