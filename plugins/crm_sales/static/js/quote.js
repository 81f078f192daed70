// The editor of offers: what the lines come to is told while one types. Without this, Save tells it.
const form = document.querySelector("form[data-preview]");
if (form) {
  const WAIT = 350;
  let timer = 0;
  let asked = 0;
  const show = (text) => {
    const answer = new DOMParser().parseFromString(text, "text/html");
    for (const part of answer.querySelectorAll("template[data-part]")) {
      const place = document.querySelector(`:not(template)[data-part="${CSS.escape(part.dataset.part)}"]`);
      place?.replaceChildren(part.content.cloneNode(true));
    }
  };
  const ask = async () => {
    const mine = (asked += 1);
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form) });
      if (mine === asked && (answer.ok || answer.status < 500)) show(await answer.text());
    } catch {
      // Without a connection the sums stay as they were; saving will say what is wrong.
    }
  };
  form.addEventListener("input", (event) => {
    if (!event.target.name?.includes("-")) return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.name !== "q") return;
    event.preventDefault();
    form.querySelector('button[value="find"]').click();
  });
}
document.getElementById("found")?.querySelector("button")?.focus();
