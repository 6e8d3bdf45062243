"use strict";
// Keys, the theme, marks, and questions before an order. All of it has a button or a page that works without.
const GO = {o: "/", j: "/jobs", f: "/failures", s: "/schedule", d: "/daemons", b: "/database"};
const ORDERS = {h: "hold", r: "release", n: "run-now", c: "cancel"};
const root = document.querySelector(".badge").getAttribute("href").replace(/\/$/, "");
const $ = selector => document.querySelector(selector);
const asking = $("#ask"), keys = $("#keys-dialog"), off = $("#keys-off");
let goes = false, digits = "", asked = 0;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=${root}/; max-age=31536000; samesite=strict`;
}

function toggleTheme() {
  const isDark = getComputedStyle(document.body).colorScheme === "dark"
    || (!page.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  page.dataset.theme = isDark ? "light" : "dark";
  remember("theme", page.dataset.theme);
}

// The page that would ask, as a dialog over this one.
async function question(url) {
  const number = ++asked;
  const form = await fetch(url).then(async answer => parsed(await answer.text()).querySelector("#main")).catch(() => null);
  if (number !== asked || asking.open) return;  // somebody has asked something else meanwhile
  if (!form?.querySelector("button")) { location.href = url; return; }
  asking.replaceChildren(...form.childNodes);
  asking.querySelector("[data-back]")?.addEventListener("click", event => { event.preventDefault(); asking.close(); });
  asking.showModal();
  (asking.querySelector("input[name=typed]") ?? asking.querySelector("button"))?.focus();
}

const rows = () => [...document.querySelectorAll("main tr[data-job]")];
const here = () => $("main tr.at");

function move(by) {
  const all = rows(), place = all.indexOf(here());
  const next = all[Math.max(0, Math.min(all.length - 1, place < 0 ? 0 : place + by))];
  here()?.classList.remove("at");
  next?.classList.add("at");
  next?.querySelector("a")?.focus();
}

function order(name) {
  const row = here();
  const button = $(`main .jobhead [data-order="${name}"]`) ?? $(`main .bulk [data-order="${name}"]`);
  if (row && !$("main :checked[name=id]")) question(`${root}/jobs/${row.dataset.job}/${name}`);
  else button?.click();
}

function marked() {
  const number = document.querySelectorAll("main :checked[name=id]").length, bulk = $("#marked");
  if (bulk) bulk.textContent = number ? `${number} marked` : "those that are marked";
}

function press(event) {
  const key = event.key;
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea") || off.checked) return;
  if (goes) {
    goes = false;
    const target = GO[key] && $(`nav a[href="${root}${GO[key]}"]`);
    return target?.click();
  }
  if (/^\d$/.test(key)) { digits += key; return; }
  if (key === "Enter" && digits) { event.preventDefault(); location.href = `${root}/jobs/${digits}`; return; }
  digits = "";
  if (key === "/") { event.preventDefault(); $("#search").focus(); $("#search").select(); }
  else if (key === "?") keys.showModal();
  else if (key === "g") goes = true;
  else if (key === "t") toggleTheme();
  else if (key === "p" && tag !== undefined) togglePause();
  else if (key === "j" || key === "ArrowDown" && here()) { event.preventDefault(); move(1); }
  else if (key === "k" || key === "ArrowUp" && here()) { event.preventDefault(); move(-1); }
  else if (key === "x") { here()?.querySelector("[name=id]")?.click(); }
  else if (ORDERS[key] && !event.repeat) order(ORDERS[key]);
}

document.addEventListener("keydown", press);
document.addEventListener("change", event => {
  if (event.target.id === "mark-all") document.querySelectorAll("main [name=id]").forEach(box => { box.checked = event.target.checked; });
  if (event.target === off) remember("keys", off.checked ? "off" : "on");
  marked();
});
document.addEventListener("click", event => {
  digits = "";
  const button = event.target.closest("[data-ask], [data-copy]");
  if (button?.dataset.copy !== undefined) {
    event.preventDefault();
    copy(button);
  } else if (button && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    question(button.tagName === "BUTTON" ? `${button.form.action}?${new URLSearchParams(new FormData(button.form, button))}` : button.href);
  }
});
document.addEventListener("mouseover", event => {  // the reader's own time beside UTC
  const time = event.target.closest?.("time[datetime]");
  if (time && !time.dataset.local) {
    time.dataset.local = new Date(time.dateTime).toLocaleString();
    time.title = `${new Date(time.dateTime).toISOString().slice(0, 19).replace("T", " ")} UTC, here ${time.dataset.local}`;
  }
});

// The clipboard of browsers is for https alone; a selection is for all.
async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    (button.closest("dialog") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  const said = button.textContent;
  button.textContent = "copied";
  setTimeout(() => { button.textContent = said; }, 1200);
}

off.checked = document.cookie.includes("keys=off");
for (const [id, act] of [["#theme", toggleTheme], ["#keys", () => keys.showModal()]]) {
  $(id).hidden = false;
  $(id).addEventListener("click", act);
}
addEventListener("pageshow", marked);
