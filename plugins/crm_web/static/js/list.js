// The list: choosing rows, choosing columns. Without this the same is done with plain forms.
const bulk = document.querySelector("form[data-bulk]");
if (bulk) {
  const boxes = [...bulk.querySelectorAll('input[name="chosen"]')];
  const all = bulk.querySelector("[data-all]");
  const said = bulk.querySelector("[data-chosen]");
  const change = bulk.querySelector("details.bulk");
  const whole = bulk.querySelector('input[name="all"]');
  let last = null;
  const tell = () => {
    const many = boxes.filter((box) => box.checked).length;
    said.textContent = many ? said.dataset.chosen.replace("{n}", many.toLocaleString(document.documentElement.lang)) : "";
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
}

document.querySelector(".filter-box :is(input, select):not([type=hidden])")?.focus();

// Files come as downloads: the page stays, so the form may be sent again.
for (const form of document.querySelectorAll("form[data-many]")) {
  form.addEventListener("submit", () => setTimeout(() => delete form.dataset.sent, 1500));
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
