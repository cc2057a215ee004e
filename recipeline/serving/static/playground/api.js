/** The service, asked from the page that it gave. */

/** What the service answered instead of what was asked for; `status` is 0 where it did not answer. */
export class Refusal extends Error {
  constructor(status, message, faults = []) {
    super(message);
    this.status = status;
    this.faults = faults;
  }

  /** Whether the same request may be answered in a moment. */
  get passes() {
    return [0, 429, 500, 502, 503, 504].includes(this.status);
  }
}

/** Asks the service. The token lives in this object and nowhere else: closing the page forgets it. */
export class Api {
  #token = "";

  set token(text) {
    this.#token = text.trim();
  }

  /** Return the served model's description. */
  model() {
    return this.#ask("model");
  }

  /** Return what is served now, null where nothing is; asked without a token. */
  async served() {
    const response = await this.#fetch("readyz", {});
    return (await json(response))?.served ?? null;
  }

  /** Return the answer for rows, an object or a list of objects by column. */
  predict(rows, wishes, signal) {
    const query = wishes.map((wish) => `${wish}=true`).join("&");
    const headers = { "Content-Type": "application/json" };
    return this.#ask(`predict?${query}`, { method: "POST", body: JSON.stringify(rows), headers, signal });
  }

  async #ask(path, options = {}) {
    const bearer = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const response = await this.#fetch(path, { ...options, headers: { ...options.headers, ...bearer } });
    const body = await json(response);
    if (response.ok && body) return body;
    throw new Refusal(response.status, body?.message ?? `The service answered ${response.status}.`, body?.faults);
  }

  async #fetch(path, options) {
    try {
      return await fetch(path, { cache: "no-store", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(0, "The service does not answer.");
    }
  }
}

/** Return the answer's JSON, null where it is none: what stands between page and service may answer in its own words. */
async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}
