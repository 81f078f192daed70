// The page of an offer: the total follows what is chosen. Without this, a button shows it.
const opened = document.querySelector("[data-opened]");
if (opened) fetch(opened.action, { method: "POST", body: new FormData(opened) });

let asking = null;

const follow = (live) => {
  const form = live.querySelector("[data-choice]");
  if (!form) return;
  form.classList.add("is-live");
  form.addEventListener("change", async () => {
    asking?.abort();
    asking = new AbortController();
    const focused = document.activeElement?.value;
    const typed = [...live.querySelectorAll("form[method=post] [id]")].map((field) => [field.id, field.value]);
    const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    try {
      const answer = await fetch(address, { signal: asking.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-live]");
      if (!next) throw new Error(answer.status);
      live.replaceWith(next);
      for (const [id, value] of typed) if (id !== "agreed") document.getElementById(id).value = value;
      next.querySelector(`[data-choice] [value="${focused}"]`)?.focus();
      document.querySelector(".offer-head .notice.bad")?.remove();
      const wrong = page.querySelector(".offer-head .notice.bad");
      if (wrong) document.querySelector(".offer-head").append(wrong);
      follow(next);
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  });
};

const live = document.querySelector("[data-live]");
if (live) follow(live);
