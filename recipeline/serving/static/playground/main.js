/** The playground: one row of features, its prediction, and what moves it. */

import { Api, Refusal } from "./api.js";
import { Batch } from "./batch.js";
import { Control } from "./control.js";
import { byId, element, show } from "./dom.js";
import { drawEffects, planEffects } from "./effects.js";
import { kindOf } from "./kinds/every.js";
import { decimalsOf, fixed } from "./numbers.js";
import { taskOf } from "./tasks/every.js";
import { startTheme } from "./theme.js";
import { oneAtATime, onceSettled, pause } from "./timing.js";

const WATCH_MS = 3000;
const FOLLOW_MS = 1200;
const SETTLED_MS = 250;
const NEWS_MS = 30_000;
const SPOKEN_MS = 700;

/** The page: the served model, a control for each of its features, and the newest answer. */
class Playground {
  #api = new Api();
  #model = null;
  #controls = new Map();
  #atSample = null;
  #loading = false;
  #batch = new Batch(
    () => ({ api: this.#api, model: this.#model, wishes: this.#wishes }),
    (error) => this.#stumble(error),
  );
  #predictSoon = oneAtATime(() => this.#predict());
  #explainSoon = onceSettled((signal) => this.#explain(signal), SETTLED_MS);
  // Workers of a service change their version one after the other: who asks at once may be told of the old one again.
  #followSoon = onceSettled(() => this.#load(), FOLLOW_MS);
  #speakSoon = onceSettled(async () => this.#speak(), SPOKEN_MS);

  start() {
    startTheme();
    byId("reset").addEventListener("click", () => this.#reset());
    byId("token-form").addEventListener("submit", (event) => this.#takeToken(event));
    this.#load();
    setInterval(() => this.#watch(), WATCH_MS);
    document.addEventListener("visibilitychange", () => this.#watch());
  }

  // --- the model -------------------------------------------------------------------------------------------------------

  /** Take what is served now, unless it is what the page has; what the user has set stays where the feature stays. */
  async #load() {
    if (this.#loading) return;
    this.#loading = true;
    const troubled = byId("problem").textContent !== "";
    try {
      const model = await this.#api.model();
      show(byId("token-form"), false);
      this.#setProblem("");
      if (!isSame(model, this.#model)) this.#take(model);
      else if (troubled) this.#ask();
    } catch (error) {
      this.#stumble(error);
    } finally {
      this.#loading = false;
    }
  }

  #take(model) {
    const before = this.#model;
    const controls = this.#controls;
    this.#model = model;
    this.#drawFacts();
    this.#controls = new Map(model.features.map((feature, place) => [feature.name, new Control(feature, place, () => this.#ask())]));
    byId("controls").replaceChildren(...[...this.#controls.values()].map(({ node }) => node));
    const kinds = model.features.map(kindOf);
    byId("controls-hint").textContent = together(kinds.flatMap(({ hints }) => hints));
    byId("effects-hint").textContent = together(kinds.map(({ pictureHint }) => pictureHint));
    for (const [name, control] of this.#controls) {
      const kept = controls.get(name);
      control.value = kept?.type === control.type ? kept.value : model.sample[name];
    }
    show(byId("page"));
    if (before) {
      this.#setNews(`Version ${model.version} is served now; before it was version ${before.version}. The page shows the new one, your values are kept.`);
      this.#batch.outdate();
    }
    this.#ask();
  }

  /** Look whether another version is served; a page that nobody looks at does not ask. */
  async #watch() {
    if (document.hidden || !byId("token-form").hidden) return;
    try {
      const served = await this.#api.served();
      if (!this.#model || byId("problem").textContent) await this.#load();
      else if (served && !isSame(served, this.#model)) this.#followSoon();
    } catch (error) {
      this.#stumble(error);
    }
  }

  #drawFacts() {
    const { name, version, candidate, data_source: source, target } = this.#model;
    document.title = `${name} · playground`;
    byId("model-name").textContent = name;
    byId("target-name").textContent = target.name;
    const facts = [["Version", version], ["Candidate", candidate], ["Data", source], ...taskOf(this.#model).factsOf(this.#model)];
    byId("facts").replaceChildren(
      ...facts.filter(([, value]) => value !== null)
        .map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, String(value)))));
    show(byId("synthetic"), source === "synthetic");
  }

  // --- one row ---------------------------------------------------------------------------------------------------------

  get #wishes() {
    return taskOf(this.#model).wishesOf(this.#model);
  }

  get #values() {
    return new Map([...this.#controls].map(([name, control]) => [name, control.value]));
  }

  #ask() {
    this.#predictSoon();
    this.#explainSoon();
  }

  #reset() {
    for (const [name, control] of this.#controls) control.value = this.#model.sample[name];
    this.#ask();
  }

  async #predict() {
    const model = this.#model;
    try {
      const answer = await this.#api.predict(Object.fromEntries(this.#values), this.#wishes);
      if (model !== this.#model) return;
      this.#setProblem("");
      this.#showNotes(answer.warnings ?? [], "warning");
      this.#showPrediction(answer);
      if (!isSame(answer.model, model)) this.#followSoon();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error) {
    if (!(error instanceof Refusal) || !error.faults.length) return this.#stumble(error);
    this.#showNotes(error.faults, "fault");
    byId("prediction").classList.add("is-stale");
    this.#speakSoon();
  }

  #showPrediction(answer) {
    const task = taskOf(this.#model);
    byId("prediction").classList.toggle("is-stale", !task.isAnswered(answer));
    if (!task.isAnswered(answer)) return;
    task.draw(answer, this.#model, this.#atSample);
    this.#speakSoon();
  }

  /** Show what the service says of values beside them; what belongs to no feature is a problem of the page. */
  #showNotes(notes, kind) {
    for (const control of this.#controls.values()) control.tell("");
    for (const { field, rule } of notes) {
      const control = this.#controls.get(field);
      if (control) control.tell(rule, kind);
      else this.#setProblem(`${field ?? "The row"}: ${rule}`);
    }
  }

  /** Say the newest answer once nothing moves, for those who listen to the page. */
  #speak() {
    const stale = byId("prediction").classList.contains("is-stale");
    const words = ["value", "value-unit", "interval", "grade"].map((id) => byId(id).textContent).filter(Boolean);
    byId("spoken").textContent = stale ? "A value cannot be used. See its field." : `Predicted ${this.#model.target.name}: ${words.join(", ")}`;
  }

  // --- what moves it ---------------------------------------------------------------------------------------------------

  async #explain(signal) {
    const model = this.#model;
    const plan = planEffects(model.features, this.#values, model.sample);
    byId("effects").setAttribute("aria-busy", "true");
    try {
      const answer = await this.#api.predict(plan.rows, [], signal);
      if (model === this.#model && isSame(answer.model, model)) this.#showEffects(plan, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      byId("effects").classList.add("is-stale");
      if (!error.faults.length) byId("effects-note").textContent = error.message;
    } finally {
      if (!signal.aborted) byId("effects").removeAttribute("aria-busy");
    }
  }

  #showEffects(plan, answer) {
    const task = taskOf(this.#model);
    const { numbers, called, lead } = task.effectsOf(answer, this.#model, plan.here);
    const found = plan.read(numbers);
    const decimals = decimalsOf(Math.max(...found.effects.map(({ reach }) => reach)));
    this.#atSample = task.pick(answer, plan.start);
    byId("effects").classList.remove("is-stale");
    byId("effects").replaceChildren(...drawEffects(found, called, (feature) => this.#controls.get(feature).focus()));
    byId("effects-note").textContent =
      `${lead}The sample has ${fixed(found.start, decimals)}, your values ${fixed(found.here, decimals)}. Features act together, so single changes need not add up.`;
  }

  // --- what goes wrong -------------------------------------------------------------------------------------------------

  /** Tell what went wrong; a missing token is asked for, all else the watch tries again. */
  #stumble(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) return this.#askForToken();
    this.#setProblem(error.passes ? `${error.message} · The page asks again every few seconds.` : error.message);
  }

  #askForToken() {
    const wasOpen = !byId("token-form").hidden;
    byId("token-note").textContent = byId("token").value ? "The service does not know this token." : "The service asks for a token. It is kept until this page is closed.";
    show(byId("token-form"));
    this.#setProblem("");
    if (!wasOpen) byId("token").focus();
  }

  async #takeToken(event) {
    event.preventDefault();
    this.#api.token = byId("token").value;
    await this.#load();
    if (byId("token-form").hidden) byId("token").value = "";
    if (this.#model && byId("token-form").hidden) this.#ask();
  }

  #setProblem(text) {
    byId("problem").textContent = text;
    show(byId("waiting"), false);
  }

  #setNews(text) {
    byId("news").textContent = text;
    setTimeout(() => byId("news").textContent === text && (byId("news").textContent = ""), NEWS_MS);
  }
}

function together(sentences) {
  return [...new Set(sentences)].join(" ").trim();
}

function isSame(one, other) {
  return one !== null && other !== null && one.version === other.version && one.run_id === other.run_id;
}

new Playground().start();
