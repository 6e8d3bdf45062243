"use strict";
// Asks for this page again while somebody sees it, and takes over what has changed.
const PACE = 1000, SLOWEST = 30000;  // milliseconds between two questions
const REFUSALS = {403: "you may not look any more, load the page again", 404: "what this page shows is not there any more"};
const page = document.documentElement, main = document.querySelector("main");
const banner = document.querySelector("#banner"), lamp = document.querySelector("#live");
const same = {createHTML: text => text}, policy = window.trustedTypes?.createPolicy("asyncjobd", same) ?? same;
const parsed = text => new DOMParser().parseFromString(policy.createHTML(text), "text/html");
const utc = time => time.toISOString().slice(11, 19) + " UTC";
let tag = page.dataset.live, pause = PACE, isPaused = false, answeredAt = new Date(), timer;
const show = state => { lamp.dataset.state = lamp.textContent = state; };

// Returns the page of an answer; null: nothing is new. Throws why there is none; a page that said so itself is loaded anew.
async function newsOf(answer) {
  if (answer.status === 304) return null;
  if (answer.status !== 200) throw REFUSALS[answer.status];
  const news = parsed(await answer.text());
  if (!("live" in news.documentElement.dataset)) throw tag ? "another page has answered, load this one again" : location.reload();
  return news;
}

function take(news) {
  Idiomorph.morph(main, news.querySelector("main"), {callbacks: {beforeAttributeUpdated: (name, node) => !isTheirs(name, node)}});
  tag = news.documentElement.dataset.live;
  document.title = news.title;
  for (const id of ["badge", "sentence"]) {
    const [here, there] = [document.getElementById(id), news.getElementById(id)];
    if (here.textContent !== there.textContent) here.textContent = there.textContent;
    here.closest(".verdict").dataset.gravity = there.closest(".verdict").dataset.gravity;
  }
}
async function ask() {
  if (document.visibilityState !== "visible" || isPaused || !timer) return;
  timer = clearTimeout(timer);  // none while a question is under way
  try {
    const answer = await fetch(location.href, {headers: {"If-None-Match": tag}, signal: AbortSignal.timeout(10000)});
    const news = await newsOf(answer);
    show(news && isHeld() ? "news" : isPaused ? "paused" : "live");
    if (news && lamp.dataset.state === "live") take(news);
    answeredAt = new Date(answer.headers.get("Date") ?? Date.now());
    Object.assign(document.querySelector("#clock"), {dateTime: answeredAt.toISOString(), textContent: utc(answeredAt)});
    [banner.hidden, pause] = [true, PACE];
  } catch (reason) {
    banner.textContent = `${typeof reason === "string" ? `${reason}: no news` : "no answer"} since ${utc(answeredAt)}`;
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
