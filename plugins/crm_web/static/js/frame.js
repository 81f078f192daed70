// The frame of every page: the menu on small screens, the search key, forms sent once.
const body = document.body;

for (const button of document.querySelectorAll("[data-menu]")) {
  button.addEventListener("click", () => {
    const open = body.classList.toggle("menu-open");
    for (const other of document.querySelectorAll("[data-menu]")) other.setAttribute("aria-expanded", String(open));
    if (open) document.querySelector(".side a")?.focus();
  });
}

document.addEventListener("click", (event) => {
  if (body.classList.contains("menu-open") && !event.target.closest(".side, [data-menu]")) body.classList.remove("menu-open");
});

// In a long menu, where one is stays in sight.
const side = document.querySelector(".side");
const here = side?.querySelector("[aria-current]");
if (here && here.offsetTop + here.offsetHeight > side.clientHeight) side.scrollTop = here.offsetTop - side.clientHeight / 2;

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") body.classList.remove("menu-open");
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !isTyping(event.target)) {
    event.preventDefault();
    document.querySelector("#find")?.focus();
  }
});

// Two clicks at once send a form once; coming back to the page makes it usable again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button:not([type=button])")) button.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

for (const field of document.querySelectorAll("[data-sends-form]")) field.addEventListener("change", () => field.form.requestSubmit());
for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      delete form.dataset.sent;
    }
  }, { capture: true });
}

// What can be scrolled is scrolled with the keyboard too.
function reachable() {
  for (const wide of document.querySelectorAll(".table-wrap")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
  }
}
reachable();
window.addEventListener("resize", reachable);
