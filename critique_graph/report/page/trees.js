"use strict";
// What the folders of other verbs than `run` show of a problem, and how its parts are filtered. It comes before page.js.
const REFINED = { with: "with the critique", without: "without it" };

// --- filters of the table ----------------------------------------------------------------------------------------

function fillFilters() {
  const show = byId("kind").parentElement; // it is about runs
  show.hidden = data.filters.length > 0;
  show.after(...data.filters.map(({ name, options }, i) => {
    const select = el("select", { id: `filter-${i}` }, el("option", { value: "" }, "any"), ...options.map(([value, label]) => el("option", { value }, label)));
    select.addEventListener("change", filter);
    return el("label", {}, `${name} `, select);
  }));
}

const chosen = () => data.filters.map((_, i) => byId(`filter-${i}`).value);

function fits(part) {
  return chosen().every((value, i) => value === "" || value === part[i]);
}

function passesFilters(problem) {
  if (chosen().every((value) => value === "")) return true;
  return problem.cells.some((cell) => cell && (cell.parts ?? []).some(fits));
}

// --- trees of each verb ------------------------------------------------------------------------------------------

function treeOf(tree, write) {
  const trees = { generate: pathsOf, "self-talk": talksOf, "eval-critic": judgementOf, compare: poolOf };
  const { solution } = (tree.trace ?? tree).problem;
  const known = solution ? [details("The worked solution of the problem set", el("div", { class: "text" }, write(solution)))] : [];
  return [...known, ...(trees[data.verb] ?? loopOf)(tree, write)];
}

// Puts what passes the filters first and opens it; if nothing was chosen, the first is open.
function picked(items, partOf, draw) {
  const hits = items.map((item) => fits(partOf(item)));
  const isAny = hits.every(Boolean);
  const order = items.map((_, i) => i).sort((a, b) => hits[b] - hits[a] || a - b);
  return order.map((i, place) => draw(items[i], i, isAny ? place === 0 : hits[i]));
}

const words = (reason) => reason.replaceAll("_", " ");
const fate = (isKept, reason) => el("span", { class: `chip ${isKept ? "good" : ""}` }, isKept ? "kept" : `dropped: ${words(reason)}`);
const failureOf = (failure) => (failure ? el("p", { class: "gap text" }, `${failure.kind} after ${failure.attempts} attempts: `, plain(failure.message)) : null);

function pathsOf(tree, write) {
  return picked(tree.trace.paths, (path) => [path.strategy, path.drop ? path.drop.reason : "kept"], (path, i, open) => pathOf(path, tree.responses[i], tree.lifts[i], write, open));
}

function pathOf(path, worked, lift, write, open) {
  const { trial, known } = path;
  const parts = [];
  if (path.template) parts.push(el("p", { class: "sub" }, `It begins with a part of ${path.template === "sample" ? "a correct sample" : "the worked solution"}.`));
  if (known.step !== null) parts.push(el("p", { class: "sub" }, `Known to be wrong: step ${known.step + 1}${known.type ? `, ${words(known.type)}` : ""}. `, plain(known.description ?? "")));
  if (path.response) {
    const round = path.critique && { critique: path.critique, call: path.calls.at(-1), is_edited: false };
    const [title, ...body] = responseOf("Path", path.response, worked, round, write);
    parts.push(title, ...body);
    if (known.step !== null) mark(body, known.step, "known to be wrong");
  }
  if (trial) {
    const tried = (right, count, how) => `${right} of ${count} refinements ${how} are correct`;
    parts.push(el("p", {}, el("small", {}, "Trial: "), el("b", {}, tried(trial.right_with, trial.tried, REFINED.with)), trial.tried_without ? `; ${tried(trial.right_without, trial.tried_without, REFINED.without)}` : "; none was tried without it", lift ? `: ${lift}` : "", "."));
    if (trial.refinement) parts.push(details("The first correct refinement with the critique", el("div", { class: "text" }, write(trial.refinement))));
  }
  return el("details", { class: "chain", open },
    el("summary", {}, el("b", {}, plain(path.name)), " ", el("span", { class: "chip" }, path.strategy), " ", fate(!path.drop, path.drop && `${path.drop.reason}`), path.drop ? el("small", {}, ` in the stage ${path.drop.stage}`) : null),
    ...parts.filter(Boolean), failureOf(path.failure));
}

function talksOf(tree, write) {
  const chains = { chains: tree.trace.talks.map((talk) => talk.chain) };
  const first = (talk) => (talk.chain.response && talk.chain.response.grade && talk.chain.response.grade.outcome === "correct" ? "right" : "wrong");
  return picked(tree.trace.talks, (talk) => [first(talk), talk.drop ?? "kept"], (talk, i, open) => talkOf(talk, tree.responses[i], chains, write, open));
}

function talkOf(talk, responses, chains, write, open) {
  const made = chainOf(talk.chain, responses, chains, write, open);
  made.querySelector("summary").append(" ", fate(!talk.drop, talk.drop ?? ""));
  if (talk.thoughts.length) {
    made.append(el("h4", {}, "The talk"), el("ol", { class: "steps" }, talk.thoughts.map((thought) => el("li", { class: thought.verdict ?? "" },
      el("div", { class: "text" }, write(thought.step)),
      el("div", { class: "note" }, thought.reasoning ? el("p", { class: "text" }, write(thought.reasoning)) : null, thought.verdict ? verdict(thought.verdict) : null, " ", el("span", { class: "text" }, write(thought.explanation)))))));
  }
  if (talk.response) made.append(details("The talk as it was written", ...asWritten(talk.response.text, talk.response.call, "talk")));
  if (talk.failure && !talk.chain.failure) made.append(failureOf(talk.failure));
  return made;
}

function judgementOf(tree, write) {
  const step = (index) => (index === null ? "none that can be read" : index < 0 ? "no wrong step" : `step ${index + 1}`);
  const why = tree.reason ? ` (${words(tree.reason)})` : "";
  const parts = [el("p", {}, "First wrong step by the label: ", el("b", {}, tree.label === null ? "not labelled" : step(tree.label)), ". By the critic: ", el("b", {}, tree.critique || tree.reason ? `${step(tree.predicted)}${why}` : "no critique"), ".")];
  const steps = tree.steps.length ? tree.steps : tree.response ? [tree.response.text] : [];
  const list = stepsOf(steps, tree.critique, write);
  if (tree.others.length || tree.failures.length) parts.push(votesOf(tree));
  parts.push(list);
  if (tree.label !== null && tree.label >= 0) mark([list], tree.label, "first wrong step by the label");
  if (tree.critique) {
    parts.push(el("p", {}, el("small", {}, "Critique of the final answer: "), verdict(tree.critique.final), " ", el("span", { class: "text" }, write(tree.critique.final_explanation)), " ", el("small", {}, callOf(tree.call))));
  }
  for (const other of tree.others) parts.push(otherCritique(other, steps, write));
  parts.push(details("As it was written", ...(tree.response ? asWritten(tree.response.text, tree.response.call, "response") : []), ...(tree.critique ? asWritten(tree.critique.text, tree.call, "critique") : [])));
  return [el("div", { class: "chain" }, ...parts)];
}

// Writes beside a step what is known of it.
function mark(parts, index, text) {
  const list = parts.find((part) => part instanceof Element && part.matches("ol.steps"));
  if (list && list.children[index]) list.children[index].firstChild.append(el("div", {}, el("small", { class: "bad" }, `▲ ${text}`)));
}

function poolOf(tree, write) {
  const { greedy, retries, uncritiqued } = tree.trace;
  const short = (response) => [el("b", {}, response.answer === null ? "no answer" : write(response.answer)), ` ${response.grade ? response.grade.outcome : "not graded"}`];
  const one = (name, response) => details(el("span", {}, name, ": ", ...short(response)), el("div", { class: "text" }, write(response.text)), el("p", { class: "sub" }, callOf(response.call)));
  const group = (name, drawn) => (drawn.length ? el("details", { class: "chain" }, el("summary", {}, el("b", {}, name)), ...drawn) : null);
  return [
    ...loopOf(tree, write),
    group("At temperature 0", greedy ? [one("Response", greedy)] : []),
    group("Refinements of the first responses without a critic", retries.map((response, i) => (response ? one(`Chain ${i + 1}`, response) : el("p", { class: "sub" }, `Chain ${i + 1}: cut off, so there is none.`)))),
    group(`${uncritiqued.length} more samples, for votes without a critic`, uncritiqued.map((response, i) => one(`Sample ${i + 1}`, response))),
  ].filter(Boolean);
}
