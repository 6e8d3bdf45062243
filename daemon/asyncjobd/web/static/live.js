"use strict";
// Asks for this page again while somebody sees it, and takes over what has changed.
const PACE = 1000, SLOWEST = 30000;  // milliseconds between two questions
const page = document.documentElement, main = document.querySelector("main");
const banner = document.querySelector("#banner"), lamp = document.querySelector("#live");
const same = {createHTML: text => text}, policy = window.trustedTypes?.createPolicy("asyncjobd", same) ?? same;
const parsed = text => new DOMParser().parseFromString(policy.createHTML(text), "text/html");
const utc = time => time.toISOString().slice(11, 19) + " UTC";
let tag = page.dataset.live, pause = PACE, isPaused = false, answeredAt = new Date(), timer;

// What somebody is about to press, read or copy stays where it is.
function isHeld() {
  const isWriting = document.activeElement.matches("main :is(input:not([type=checkbox], [type=radio]), select, textarea)");
  return isWriting || document.querySelector("dialog[open], main :checked[name=id]") || !getSelection().isCollapsed;
}
const show = state => { lamp.dataset.state = lamp.textContent = state; };

function take(text) {
  const news = parsed(text);
  Idiomorph.morph(main, news.querySelector("main"), {morphStyle: "outerHTML", ignoreActiveValue: true});
  document.title = news.title;
  for (const id of ["badge", "sentence"]) {
    const [here, there] = [document.getElementById(id), news.getElementById(id)];
    if (here.textContent !== there.textContent) here.textContent = there.textContent;
    here.closest(".verdict").dataset.gravity = there.closest(".verdict").dataset.gravity;
  }
}
async function ask() {
  clearTimeout(timer);
  if (document.visibilityState !== "visible" || isPaused) return;
  try {
    const answer = await fetch(location.href, {headers: {"If-None-Match": tag}, signal: AbortSignal.timeout(10000)});
    if (answer.status !== 200 && answer.status !== 304) throw answer.status === 403 ? "you may not look any more, load the page again" : "";
    const text = await answer.text(), isNews = answer.status === 200;
    show(isNews && isHeld() ? "news" : isPaused ? "paused" : "live");
    if (lamp.dataset.state === "live" && isNews) {
      take(text);
      tag = answer.headers.get("ETag");
    }
    answeredAt = new Date(answer.headers.get("Date") ?? Date.now());
    Object.assign(document.querySelector("#clock"), {dateTime: answeredAt.toISOString(), textContent: utc(answeredAt)});
    [banner.hidden, pause] = [true, PACE];
  } catch (reason) {
    banner.textContent = [`no answer since ${utc(answeredAt)}`, ...(typeof reason === "string" && reason ? [reason] : [])].join(": ");
    [banner.hidden, pause] = [false, Math.min(2 * pause, SLOWEST)];
    show("away");
  }
  timer = setTimeout(ask, pause);
}

function togglePause() {
  show((isPaused = !isPaused) ? "paused" : "live");
  ask();
}
if (tag !== undefined) {
  lamp.hidden = false;
  lamp.addEventListener("click", togglePause);
  document.addEventListener("visibilitychange", ask);
  timer = setTimeout(ask, PACE);
}
