// The board: deals are moved by mouse, finger and keys. Without this they are chosen and brought.
const parser = new DOMParser();
const said = document.querySelector("[data-said]");
const live = document.querySelector("[data-live]");
const EDGE = 48;
let board = document.querySelector("[data-board]");
let taken = null;

const columns = () => [...board.querySelectorAll("[data-stage]")];
const nameOf = (column) => column.querySelector("h2").textContent.trim();
const dealOf = (card) => card.querySelector("a").textContent.trim();
const tell = (text, values = {}) => {
  live.textContent = text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
};

function begin() {
  board.classList.add("is-live");
  for (const grip of board.querySelectorAll("[data-grip]")) grip.hidden = false;
}

function complain(text) {
  said.querySelector(".text").textContent = text;
  said.hidden = !text;
  if (text) said.scrollIntoView({ block: "nearest" });
}

function take(card) {
  taken = { card, home: card.closest("[data-stage], .board-column"), before: card.nextElementSibling, over: null };
  taken.over = taken.home;
  card.classList.add("is-taken");
  board.classList.add("is-dragging");
  complain("");
}

function hover(column) {
  if (!taken || column === taken.over) return;
  for (const each of columns()) each.classList.toggle("is-over", each === column && each !== taken.home);
  taken.over = column;
}

function release() {
  const was = taken;
  taken = null;
  was.card.classList.remove("is-taken");
  board.classList.remove("is-dragging");
  for (const each of columns()) each.classList.remove("is-over");
  return was;
}

function putBack({ card, home, before }) {
  home.querySelector("ul").insertBefore(card, before?.isConnected ? before : null);
}

async function drop() {
  const was = release();
  const { card, home, over } = was;
  if (over === home || !over?.dataset.stage) {
    putBack(was);
    tell(board.dataset.back, { deal: dealOf(card) });
    return;
  }
  over.querySelector("ul").prepend(card);
  board.classList.add("is-waiting");
  try {
    await send(card.dataset.deal, over.dataset.stage);
  } catch (error) {
    putBack(was);
    complain(error.message);
    tell(board.dataset.back, { deal: dealOf(card) });
  } finally {
    board.classList.remove("is-waiting");
    board.querySelector(`[data-deal="${card.dataset.deal}"] [data-grip]`)?.focus();
  }
}

async function send(deal, stage) {
  const form = new FormData();
  for (const name of ["_csrf", `version-${deal}`]) form.set(name, board.elements[name].value);
  form.set("deal", deal);
  form.set("stage", stage);
  let answer, told;
  try {
    answer = await fetch(board.action, { method: "POST", body: new URLSearchParams(form), headers: { Accept: "application/json" } });
    told = await answer.json();
  } catch {
    throw new Error(board.dataset.lost);
  }
  if (!answer.ok) throw new Error(told.message ?? told.error?.message ?? board.dataset.lost);
  await refresh();
  tell(told.message);
}

// What was moved changes counts, sums, chances and marks: the server says them all.
async function refresh() {
  const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
  const page = parser.parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-board]");
  if (!fresh) return window.location.reload();
  const [left, top] = [board.scrollLeft, window.scrollY];
  const node = document.importNode(fresh, true);
  board.replaceWith(node);
  board = node;
  const lead = page.querySelector(".lead");
  if (lead) document.querySelector(".lead")?.replaceWith(document.importNode(lead, true));
  begin();
  board.scrollLeft = left;
  window.scrollTo(window.scrollX, top);
}

function columnAt(x, y) {
  return document.elementsFromPoint(x, y).map((each) => each.closest?.("[data-stage]")).find((each) => each && board.contains(each)) ?? null;
}

// A finger drags by the grip alone, so that the page still scrolls; a mouse by the whole card.
let pressed = null;
document.addEventListener("pointerdown", (event) => {
  const card = event.target.closest?.("[data-deal]");
  if (!card || !board.contains(card) || event.button || taken) return;
  const grip = event.target.closest("[data-grip]");
  if (event.pointerType !== "mouse" && !grip) return;
  pressed = { card, x: event.clientX, y: event.clientY, id: event.pointerId };
});
document.addEventListener("pointermove", (event) => {
  if (!pressed || event.pointerId !== pressed.id) return;
  if (!taken) {
    if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 6) return;
    take(pressed.card);
    pressed.isDragging = true;
  }
  event.preventDefault();
  const box = board.getBoundingClientRect();
  if (event.clientX > box.right - EDGE) board.scrollLeft += 14;
  else if (event.clientX < box.left + EDGE) board.scrollLeft -= 14;
  hover(columnAt(event.clientX, event.clientY) ?? taken.home);
});
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, (event) => {
    if (!pressed || event.pointerId !== pressed.id) return;
    const { isDragging } = pressed;
    pressed = null;
    if (!isDragging || !taken) return;
    if (name === "pointercancel") taken.over = taken.home;
    // The click that follows a drag must not open the deal.
    const swallow = (click) => { click.preventDefault(); click.stopPropagation(); };
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 0);
    drop();
  });
}
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.("[data-deal]")) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const grip = event.target.closest?.("[data-grip]");
  if (!grip || !board.contains(grip)) return;
  const card = grip.closest("[data-deal]");
  if (!taken) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    take(card);
    tell(board.dataset.taken, { deal: dealOf(card), stage: nameOf(taken.home) });
    return;
  }
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    const all = columns();
    const place = all.indexOf(taken.over) + (event.key === forward ? 1 : -1);
    const next = all[Math.max(0, Math.min(all.length - 1, place))];
    hover(next);
    next.querySelector("ul").prepend(card);
    grip.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
    tell(board.dataset.over, { stage: nameOf(next) });
  } else if (event.key === "Escape" || event.key === "Tab") {
    taken.over = taken.home;
    drop();
    grip.focus();
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    drop();
  }
});

if (board) begin();
