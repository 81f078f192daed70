// Pages of the sync desk: how far work is, and ticking all of a page. All works without it.
const SECONDS = 2;
const watched = [...document.querySelectorAll("[data-progress]")];
const isGoing = () => watched.some((place) => place.querySelector(".going"));
const numbers = new Intl.NumberFormat(document.documentElement.lang);

const show = (place, told) => {
  const text = place.querySelector("[data-text]");
  const bar = place.querySelector("progress");
  if (!text || !bar || !told?.stage) return;
  const template = told.total ? text.dataset.ofTotal : text.dataset.ofNone;
  const values = { stage: told.stage, done: numbers.format(told.done), total: numbers.format(told.total ?? 0) };
  text.textContent = template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  if (told.total) {
    bar.max = told.total;
    bar.value = told.done;
  } else bar.removeAttribute("value");
};

const isOld = ({ marker, part }, now) => (part ? !now.includes(part) : now !== marker);
const look = async () => {
  const answer = await fetch(watched[0].dataset.progress, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const told = await answer.json();
  for (const place of watched) {
    const mine = told[place.dataset.of];
    if (isOld(place.dataset, mine?.marker ?? "")) return location.reload();
    show(place, mine);
  }
  setTimeout(look, SECONDS * 1000);
};
if (watched.length && isGoing()) look();

for (const all of document.querySelectorAll("[data-ticks]")) {
  all.addEventListener("change", () => {
    for (const box of all.form.querySelectorAll(`[name="${all.dataset.ticks}"]`)) box.checked = all.checked;
  });
}
