// Before anything is drawn: the theme chosen, else that of the device.
const chosen = document.documentElement.dataset.theme;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const apply = () => {
  const name = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  document.documentElement.setAttribute("data-bs-theme", name);
};
apply();
dark.addEventListener("change", apply);
