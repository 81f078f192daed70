// Forms that have a page of their own open over the page that one is on; without this they just open.
const parser = new DOMParser();

async function open(link) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  const page = parser.parseFromString(await answer.text(), "text/html");
  const body = page.querySelector("[data-dialog-body]");
  if (!answer.ok || answer.redirected || !body) {
    window.location.assign(link.href);
    return;
  }
  if (!body.getAttribute("action")) body.setAttribute("action", link.href);
  const dialog = document.createElement("dialog");
  dialog.className = "over";
  const heading = document.createElement("h2");
  heading.id = "dialog-title";
  heading.dir = "auto";
  heading.textContent = page.querySelector("h1")?.textContent ?? "";
  dialog.setAttribute("aria-labelledby", heading.id);
  const head = document.createElement("header");
  head.append(heading);
  dialog.append(head, document.importNode(body, true));
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-closes]")) {
      event.preventDefault();
      dialog.close();
    } else if (event.target === dialog && !isChanged(dialog)) dialog.close();
  });
  dialog.addEventListener("cancel", (event) => {
    if (isChanged(dialog) && !dialog.dataset.warned) {
      event.preventDefault();
      dialog.dataset.warned = "yes";
    }
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  const first = [...dialog.querySelectorAll("input, select, textarea")].find((field) => field.type !== "hidden");
  first?.focus();
  if (first?.select && first.value) first.select();
}

// What somebody typed is not thrown away by one key or one click beside it.
function isChanged(dialog) {
  return [...dialog.querySelectorAll("input, textarea")].some((field) => field.type !== "hidden" && field.value !== field.defaultValue);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(link).catch(() => window.location.assign(link.href));
});
