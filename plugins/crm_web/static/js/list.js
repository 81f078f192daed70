// The list: choosing rows, choosing columns. Without this the same is done with plain forms.
const bulk = document.querySelector("form[data-bulk]");
if (bulk) {
  const boxes = [...bulk.querySelectorAll('input[name="chosen"]')];
  const all = bulk.querySelector("[data-all]");
  const said = document.querySelectorAll("[data-chosen]");
  const change = bulk.querySelector("details.bulk");
  const whole = bulk.querySelector('input[name="all"]');
  let last = null;
  const tell = () => {
    const many = boxes.filter((box) => box.checked).length;
    for (const place of said) {
      place.textContent = many ? place.dataset.chosen.replace("{n}", many.toLocaleString(document.documentElement.lang)) : "";
      if (place.closest("[data-export]")) place.hidden = !many;
    }
    change?.classList.toggle("waits", !many && !whole?.checked);
    all.checked = many === boxes.length;
    all.indeterminate = many > 0 && many < boxes.length;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  bulk.addEventListener("click", (event) => {
    const index = boxes.indexOf(event.target);
    if (index < 0) return;
    if (event.shiftKey && last !== null) {
      for (let n = Math.min(index, last); n <= Math.max(index, last); n += 1) boxes[n].checked = event.target.checked;
    }
    last = index;
    tell();
  });
  tell();
  // Coming back to the page the browser ticks again what was ticked, after this has run.
  window.addEventListener("pageshow", () => setTimeout(tell));
}

document.querySelector(".filter-box :is(input, select):not([type=hidden])")?.focus();

// Only those chosen are exported, where some are. Files come as downloads: the page stays, so the
// form may be sent again.
for (const form of document.querySelectorAll("form[data-export]")) {
  form.addEventListener("submit", () => {
    for (const old of form.querySelectorAll('[name="chosen"]')) old.remove();
    const chosen = bulk?.querySelector('input[name="all"]')?.checked ? [] : bulk?.querySelectorAll('input[name="chosen"]:checked') ?? [];
    for (const box of chosen) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "chosen", value: box.value }));
    setTimeout(() => {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
    }, 1500);
  });
}

function arrange(list) {
  for (const tools of list.querySelectorAll("[hidden]")) tools.hidden = false;
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (!button) return;
  const item = button.closest("li");
  const other = button.dataset.move === "-1" ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return;
  if (button.dataset.move === "-1") other.before(item);
  else other.after(item);
  button.focus();
});
for (const list of document.querySelectorAll("[data-orders]")) arrange(list);
new MutationObserver(() => {
  for (const list of document.querySelectorAll("dialog [data-orders]")) arrange(list);
}).observe(document.body, { childList: true });
