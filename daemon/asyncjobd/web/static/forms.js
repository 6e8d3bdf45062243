"use strict";
// What somebody writes, marks or opens is left as it is while the page renews itself, and an order is sent once.
const LONGEST_ORDER = 10000;  // milliseconds within which the server answers an order
let orderedAt = new WeakMap();  // by form

// What somebody is about to press, read or copy stays where it is.
function isHeld() {
  const isWriting = document.activeElement.matches("main :is(input:not([type=checkbox], [type=radio]), select, textarea)");
  return isWriting || document.querySelector("dialog[open], main :checked[name=id]") || !getSelection().isCollapsed;
}

// What somebody has typed, chosen, opened or gone to is no news of the server's.
function isTheirs(attribute, node) {
  const isChanged = () => node.value !== node.defaultValue || node.checked !== node.defaultChecked;
  return attribute === "open" && node.matches("details")
    || attribute === "class" && node.matches("tr.at")
    || ["value", "checked"].includes(attribute) && node.matches("input:not([type=checkbox]), textarea") && isChanged();
}

document.addEventListener("submit", event => {
  if (event.target.method !== "post") return;
  if (event.timeStamp - orderedAt.get(event.target) < LONGEST_ORDER) event.preventDefault();
  else orderedAt.set(event.target, event.timeStamp);
});
addEventListener("pageshow", () => { orderedAt = new WeakMap(); });  // also after "back"
