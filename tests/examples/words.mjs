// Counts the words of texts, as in params {"texts": ["one two", "three"]}.
import { readFileSync } from "node:fs";

const report = (what) => console.log(JSON.stringify(what));
const { texts } = JSON.parse(readFileSync(0, "utf8"));
const counts = texts.map((text, n) => {
  report({ progress: (n + 1) / texts.length, message: `${n + 1} of ${texts.length} texts` });
  return text.split(/\s+/).filter(Boolean).length;
});
report({ result: counts, message: `${counts.reduce((a, b) => a + b, 0)} words` });
