/** Light or dark: as the system has it, until the button says otherwise. */

import { byId } from "./dom.js";

const KEY = "theme";

/** Make the button change the theme, and bring back what was chosen before. */
export function startTheme() {
  const chosen = remembered();
  if (chosen) document.documentElement.dataset.theme = chosen;
  tell();
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember(document.documentElement.dataset.theme);
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function tell() {
  byId("theme").textContent = isDark() ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", isDark() ? "Change to light colours" : "Change to dark colours");
}

/** Browsers that keep nothing for pages answer with an error; the theme is then the system's each time. */
function remembered() {
  try {
    const theme = localStorage.getItem(KEY);
    return ["light", "dark"].includes(theme) ? theme : null;
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // it lasts as long as the page
  }
}
