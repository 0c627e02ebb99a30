// The lead's page: fetched anew every few seconds, and what has changed is put in. Says so when it can no longer know.

const EVERY_MS = 3000;
const STALE_MS = 10_000;
const at = (id) => document.getElementById(id);

let paused = false;
let heardAt = performance.now();
let asking = false;
const drawn = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.outerHTML]));

function pause() {
  paused = !paused;
  const button = at("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? button.dataset.resume : button.dataset.pause;
  if (!paused) heardAt = performance.now();
  tell();
  ask();
}

function tell() {
  const stale = !paused && performance.now() - heardAt > STALE_MS;
  const notice = at("stale");
  const words = stale ? notice.dataset.stale : paused ? notice.dataset.paused : "";
  document.body.toggleAttribute("data-stale", stale);
  notice.hidden = !words;
  notice.classList.toggle("bad", stale);
  if (notice.textContent !== words) notice.textContent = words;
}

/** Each cell names its column: on a phone a row stands as a card, without the headings above it. */
function nameCells(part) {
  for (const table of part.querySelectorAll(".wide table")) {
    const names = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent);
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, n) => {
        if (!cell.classList.contains("group")) cell.dataset.name = names[n];
      });
    }
    table.classList.add("named");
  }
}

/** What the reader has opened, reached or scrolled to stays so when a part is replaced. */
function replace(fresh) {
  const old = at(fresh.id);
  const made = fresh.outerHTML;
  if (!old || drawn.get(fresh.id) === made) return;
  drawn.set(fresh.id, made);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  const typed = [...old.querySelectorAll("input[id]")].map((input) => [input.id, input.value]);
  const scrolled = [...old.querySelectorAll(".wide")].map((wide) => [wide.id, wide.scrollLeft, wide.scrollTop]);
  nameCells(fresh);
  old.replaceWith(fresh);
  for (const id of open) at(id)?.setAttribute("open", "");
  for (const [id, value] of typed) if (at(id)) at(id).value = value;
  for (const [id, left, top] of scrolled) at(id)?.scrollTo(left, top);
  if (focused) at(focused)?.focus({ preventScroll: true });
}

function isNewer(page) {
  const now = page.getElementById("when")?.dataset;
  return now && (now.standing === "yes" || now.at !== at("when").dataset.at);
}

/** Another version of the page, or no page of ours (signed out): load it anew, once. */
function isAnother(page) {
  const mark = page.documentElement.dataset.mark ?? "";
  if (mark === document.documentElement.dataset.mark) return false;
  if (sessionStorage.getItem("lead-reloaded-for") !== mark) {
    sessionStorage.setItem("lead-reloaded-for", mark);
    location.reload();
  }
  return true;
}

async function ask() {
  if (paused || asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(STALE_MS) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (paused || answer.status >= 500 || isAnother(page) || !isNewer(page)) return;
    for (const part of page.querySelectorAll("[data-live]")) replace(document.adoptNode(part));
    heardAt = performance.now();
  } catch {
    // not reached: the notice tells when it has lasted
  } finally {
    asking = false;
    tell();
  }
}

nameCells(document);
at("pause").hidden = false;
at("pause").addEventListener("click", pause);
addEventListener("online", ask);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    heardAt = performance.now();
    ask();
  }
});
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
setInterval(ask, EVERY_MS);
setInterval(tell, 1000);
document.documentElement.dataset.ready = "";
