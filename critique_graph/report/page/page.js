"use strict";
// Every text comes from models and files of others: it becomes text nodes, never markup.
const MATHML = "http://www.w3.org/1998/Math/MathML";
const ROWS_AT_ONCE = 100;
const CHANGES = {
  right_to_right: ["✓", "stayed correct", "good"],
  wrong_to_right: ["✗ → ✓", "wrong → correct", "good"],
  right_to_wrong: ["✓ → ✗", "correct → wrong", "bad"],
  wrong_to_wrong: ["✗", "stayed wrong", "bad"],
};
const FLAGS = {
  disagreement: "critic disagrees with the reference",
  unreadable: "unreadable critique",
  truncated: "truncated response",
  called_wrong: "critic said wrong",
  changed: "answer changed",
};
const CHIPS = ["disagreement", "unreadable", "truncated"];
const STOPS = {
  judged_correct: "the critic called the response correct",
  judged_unparsed: "the critic's verdict could not be read",
  reference_correct: "the reference agrees with the response",
  abstained: "too few of the critiques share the verdict to refine the response",
  kept_original: "the critiques did not prefer the refinement, so the response before it counts",
  rounds: "all rounds were used",
  truncated: "a response was cut off",
  budget: "the token budget was spent",
  recursion_limit: "the graph's limit of steps was reached",
  not_located: "the critic called the path wrong, but none of its steps",
  not_continued: "the repair changed steps before the one to repair",
  failed: "a model call failed",
};

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("index").textContent);
const { runs, problems } = data;
let shown = []; // numbers of the problems that pass the filters
let drawn = 0;

// --- building the page -------------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// What nobody sees, or what turns the order of letters around, is shown by its number.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0e\uffa0\u{e0000}-\u{e0fff}]/gu;

function plain(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if ("\n\t\u200d".includes(match[0])) continue;
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    parts.push(text.slice(end, match.index), el("span", { class: "hid" }, `U+${code}`));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

function mathml({ tag, attributes, content }) {
  const made = document.createElementNS(MATHML, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content.map((child) => (typeof child === "string" ? child : mathml(child))));
  return made;
}

// Gives a function that makes nodes of a text, with the formulas in it drawn.
function writer(formulas) {
  const sources = Object.keys(formulas).sort((a, b) => b.length - a.length);
  if (!sources.length) return plain;
  const pattern = new RegExp(sources.map((source) => source.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
  return (text) => {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      const math = mathml(formulas[match[0]]);
      math.setAttribute("title", match[0]);
      parts.push(...plain(text.slice(end, match.index)), math);
      end = match.index + match[0].length;
    }
    return [...parts, ...plain(text.slice(end))];
  };
}

const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// --- the table of problems ---------------------------------------------------------------------------------------

const graded = (kind) => (cell) => cell.change === kind;
const flagged = (flag) => (cell) => cell.flags.includes(flag);
const KINDS = [
  ["all", "all problems", () => true],
  ["wrong_to_right", "wrong → correct", graded("wrong_to_right")],
  ["right_to_wrong", "correct → wrong", graded("right_to_wrong")],
  ["right_to_right", "stayed correct", graded("right_to_right")],
  ["wrong_to_wrong", "stayed wrong", graded("wrong_to_wrong")],
  ...Object.entries(FLAGS).map(([flag, name]) => [flag, name, flagged(flag)]),
  ["ungraded", "not graded", (cell) => cell.status === "done" && cell.change === null],
  ["failed", "failed or quarantined", (cell) => cell.status === "failed" || cell.status === "quarantined"],
];
const DIFFER = ["differ", "runs differ", null];

function cellsOf(problem) {
  const run = byId("run").value;
  return (run === "" ? problem.cells : [problem.cells[Number(run)]]).filter((cell) => cell !== null);
}

function passes(problem, kind) {
  if (kind === "differ") return new Set(problem.cells.map((cell) => cell && cell.change)).size > 1;
  const test = KINDS.find(([name]) => name === kind)[2];
  return cellsOf(problem).some(test);
}

function fillControls() {
  fillFilters();
  byId("run").append(el("option", { value: "" }, "any run"), ...runs.map((run, i) => el("option", { value: i }, run.name)));
  byId("of").hidden = runs.length < 2;
  const levels = [...new Set(problems.map((problem) => problem.level))].filter((level) => level !== null).sort((a, b) => a - b);
  byId("level").append(el("option", { value: "" }, "all"), ...levels.map((level) => el("option", { value: level }, String(level))));
  byId("at").hidden = levels.length < 2;
  countKinds();
}

function countKinds() {
  const kind = byId("kind").value || "all";
  const kinds = runs.length > 1 ? [...KINDS, DIFFER] : KINDS;
  byId("kind").replaceChildren(
    ...kinds.map(([name, label]) => {
      const count = problems.filter((problem) => passes(problem, name)).length;
      return count || name === "all" || name === kind ? el("option", { value: name }, `${label} (${number(count)})`) : null;
    }).filter(Boolean),
  );
  byId("kind").value = kind;
}

function filter() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = byId("kind").value, level = byId("level").value;
  const rest = []; // what may have the words in its responses
  shown = [];
  problems.forEach((problem, index) => {
    if (level !== "" && String(problem.level) !== level) return;
    if (!passes(problem, kind) || !passesFilters(problem)) return;
    if (words.length) {
      problem.haystack ??= [problem.id, problem.question, problem.reference, ...problem.cells.map((cell) => cell && cell.answer)].join("\n").toLowerCase();
      if (!words.every((word) => problem.haystack.includes(word))) return void rest.push(index);
    }
    shown.push(index);
  });
  drawShown();
  searchInside(words, byId("inside").checked ? rest : []);
}

function drawShown() {
  const order = byId("order").value;
  if (order) {
    const most = (index) => Math.max(0, ...cellsOf(problems[index]).map((cell) => cell[order] ?? 0));
    shown.sort((a, b) => most(b) - most(a));
  }
  drawn = 0;
  byId("rows").tBodies[0].replaceChildren();
  byId("count").textContent = shown.length ? `${number(shown.length)} of ${number(problems.length)} problems` : "No problem is like this.";
  drawMore();
}

function drawMore() {
  const next = shown.slice(drawn, drawn + ROWS_AT_ONCE);
  byId("rows").tBodies[0].append(...next.map(rowOf));
  drawn += next.length;
  byId("more").hidden = drawn >= shown.length;
}

function rowOf(index) {
  const problem = problems[index];
  const link = el("a", { href: `#/${index}` }, el("span", { class: "clip" }, plain(problem.question ?? "(no trace: the question is not known)")), el("span", { class: "id" }, plain(problem.id)));
  return el("tr", {},
    el("td", {}, link),
    el("td", {}, problem.level === null ? "" : `level ${problem.level}`),
    ...problem.cells.map((cell, run) => el("td", { "data-run": runs.length > 1 ? runs[run].name : null }, cell ? chipsOf(cell) : el("small", {}, "not in it"),
      cell && cell.tokens !== null ? el("small", {}, `${number(cell.tokens)} tokens`) : null)),
  );
}

function chipsOf(cell) {
  if (cell.chips) return el("div", { class: "chips" }, cell.chips.map(([text, look]) => el("span", { class: `chip ${look}` }, plain(text))));
  const chips = [];
  if (cell.status !== "done") chips.push(el("span", { class: "chip bad" }, cell.status));
  else if (cell.change) {
    const [mark, name, look] = CHANGES[cell.change];
    chips.push(el("span", { class: `chip ${look}`, title: name }, mark, el("span", {}, ` ${name}`)));
  } else chips.push(el("span", { class: "chip" }, "not graded"));
  for (const flag of CHIPS) if (cell.flags.includes(flag)) chips.push(el("span", { class: "chip" }, FLAGS[flag]));
  return el("div", { class: "chips" }, chips);
}

// --- the search in responses ---------------------------------------------------------------------------------------

// Blocks are read one after another, and the page draws between two of them. Nothing is kept but the one that was read last.
const SEARCHED = new Set(["text", "steps", "explanation", "final_explanation", "reasoning", "answer", "step", "refinement", "description"]);
let searches = 0; // a newer search ends the one that goes on

function textsIn(part, texts = [], list = "") {
  for (const [key, value] of Object.entries(part)) {
    const name = Array.isArray(part) ? list : key;
    if (typeof value === "string") {
      if (SEARCHED.has(name)) texts.push(value);
    } else if (value !== null && name !== "formulas" && typeof value === "object") textsIn(value, texts, name);
  }
  return texts;
}

async function searchInside(words, rest) {
  const mine = ++searches;
  const blocks = [];
  for (const index of rest) for (const cell of cellsOf(problems[index])) if (cell.place) (blocks[cell.place[0]] ??= []).push([index, cell.place[1]]);
  const found = new Set();
  const numbers = Object.keys(blocks);
  for (const [at, block] of numbers.entries()) {
    if (at % 10 === 0) byId("count").textContent = `${number(shown.length + found.size)} found so far; ${number(100 * at / numbers.length)} % of the responses were searched`;
    const trees = await treesOf(Number(block));
    if (mine !== searches) return;
    for (const [index, place] of blocks[block]) {
      const text = textsIn(trees[place]).join("\n").toLowerCase();
      if (words.every((word) => text.includes(word) || problems[index].haystack.includes(word))) found.add(index);
    }
  }
  if (!numbers.length) return;
  shown = [...shown, ...found].sort((a, b) => a - b);
  drawShown();
}

// --- one problem -------------------------------------------------------------------------------------------------

let opened = [-1, []]; // the block that was read last

async function treesOf(block) {
  if (opened[0] !== block) {
    const bytes = Uint8Array.from(atob(JSON.parse(byId(`block-${block}`).textContent)), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    opened = [block, await new Response(stream).json()];
  }
  return opened[1];
}

async function showProblem(index, run) {
  const problem = problems[index];
  const cell = problem.cells[run];
  const asked = location.hash;
  const isTooOld = !("DecompressionStream" in window);
  const tree = cell && cell.place && !isTooOld ? (await treesOf(cell.place[0]))[cell.place[1]] : null;
  if (location.hash !== asked) return; // another problem was asked for meanwhile
  const write = writer(tree ? tree.formulas : {});
  const place = shown.indexOf(index);
  const parts = [
    barOf(index, run, place),
    el("p", { class: "question text" }, write(problem.question ?? "(the question is not known)")),
    factsOf(problem, cell, tree, write),
  ];
  if (cell && cell.reason) parts.push(el("p", { class: "gap text" }, `${cell.status}: `, plain(cell.reason)));
  if (tree) parts.push(...treeOf(tree, write));
  else if (isTooOld) parts.push(el("p", { class: "gap" }, "This browser is too old to unpack the problem: it has no DecompressionStream."));
  else parts.push(el("p", { class: "gap" }, cell ? "There is no trace: nothing was written, or the graph raised an error." : "This run does not have the problem."));
  const view = byId("problem");
  view.replaceChildren(...parts);
  byId("overview").hidden = true;
  view.hidden = false;
  window.scrollTo(0, 0);
  view.focus({ preventScroll: true });
}

function loopOf(tree, write) {
  const { trace } = tree;
  return [ballotOf(trace, write), ...trace.chains.map((chain, i) => chainOf(chain, tree.responses[i], trace, write, trace.chains.length === 1 || i === 0))];
}

function barOf(index, run, place) {
  const tabs = runs.length > 1 ? runs.map((other, i) => el("a", { href: `#/${index}/${i}`, class: i === run ? "here" : null, "aria-current": i === run ? "page" : null }, plain(other.name))) : [];
  return el("nav", { class: "bar", "aria-label": "Problems" },
    el("a", { href: "#/" }, "← all problems"),
    ...tabs,
    el("span", { class: "end" },
      place > 0 ? el("a", { href: `#/${shown[place - 1]}/${run}`, id: "previous" }, "previous") : null,
      el("span", { class: "sub" }, place < 0 ? "" : `${number(place + 1)} of ${number(shown.length)}`),
      place >= 0 && place < shown.length - 1 ? el("a", { href: `#/${shown[place + 1]}/${run}`, id: "next" }, "next") : null));
}

function factsOf(problem, cell, tree, write) {
  const facts = [el("span", {}, plain(problem.id))];
  if (problem.level !== null) facts.push(el("span", {}, `level ${problem.level}`));
  facts.push(el("span", {}, "reference ", el("b", {}, problem.reference === null ? "none" : write(problem.reference))));
  if (!cell) return el("p", { class: "facts" }, facts);
  if (!cell.parts || cell.answer !== null) facts.push(el("span", {}, "answer ", el("b", {}, cell.answer === null ? "none" : write(cell.answer))));
  if (cell.tokens !== null) facts.push(el("span", {}, `${number(cell.tokens)} tokens`));
  if (cell.seconds !== null) facts.push(el("span", {}, `${number(cell.seconds, 1)} s`));
  if (tree && tree.trace && tree.trace.grade && tree.trace.grade.reason) facts.push(el("span", {}, "graded by ", plain(tree.trace.grade.reason)));
  return el("div", {}, el("p", { class: "facts" }, facts), chipsOf(cell));
}

const details = (name, ...content) => el("details", {}, el("summary", {}, name), ...content);

function ballotOf(trace, write) {
  const { ballot, chains } = trace;
  const most = Math.max(...ballot.entries.map((entry) => entry.weight), 0) || 1;
  const list = (numbers) => numbers.map((i) => i + 1).join(", ");
  const notes = ballot.entries.length ? [] : ["There is no answer to count."];
  if (ballot.unparsed.length) notes.push(`No answer could be read in chain ${list(ballot.unparsed)}.`);
  if (ballot.excluded.length) notes.push(`The rule left out chain ${list(ballot.excluded)}.`);
  if (ballot.is_tie) notes.push("A tie, decided by the seeded rule.");
  return el("section", {},
    el("h3", {}, `Ballot: ${ballot.rule.replaceAll("_", " ")}`),
    el("table", { class: "ballot" }, el("tbody", {}, ballot.entries.map((entry) => el("tr", {},
      el("td", {}, el("b", {}, write(entry.answer)), entry.answer === ballot.winner ? el("small", {}, " chosen") : null),
      el("td", {}, el("progress", { max: most, value: entry.weight, "aria-label": "weight" })),
      el("td", {}, number(entry.weight, Number.isInteger(entry.weight) ? 0 : 2)),
      el("td", {}, el("small", {}, `chain ${list(entry.chains)} of ${chains.length}`)))))),
    notes.length ? el("p", { class: "sub" }, notes.join(" ")) : null);
}

const refinedIn = ({ parent = null, told }) => (parent === null ? "" : `a refinement of chain ${parent + 1} by its critique ${told + 1} `);

function chainOf(chain, responses, trace, write, open) {
  const made = el("details", { class: "chain", open },
    el("summary", {}, el("b", {}, trace.chains.length > 1 ? `Chain ${chain.index + 1} ` : "The chain "), refinedIn(chain), chainInShort(chain, responses)));
  let next = 0;
  let current = null;
  if (chain.response) {
    current = [chain.response, responses[next++]];
    made.append(...responseOf("Response", ...current, chain.rounds[0] ?? null, write));
  }
  chain.rounds.forEach((round, i) => {
    const later = chain.rounds[i + 1] ?? null;
    if (!chain.response) made.append(...critiqueAlone(round, i, write));
    for (const dropped of round.discarded) made.append(details("A refinement that was drawn and not kept", el("div", { class: "raw" }, plain(dropped.text))));
    if (round.refinement) {
      const worked = responses[next++];
      made.append(...responseOf(`Refinement ${i + 1}`, round.refinement, worked, worked.is_truncated ? null : later, write));
      if (worked.is_truncated && later) made.append(...responseOf("The response before, critiqued again", ...current, later, write));
      if (!worked.is_truncated) current = [round.refinement, worked];
    } else if (later) made.append(...responseOf("The response, critiqued again", ...current, later, write));
  });
  if (chain.failure) made.append(el("p", { class: "gap text" }, `${chain.failure.kind} after ${chain.failure.attempts} attempts: `, plain(chain.failure.message)));
  made.append(el("p", { class: "sub" }, `Ended: ${STOPS[chain.stop] ?? chain.stop ?? "not said"}.`));
  return made;
}

function chainInShort(chain, responses) {
  const marks = responses.map((response) => (response.is_correct === null ? "?" : response.is_correct ? "✓" : "✗"));
  const answers = [chain.response, ...chain.rounds.map((round) => round.refinement)].filter(Boolean);
  return el("span", {}, answers.flatMap((response, i) => [i ? " → " : "", ...plain(response.answer ?? "no answer"), " ", el("span", { class: marks[i] === "✓" ? "good" : marks[i] === "✗" ? "bad" : null }, marks[i])]));
}

function responseOf(name, response, worked, round, write) {
  const grade = worked.is_truncated ? "cut off" : worked.is_correct === null ? "not graded" : worked.is_correct ? "correct" : "wrong";
  const parts = [el("h4", {}, name, el("span", { class: `verdict ${grade === "correct" || grade === "wrong" ? grade : "none"}` }, grade === "correct" ? "✓ correct by the reference" : grade === "wrong" ? "✗ wrong by the reference" : grade),
    el("small", {}, callOf(response.call)))];
  if (response.grade && response.grade.reason && worked.is_correct === null) parts.push(el("p", { class: "sub" }, "Not graded: ", plain(response.grade.reason)));
  if (worked.changes) parts.push(el("p", { class: "sub" }, "What the refinement changed:"), el("div", { class: "diff" }, worked.changes.map(([kind, text]) => (kind === "=" ? el("span", {}, plain(text)) : el(kind === "+" ? "ins" : "del", {}, plain(text))))));
  const critique = round && round.critique;
  if (round && (round.others || round.failures)) parts.push(votesOf(round));
  parts.push(stepsOf(worked.steps, critique, write));
  if (critique) {
    parts.push(el("p", {}, el("small", {}, "Critique of the final answer: "), verdict(critique.final), " ", el("span", { class: "text" }, write(critique.final_explanation)), " ", el("small", {}, callOf(round.call))));
    const said = [critique.quality === "nominal" ? "" : critique.quality, ...critique.warnings.map((warning) => warning.replaceAll("_", " ")), round.is_edited ? "edited by a person" : ""].filter(Boolean);
    if (said.length) parts.push(el("p", { class: "sub" }, `How the critique could be read: ${said.join(", ")}.`));
  }
  for (const other of (round && round.others) || []) parts.push(otherCritique(other, worked.steps, write));
  parts.push(details("As it was written", ...asWritten(response.text, response.call, "response"), ...(critique ? asWritten(critique.text, round.call, "critique") : [])));
  return parts;
}

// The verdicts of several critiques; the one whose steps are shown stands for all of them.
function votesOf(round) {
  const verdicts = [round, ...(round.others || [])].map((given) => given.critique.final);
  const count = (value) => verdicts.filter((verdict) => verdict === value).length;
  const failed = (round.failures || []).length;
  const said = [`${count("wrong")} wrong`, `${count("correct")} correct`, count(null) ? `${count(null)} without a verdict` : "", failed ? `${failed} failed` : ""].filter(Boolean);
  return el("p", {}, el("small", {}, `${verdicts.length + failed} critiques: ${said.join(", ")}. Verdict of the rule: `), verdict(round.critique.final), el("small", {}, " This critique stands for them:"));
}

function otherCritique(other, steps, write) {
  return details(`Another critique: ${other.critique.final ?? "no verdict"}`, stepsOf(steps, other.critique, write), el("p", { class: "text" }, write(other.critique.final_explanation)), ...asWritten(other.critique.text, other.call, "critique"));
}

function critiqueAlone(round, i, write) {
  return [el("h4", {}, `Critique ${i + 1}`, verdict(round.critique.final)), el("p", { class: "text" }, write(round.critique.final_explanation)), ...asWritten(round.critique.text, round.call, "critique")];
}

function stepsOf(steps, critique, write) {
  const judged = new Map(steps.map((_, i) => [i, []]));
  const strangers = [];
  for (const step of critique ? critique.steps : []) (judged.get(step.step_index) ?? strangers).push(step);
  const note = (step) => el("div", {}, verdict(step.verdict), " ", el("span", { class: "text" }, write(step.explanation)));
  const look = (found) => (found.some((step) => step.verdict === "wrong") ? "wrong" : found.some((step) => step.verdict === "correct") ? "correct" : "");
  return el("ol", { class: "steps" },
    steps.map((text, i) => el("li", { class: `${look(judged.get(i))} ${critique && critique.steps.length ? "" : "alone"}` },
      el("div", { class: "text" }, write(text)),
      judged.get(i).length ? el("div", { class: "note" }, judged.get(i).map(note)) : null)),
    strangers.map((step) => el("li", { class: look([step]) },
      el("div", { class: "text" }, el("small", {}, "not found in the response: "), write(step.text)),
      el("div", { class: "note" }, note(step)))));
}

function verdict(value) {
  const [mark, look] = { correct: ["✓ correct", "correct"], wrong: ["✗ wrong", "wrong"] }[value] ?? ["no verdict", "none"];
  return el("span", { class: `verdict ${look}` }, mark);
}

function asWritten(text, call, name) {
  const parts = [el("p", { class: "sub" }, `The ${name}:`), el("div", { class: "raw" }, plain(text))];
  if (call.reasoning) parts.push(el("p", { class: "sub" }, `The reasoning before the ${name}:`), el("div", { class: "raw" }, plain(call.reasoning)));
  return parts;
}

function callOf(call) {
  const { usage } = call;
  const tokens = usage.calls && usage.calls === usage.unknown_calls ? "tokens unknown" : `${number(usage.input_tokens)} + ${number(usage.output_tokens)} tokens`;
  const more = [usage.cached_tokens ? `${number(usage.cached_tokens)} cached` : "", `${number(call.seconds, 1)} s`, call.attempts > 1 ? `${call.attempts} attempts` : "", call.finish_reason && call.finish_reason !== "stop" ? `ended by ${call.finish_reason}` : ""];
  return plain([call.model, tokens, ...more].filter(Boolean).join(" · "));
}

// --- moving about ------------------------------------------------------------------------------------------------

let lastOpened = null;

function route() {
  const match = /^#\/(\d+)(?:\/(\d+))?$/.exec(location.hash);
  if (match && problems[Number(match[1])]) {
    const index = Number(match[1]);
    const picked = byId("run").value;
    const first = problems[index].cells.findIndex((cell) => cell !== null);
    const wanted = match[2] !== undefined ? Number(match[2]) : picked !== "" ? Number(picked) : first;
    lastOpened = index;
    showProblem(index, wanted < runs.length ? wanted : first);
    return;
  }
  const back = !byId("problem").hidden;
  byId("problem").hidden = true;
  byId("overview").hidden = false;
  if (back) {
    while (drawn < shown.length && shown.indexOf(lastOpened) >= drawn) drawMore();
    const link = byId("rows").querySelector(`a[href="#/${lastOpened}"]`);
    (link ?? byId("problems")).focus();
    if (link) link.scrollIntoView({ block: "center" });
  }
}

function move(by) {
  const links = [...byId("rows").querySelectorAll("tbody a")];
  const at = links.indexOf(document.activeElement);
  if (at + by >= links.length && drawn < shown.length) {
    drawMore();
    return move(by);
  }
  const link = links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)];
  if (link) link.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  const reading = !byId("problem").hidden;
  if (event.key === "Escape") {
    if (reading) location.hash = "#/";
    else if (typing) event.target.blur();
  } else if (typing) return;
  else if (event.key === "/") {
    event.preventDefault();
    if (reading) location.hash = "#/";
    setTimeout(() => byId("search").focus());
  } else if (reading && (event.key === "ArrowRight" || event.key === "j")) byId("next")?.click();
  else if (reading && (event.key === "ArrowLeft" || event.key === "k")) byId("previous")?.click();
  else if (!reading && event.key === "j") move(1);
  else if (!reading && event.key === "k") move(-1);
});

fillControls();
byId("rows").tHead.append(el("tr", {}, el("th", { scope: "col" }, "problem"), el("th", { scope: "col" }, ""), ...runs.map((run) => el("th", { scope: "col" }, runs.length > 1 ? plain(run.name) : "outcome"))));
let waiting = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 120);
});
byId("in").hidden = !("DecompressionStream" in window);
for (const id of ["kind", "level", "order", "inside"]) byId(id).addEventListener("change", filter);
byId("run").addEventListener("change", () => {
  countKinds();
  filter();
});
byId("more").addEventListener("click", drawMore);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) drawMore();
}, { rootMargin: "400px" }).observe(byId("more"));
window.addEventListener("hashchange", route);
filter();
route();
