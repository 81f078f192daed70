// The search box: results while typing, chosen with the keyboard. Without this, Enter opens the page of results.
const WAIT = 120;
const input = document.querySelector("[data-find]");

if (input) {
  const list = document.createElement("ul");
  list.id = "found";
  list.role = "listbox";
  list.hidden = true;
  list.className = "found";
  list.setAttribute("aria-label", input.getAttribute("aria-label"));
  input.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-controls", "found"], ["aria-autocomplete", "list"], ["aria-expanded", "false"]]) input.setAttribute(name, value);

  let timer = 0;
  let asking = null;
  let shownFor = "";

  const options = () => [...list.querySelectorAll("[data-href]")];
  const current = () => list.querySelector('[aria-selected="true"]');

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    current()?.setAttribute("aria-selected", "false");
  };
  const open = () => {
    list.hidden = !list.children.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const select = (option) => {
    current()?.setAttribute("aria-selected", "false");
    input.removeAttribute("aria-activedescendant");
    if (!option) return;
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  async function ask() {
    const text = input.value.trim();
    asking?.abort();
    if (!text) {
      shownFor = "";
      list.replaceChildren();
      close();
      return;
    }
    if (text === shownFor) {
      open();
      return;
    }
    asking = new AbortController();
    try {
      const answer = await fetch(`${input.dataset.find}?${new URLSearchParams({ q: text })}`, { signal: asking.signal, headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return close();
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      list.replaceChildren(...found.body.children);
      shownFor = text;
      if (document.activeElement === input) open();
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("focus", () => input.value.trim() && document.activeElement === input && shownFor && open());
  input.addEventListener("blur", () => setTimeout(close, 150));
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = options();
    const at = all.indexOf(current());
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = at < 0 && step < 0 ? all.length - 1 : (at + step + all.length + 1) % (all.length + 1);
      select(all[next]);
    } else if (event.key === "Enter" && current() && !list.hidden) {
      event.preventDefault();
      window.location.assign(current().dataset.href);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Escape") input.blur();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-href]");
    if (!option) return;
    if (event.ctrlKey || event.metaKey) window.open(option.dataset.href, "_blank", "noopener");
    else window.location.assign(option.dataset.href);
  });
}
