"use strict";
// Asks for this page again while somebody sees it, and takes over what has changed.
const PACE = 1000, SLOWEST = 30000;  // milliseconds between two questions
const page = document.documentElement, main = document.querySelector("main");
const banner = document.querySelector("#banner"), lamp = document.querySelector("#live");
const words = text => text;
const policy = window.trustedTypes?.createPolicy("asyncjobd", {createHTML: words}) ?? {createHTML: words};
const parsed = text => new DOMParser().parseFromString(policy.createHTML(text), "text/html");
let tag = page.dataset.live, pause = PACE, isPaused = false, answeredAt = new Date(), timer;

// What somebody is about to press, read or copy stays where it is.
function isHeld() {
  const isWriting = main.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  return isPaused || isWriting || document.querySelector("dialog[open]") || main.querySelector(":checked[name=id]")
    || !getSelection().isCollapsed;
}

function show(state) {
  lamp.dataset.state = state;
  lamp.textContent = state;
}

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
    if (answer.status === 403) throw "you may not look any more: reload the page";
    if (answer.status !== 200 && answer.status !== 304) throw "";
    if (answer.status === 200 && !isHeld()) {
      take(await answer.text());
      tag = answer.headers.get("ETag");
    }
    answeredAt = new Date(answer.headers.get("Date") ?? Date.now());
    const clock = document.querySelector("#clock");
    clock.dateTime = answeredAt.toISOString();
    clock.textContent = clock.dateTime.slice(11, 19) + " UTC";
    banner.hidden = true;
    pause = PACE;
    show(answer.status === 200 && isHeld() ? "news" : "live");
  } catch (reason) {
    banner.textContent = `no answer since ${answeredAt.toISOString().slice(11, 19)} UTC` + (typeof reason === "string" && reason ? `: ${reason}` : "");
    banner.hidden = false;
    pause = Math.min(2 * pause, SLOWEST);
    show("away");
  }
  timer = setTimeout(ask, pause);
}

function togglePause() {
  isPaused = !isPaused;
  show(isPaused ? "paused" : "live");
  ask();
}

if (tag !== undefined) {
  lamp.hidden = false;
  lamp.addEventListener("click", togglePause);
  document.addEventListener("visibilitychange", ask);
  timer = setTimeout(ask, PACE);
}
