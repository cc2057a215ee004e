/** Numbers as people read them, and the round steps between them. */

export const MINUS = "−";

/** Return a value as it was meant: 0.1 + 0.2 is 0.3. */
export function clean(value) {
  return Number(value.toPrecision(12));
}

/** Return a short text of a value, of at most so many significant digits. */
export function brief(value, digits = 5) {
  return String(Number(value.toPrecision(digits))).replace("-", MINUS);
}

/** Return a value's text with so many decimals. */
export function fixed(value, decimals) {
  return value.toFixed(decimals).replace("-", MINUS);
}

/** Return a difference's text, always with its sign; what rounds to nothing has none. */
export function signed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : (value < 0 ? MINUS : "+") + text;
}

/** Return how many decimals tell values of a span apart: three digits of it. */
export function decimalsOf(span) {
  return span > 0 ? Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(span)))) : 2;
}

/** Return the step of 1, 2 or 5 times a power of ten that goes into a span at least so many times. */
export function roundStep(span, parts) {
  const power = 10 ** Math.floor(Math.log10(span / parts));
  const fits = [5, 2, 1].find((factor) => factor * power <= span / parts * 1.000001) ?? 1;
  return clean(fits * power);
}

/** Return the round values between two, about so many. */
export function ticksOf(low, high, count) {
  const step = roundStep(high - low, count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => clean((first + place) * step));
}

/** Return so many values from one to another, both included. */
export function spread(low, high, count) {
  return Array.from({ length: count }, (_, place) => clean(low + ((high - low) * place) / (count - 1)));
}
