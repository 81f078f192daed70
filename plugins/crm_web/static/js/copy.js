// What is shown once is copied by one press; where the browser refuses that, it is selected instead.
for (const place of document.querySelectorAll("[data-copies]")) {
  const [field, button, told] = ["input, textarea", "button", "[aria-live]"].map((which) => place.querySelector(which));
  button.hidden = false;
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    told.textContent = "";
    let said = button.dataset.done;
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      field.focus();
      field.select();
      said = button.dataset.refused;
    }
    told.textContent = said;
  });
}
